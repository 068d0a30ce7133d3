"""Who used how many tokens: counted by the module, shown to the operator alone."""

import contextlib
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.integration.envoy.configuration import configuration
from tests.integration.envoy.conftest import CHAT, Fleet
from tests.integration.envoy.pods import Pod, until
from tests.support.tokens import token
from tokenfleet.adapters.agents import HttpRouterFleet
from tokenfleet.adapters.envoy.module import USERS_PATH
from tokenfleet.domain.fleet.keys import ROUTER, ObjectKey
from tokenfleet.domain.spending.prices import Place
from tokenfleet.domain.spending.summary import Spending, merged
from tokenfleet.ports import UserReport

pytestmark = pytest.mark.envoy

CONFIG = configuration({"large": 1000, "small": 0})
PROMPT, CACHED, COMPLETION = 11, 3, 7
"""What the model servers say that every answer used."""


async def ask(client: httpx.AsyncClient, user: str | bytes | None, **body: Any) -> httpx.Response:
    headers: Mapping[Any, Any] = {} if user is None else {b"x-tokenfleet-user": user}
    return await client.post(CHAT, json={"model": "chat", "messages": [], **body}, headers=headers)


async def report(fleet: Fleet) -> UserReport:
    """Read what the module says, as the operator reads it from an agent."""
    text = (await fleet.router.admin.get(USERS_PATH)).text
    client = httpx.AsyncClient(
        transport=httpx.MockTransport(
            lambda _: httpx.Response(200, stream=httpx.ByteStream(text.encode()))
        )
    )
    return await HttpRouterFleet(client).users("10.0.0.1:9091", ObjectKey(ROUTER, "ns", "default"))


def by_user(found: UserReport) -> dict[str, Spending]:
    return dict(merged(found.values()).names)


async def settled(fleet: Fleet, answers: int) -> UserReport:
    """Wait until so many answers are counted: an answer's end comes after its last byte."""

    def counted(found: UserReport) -> bool:
        return sum(spent.usage.requests for spent in by_user(found).values()) >= answers

    found: UserReport = await until(lambda: report(fleet), counted)
    return found


async def test_every_user_is_counted_to_the_token(fleet: Fleet) -> None:
    await fleet.serve(CONFIG)
    for _ in range(3):
        await ask(fleet.client, "ada")
    await ask(fleet.client, "bob", stream=True)
    await ask(fleet.client, None)

    found = by_user(await settled(fleet, 5))

    used = {name: tuple(spent.usage) for name, spent in found.items()}
    one = (1.0, 0.0, float(PROMPT), float(CACHED), float(COMPLETION), 0.0)
    assert used == {"ada": tuple(3 * n for n in one), "bob": one, "": one}
    assert all(spent.unseen == 0 for spent in found.values())


async def test_users_are_told_apart_by_rule_pool_and_feature(fleet: Fleet) -> None:
    await fleet.serve(CONFIG)
    headers = {"x-tokenfleet-user": "ada", "x-tokenfleet-feature": "suggestions"}
    await fleet.ask(headers=headers)
    await ask(fleet.client, "ada")

    found = await settled(fleet, 2)

    assert {(p.route, p.rule, p.pool, p.feature) for p, _ in found} == {
        ("chat", "fast", "small", "suggestions"),
        ("chat", "slow", "large", "other"),
    }


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        pytest.param('quo"te\\', 'quo"te\\', id="quotes and backslashes"),
        pytest.param("ünï".encode(), "ünï", id="UTF-8"),
        pytest.param(b"\xff\xfe", "��", id="no UTF-8"),
    ],
)
async def test_any_name_is_told(fleet: Fleet, said: str | bytes, kept: str) -> None:
    await fleet.serve(CONFIG)
    await ask(fleet.client, said)

    assert list(by_user(await settled(fleet, 1))) == [kept]


async def test_many_users_take_bounded_memory_and_the_heaviest_are_there(
    fleet: Fleet,
) -> None:
    await fleet.serve(CONFIG)
    for number in range(200):
        await ask(fleet.client, f"{number:04}-" + "x" * 200)
        if number % 4 == 0:
            await ask(fleet.client, "heavy")

    await until(fleet.metrics, lambda m: _completion(m) == 250 * COMPLETION)
    found = await report(fleet)

    ((place, _), summary) = next(iter(found.items()))
    assert place == Place("chat", "slow", "large", "other", "other")
    assert len(summary.names) == 128
    assert max(len(name) for name in summary.names) == 64
    heavy = summary.names["heavy"]
    assert heavy.tokens <= 50 * (PROMPT + COMPLETION) <= heavy.tokens + heavy.unseen
    assert summary.rest.unseen <= 250 * (PROMPT + COMPLETION) / 128


def _completion(metrics: dict[str, float]) -> float:
    name = "tokenfleet_completion_tokens_total"
    return sum(value for key, value in metrics.items() if key.startswith(name))


async def test_an_answer_that_breaks_counts_for_its_user(fleet: Fleet) -> None:
    fleet.large.behaviour.breaks_after = 2
    fleet.small.behaviour.breaks_after = 2
    await fleet.serve(CONFIG)

    with contextlib.suppress(httpx.RemoteProtocolError):
        await ask(fleet.client, "ada", stream=True)

    assert by_user(await settled(fleet, 1))["ada"].usage.completion >= 1


async def test_only_the_operator_may_read_users(running: Pod) -> None:
    await running.client.post(CHAT, json={"model": "chat"}, headers={"x-tokenfleet-user": "ada"})

    assert (await running.agent_client.get("/users")).status_code == 401
    stranger = {"authorization": f"Bearer {token(sub='system:serviceaccount:default:other')}"}
    assert (await running.agent_client.get("/users", headers=stranger)).status_code == 401
    told = await until(running.users, lambda answer: b"ada" in answer.content)
    assert told.json()[0]["users"][0][0] == "ada"


async def test_without_envoy_nothing_is_told(running: Pod) -> None:
    await running.stop_envoy()

    assert (await running.users()).status_code == 503
