"""Agents over HTTP: what they say, and everything that is not an answer."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest

from tokenfleet.adapters.agents import HttpRouterFleet
from tokenfleet.domain.fleet.keys import ROUTER, ObjectKey
from tokenfleet.domain.slo.observation.measurement import Usage
from tokenfleet.domain.spending.prices import Place
from tokenfleet.domain.spending.summary import Spending, Summary
from tokenfleet.ports import Acknowledgement, PortError

ADDRESS = "10.0.0.1:9091"
SOME = ObjectKey(ROUTER, "ns", "default")
GOOD = {"pod": "p", "appliedRevision": 7, "version": "0.1.0", "error": ""}


def fleet(*answers: httpx.Response | Exception) -> HttpRouterFleet:
    queue = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "10.0.0.1"
        first = queue.pop(0)
        if isinstance(first, Exception):
            raise first
        if not first.is_stream_consumed:
            return first
        # A Response with content counts as read; over the network it is not yet.
        return httpx.Response(first.status_code, stream=httpx.ByteStream(first.content))

    return HttpRouterFleet(httpx.AsyncClient(transport=httpx.MockTransport(answer)))


async def test_an_acknowledgement_is_read() -> None:
    found = await fleet(httpx.Response(200, json=GOOD)).acknowledgement(ADDRESS)

    assert found == Acknowledgement(pod="p", applied_revision=7, version="0.1.0")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(httpx.ConnectError("refused"), id="refused"),
        pytest.param(httpx.ReadTimeout("slow"), id="slow"),
        pytest.param(httpx.Response(503), id="not ready"),
        pytest.param(httpx.Response(200, text="<html>"), id="not JSON"),
        pytest.param(httpx.Response(200, json=[1]), id="a list"),
        pytest.param(httpx.Response(200, json={"pod": "p"}), id="no revision"),
        pytest.param(httpx.Response(200, json={**GOOD, "appliedRevision": "x"}), id="no number"),
        pytest.param(httpx.Response(200, text='{"pod":"p","appliedRevision":1e999}'), id="no end"),
        pytest.param(httpx.Response(200, text="[" * 100_000), id="deeper than can be read"),
    ],
)
async def test_what_is_not_an_acknowledgement_is_a_port_error(
    answer: httpx.Response | Exception,
) -> None:
    with pytest.raises(PortError, match=ADDRESS):
        await fleet(answer).acknowledgement(ADDRESS)


async def test_a_configuration_is_read_back() -> None:
    data = {"config": "{}", "memory": "{}"}

    assert await fleet(httpx.Response(200, json=data)).configuration(ADDRESS, SOME) == data


async def test_the_operator_proves_itself_to_each_router_apart() -> None:
    """A token for one router's agents is never shown to another's, and none where none is needed."""
    shown: list[tuple[str, str | None]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        shown.append((request.url.path, request.headers.get("authorization")))
        return httpx.Response(200, stream=httpx.ByteStream(json.dumps(GOOD).encode()))

    async def prove(audience: str) -> str:
        return f"for {audience}"

    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    agents = HttpRouterFleet(client, prove=prove)
    await agents.acknowledgement(ADDRESS)
    for namespace in ("team-a", "team-b"):
        await agents.configuration(ADDRESS, ObjectKey(ROUTER, namespace, "default"))

    assert shown == [
        ("/acknowledgement", None),
        ("/configuration", "Bearer for tokenfleet.dev/routers/team-a/default"),
        ("/configuration", "Bearer for tokenfleet.dev/routers/team-b/default"),
    ]


async def test_without_a_proof_nothing_is_asked() -> None:
    async def prove(audience: str) -> str:
        msg = f"no token for {audience}"
        raise PortError(msg)

    with pytest.raises(PortError, match="cannot prove to agents that this is the operator: no"):
        await HttpRouterFleet(prove=prove).configuration(ADDRESS, SOME)


async def test_an_agent_that_refuses_is_a_port_error() -> None:
    with pytest.raises(PortError, match="401"):
        await fleet(httpx.Response(401)).configuration(ADDRESS, SOME)


@pytest.mark.parametrize("status", [204, 404])
async def test_an_agent_without_a_configuration_has_none(status: int) -> None:
    assert await fleet(httpx.Response(status)).configuration(ADDRESS, SOME) is None


class Dripping(httpx.AsyncByteStream):
    """Answers byte by byte, for ever."""

    def __init__(self, chunk: bytes, pause: float) -> None:
        self.chunk, self.pause, self.sent = chunk, pause, 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.sent += len(self.chunk)
            yield self.chunk
            await asyncio.sleep(self.pause)


async def test_an_agent_that_drips_is_given_up_when_its_time_is_over() -> None:
    """Each byte comes in time; all of them never do."""
    drip = httpx.Response(200, stream=Dripping(b" ", 0.01))
    transport = httpx.MockTransport(lambda _: drip)
    fleet = HttpRouterFleet(httpx.AsyncClient(transport=transport), deadline=0.1)

    async with asyncio.timeout(60):
        with pytest.raises(PortError, match=r"10\.0\.0\.1:9091 does not answer within 0\.1 s"):
            await fleet.configuration(ADDRESS, SOME)


async def test_an_answer_without_end_is_cut_at_its_limit() -> None:
    flood = Dripping(b"x" * 65536, 0)

    with pytest.raises(PortError, match="more than 2097152 bytes"):
        await fleet(httpx.Response(200, stream=flood)).configuration(ADDRESS, SOME)
    assert flood.sent <= 2 * 2**20 + 65536


async def test_a_compressed_answer_is_not_unpacked() -> None:
    bomb = gzip.compress(b" " * 2**22)
    packed = httpx.Response(
        200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(bomb)
    )

    with pytest.raises(PortError, match="compressed"):
        await fleet(packed).configuration(ADDRESS, SOME)


async def test_the_largest_configuration_fits() -> None:
    data = {"config": '"' * 700 * 1024}

    assert await fleet(httpx.Response(200, json=data)).configuration(ADDRESS, SOME) == data


LABELS = {"route": "chat", "rule": "main", "pool": "large", "feature": "a", "request_type": "b"}
USERS = [{**LABELS, "hour": 494822, "unseen": 9, "users": [["ada", 3, 100, 20, 5, 7, 2]]}]


async def test_users_are_read() -> None:
    found = await fleet(httpx.Response(200, json=USERS)).users(ADDRESS, SOME)

    ((place, hour), summary) = next(iter(found.items()))
    assert place == Place("chat", "main", "large", "a", "b")
    assert hour.start == datetime(2026, 6, 13, 14, tzinfo=UTC)
    usage = Usage(requests=3, prompt=100, cached=20, completion=7, written=5)
    assert summary == Summary({"ada": Spending(usage, unseen=2)}, Spending(unseen=9))


async def test_an_agent_that_knows_no_users_has_none() -> None:
    assert await fleet(httpx.Response(404)).users(ADDRESS, SOME) == {}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"error": "x"}, id="no list"),
        pytest.param([1], id="no object"),
        pytest.param([{**USERS[0], "hour": "x"}], id="no hour"),
        pytest.param([{**USERS[0], "hour": 10**15}], id="an hour beyond all time"),
        pytest.param([{**USERS[0], "users": [["ada", 1]]}], id="a short row"),
        pytest.param([{**USERS[0], "users": None}], id="no users"),
        pytest.param([{"hour": 1}], id="no labels"),
        pytest.param([{**USERS[0], "unseen": -1}], id="less than nothing"),
        pytest.param([{**USERS[0], "unseen": 1e300}], id="more than there is"),
    ],
)
async def test_what_is_no_report_of_users_is_a_port_error(answer: object) -> None:
    response = httpx.Response(200, json=answer)

    with pytest.raises(PortError, match=ADDRESS):
        await fleet(response).users(ADDRESS, SOME)
