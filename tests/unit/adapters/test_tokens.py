"""Proofs for agents: one for each router, asked for again in time."""

from typing import Any

from tokenfleet.adapters.kubernetes.tokens import LIFETIME, RENEWED, AgentTokens


class Issuer:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str, int]] = []

    async def token(self, namespace: str, account: str, *, audience: str, seconds: int) -> str:
        self.asked.append((namespace, account, audience, seconds))
        return f"token {len(self.asked)}"


async def test_each_audience_has_its_own_for_half_of_its_life() -> None:
    issuer, now = Issuer(), [0.0]
    cluster: Any = issuer
    tokens = AgentTokens(cluster, "system:serviceaccount:system:operator", monotonic=lambda: now[0])

    assert [await tokens("a"), await tokens("b"), await tokens("a")] == [
        "token 1",
        "token 2",
        "token 1",
    ]
    now[0] = RENEWED
    assert await tokens("a") == "token 3"
    assert RENEWED <= LIFETIME / 2
    assert issuer.asked[0] == ("system", "operator", "a", LIFETIME)
