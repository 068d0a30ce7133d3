"""Who may read the configuration: the operator, and it proves that it is.

The operator sends a token of its service account that is meant for the agents of this very router
(`domain/fleet/proof`). The agent checks it as any OpenID Connect client does: with the keys that
the API server publishes, which every service account may read, and by issuer, audience, lifetime
and subject (RFC 7519; Kubernetes, "Service account issuer discovery"). No right beyond those of a
router is needed for it, and none of the operator's can be used by whoever is shown the token.
"""

import asyncio
import logging
from typing import Any, Final

import httpx
import jwt

from tokenfleet.agent.settings import ApiServer

logger = logging.getLogger(__name__)

KEYS: Final = "/openid/v1/jwks"
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")
"""Those that API servers sign with; never `none`, and no shared secrets."""
REFRESH: Final = 10.0
"""Seconds between two readings of the keys: strangers' tokens must not become requests."""
SCHEME: Final = "Bearer "


class Callers:
    """Judges tokens; keeps the keys that it has read."""

    def __init__(
        self, client: httpx.AsyncClient, api: ApiServer, operator: str, *, audience: str
    ) -> None:
        """Read keys with `client`; believe tokens of the service account `operator`.

        Args:
            client: of the Kubernetes API.
            api: where the agent's own token is, which names the issuer.
            operator: `system:serviceaccount:NAMESPACE:NAME`; empty believes nobody.
            audience: for whom its tokens must be meant.
        """
        self._audience = audience
        self._client, self._api, self._operator = client, api, operator
        self._keys: dict[str, Any] = {}
        self._read_at = -REFRESH

    async def is_operator(self, authorization: str) -> bool:
        """Tell whether the value of an Authorization header is the operator's."""
        if not self._operator or not authorization.startswith(SCHEME):
            return False
        token = authorization.removeprefix(SCHEME)
        try:
            key = await self._key(jwt.get_unverified_header(token).get("kid", ""))
            if key is None:
                return False
            claims = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=self._audience,
                issuer=self._issuer(),
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, OSError, ValueError) as error:
            logger.warning("a caller is refused: %s", error)
            return False
        return bool(claims["sub"] == self._operator)

    async def _key(self, name: str) -> Any | None:
        now = asyncio.get_running_loop().time()
        if name not in self._keys and now - self._read_at >= REFRESH:
            self._read_at = now
            await self._read()
        return self._keys.get(name)

    async def _read(self) -> None:
        try:
            answer = await self._client.get(KEYS)
            answer.raise_for_status()
            published = jwt.PyJWKSet.from_json(answer.text)
        except (httpx.HTTPError, jwt.PyJWTError, ValueError) as error:
            logger.warning("the keys of the API server cannot be read: %s", error)
            return
        self._keys = {key.key_id: key.key for key in published.keys if key.key_id}

    def _issuer(self) -> str:
        """Return who issues tokens in this cluster, as the agent's own token says.

        Raises:
            OSError: there is no such token.
            ValueError: it says nothing of the kind.
        """
        if self._api.token_file is None:
            msg = "the agent has no token of its own"
            raise ValueError(msg)
        own = self._api.token_file.read_text(encoding="utf-8").strip()
        claims = jwt.decode(own, options={"verify_signature": False})
        return str(claims.get("iss", ""))
