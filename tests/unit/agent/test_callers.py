"""Only a token of the operator, meant for agents and signed by this cluster, is believed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support import tokens
from tests.support.tokens import AUDIENCE, CURVE, OPERATOR, published
from tokenfleet.agent.callers import Callers
from tokenfleet.agent.settings import ApiServer
from tokenfleet.domain.fleet.proof import audience

OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def token(*arguments: Any, **claims: Any) -> str:
    return f"Bearer {tokens.token(*arguments, **claims)}"


@pytest.fixture
def callers(tmp_path: Path) -> Callable[..., Callers]:
    own = tmp_path / "token"
    own.write_text(token(sub="system:serviceaccount:team:default-router").split()[1])

    def make(*, operator: str = OPERATOR, answer: httpx.Response | None = None) -> Callers:
        made = answer or httpx.Response(200, json=published())
        asked: list[str] = []

        def serve(request: httpx.Request) -> httpx.Response:
            asked.append(request.url.path)
            return httpx.Response(made.status_code, content=made.content)

        client = httpx.AsyncClient(
            transport=httpx.MockTransport(serve), base_url="https://api.example"
        )
        api = ApiServer(url="https://api.example", ca_file=None, token_file=own)
        found = Callers(client, api, operator, audience=AUDIENCE)
        found.asked = asked  # type: ignore[attr-defined]
        return found

    return make


async def test_the_operator_is_believed(callers: Callable[..., Callers]) -> None:
    assert await callers().is_operator(token())
    assert await callers().is_operator(token(CURVE, algorithm="ES256", kid="two"))


@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param("", id="nothing"),
        pytest.param("Basic YTpi", id="another scheme"),
        pytest.param("Bearer nonsense", id="no token"),
        pytest.param(token(sub="system:serviceaccount:team:web"), id="another account"),
        pytest.param(
            token(aud=["https://kubernetes.default.svc"]), id="a token for the API server"
        ),
        pytest.param(token(aud=None), id="a token for nobody"),
        pytest.param(token(aud=[audience("team", "default")]), id="a token for another router"),
        pytest.param(token(iss="https://elsewhere"), id="another cluster's"),
        pytest.param(token(exp=1), id="one that has ended"),
        pytest.param(token(exp=None), id="one without an end"),
        pytest.param(token(OTHER), id="signed by another key"),
        pytest.param(token(OTHER, kid="three"), id="signed by an unknown key"),
        pytest.param(token("x" * 32, algorithm="HS256"), id="signed by a shared secret"),
        pytest.param(token(None, algorithm="none"), id="not signed"),
    ],
)
async def test_nobody_else_is(callers: Callable[..., Callers], authorization: str) -> None:
    assert not await callers().is_operator(authorization)


async def test_an_agent_that_was_told_of_no_operator_believes_nobody(
    callers: Callable[..., Callers],
) -> None:
    assert not await callers(operator="").is_operator(token())


async def test_without_the_keys_nobody_is_believed(callers: Callable[..., Callers]) -> None:
    for answer in (httpx.Response(403), httpx.Response(200, text="nonsense")):
        assert not await callers(answer=answer).is_operator(token())


async def test_strangers_tokens_do_not_become_requests(callers: Callable[..., Callers]) -> None:
    found = callers()
    for _ in range(5):
        await found.is_operator(token(OTHER, kid="unknown"))

    assert found.asked == ["/openid/v1/jwks"]  # type: ignore[attr-defined]
