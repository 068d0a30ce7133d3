"""Service account tokens as a cluster issues them, and the keys by which it publishes them."""

import json
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tokenfleet.domain.fleet.proof import audience

ISSUER: Final = "https://kubernetes.default.svc.cluster.local"
AUDIENCE: Final = audience("default", "default")
OPERATOR: Final = "system:serviceaccount:tokenfleet-system:tokenfleet"
KEY: Final = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVE: Final = ec.generate_private_key(ec.SECP256R1())
YEAR_2100: Final = 4_102_444_800


def published() -> dict[str, Any]:
    """Return what the API server answers to `/openid/v1/jwks`."""
    first = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
    second = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(CURVE.public_key()))
    return {
        "keys": [
            {**first, "kid": "one", "use": "sig", "alg": "RS256"},
            {**second, "kid": "two", "use": "sig", "alg": "ES256"},
        ]
    }


def token(key: Any = KEY, *, algorithm: str = "RS256", kid: str = "one", **claims: Any) -> str:
    """Return a token of the operator for agents; a claim of None is left out."""
    said = {"iss": ISSUER, "aud": [AUDIENCE], "sub": OPERATOR, "exp": YEAR_2100, **claims}
    kept = {name: value for name, value in said.items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm, headers={"kid": kid})
