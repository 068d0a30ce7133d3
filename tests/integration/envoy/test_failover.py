"""What one request survives, on the real Envoy."""

import asyncio
import re
from collections import Counter
from dataclasses import replace

import httpx
import pytest

from tests.integration.envoy.configuration import attempts, configuration
from tests.integration.envoy.conftest import Fleet, pool_of
from tests.integration.envoy.model_server import Behaviour
from tokenfleet.api.v1alpha1.modelroute import Failover

pytestmark = pytest.mark.envoy

ALL_LARGE = {"large": 1000, "small": 0}


async def served_by(fleet: Fleet, requests: int = 40) -> Counter[str]:
    """Ask concurrently; every answer must be good."""
    answers = await asyncio.gather(*(fleet.ask(stream=bool(i % 2)) for i in range(requests)))
    assert Counter(a.status_code for a in answers) == {200: requests}
    return Counter(pool_of(a) for a in answers)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_errors_of_a_pool_are_answered_by_the_next(serving: Fleet, status: int) -> None:
    serving.large.behaviour = Behaviour(status=status)

    assert await served_by(serving) == {"small": 40}
    assert serving.small.requests[0]["model"] == "llama-3b"


def named(word: str) -> set[int]:
    """Return the statuses that the API's text of `retryOn` names for a word of it, providers aside."""
    found = re.search(rf"{word}:([^;.]*)[;.]", Failover.model_fields["retry_on"].description or "")
    assert found
    ranges = re.findall(r"(\d{3})(?: to (\d{3}))?", found[1])
    return {status for low, high in ranges for status in range(int(low), int(high or low) + 1)}


STATUSES = (300, 302, 307, 399, 400, 401, 403, 404, 405, 407, 408, 409, 413, 422, 425, 428, 429, 430,
            499, 500, 501, 502, 503, 504, 505, 520, 529, 530, 599)  # fmt: skip


@pytest.mark.parametrize("word", ["ServerError", "TooManyRequests", ""])
async def test_those_statuses_are_tried_again_that_the_api_names(fleet: Fleet, word: str) -> None:
    config = configuration(ALL_LARGE)
    (route,) = config.routes
    only = replace(
        route.failover,
        connect_failure=False,
        server_error=word == "ServerError",
        too_many_requests=word == "TooManyRequests",
    )
    await fleet.serve(replace(config, routes=(replace(route, failover=only),)))
    again = set()
    for status in STATUSES:
        fleet.large.behaviour, fleet.small.requests = Behaviour(status=status), []
        await fleet.ask()
        if fleet.small.requests:
            again.add(status)
        fleet.large.behaviour = Behaviour()  # three failures in a row would take the replica out
        assert pool_of(await fleet.ask()) == "large"

    assert again == (named(word) & set(STATUSES) if word else set())
    fleet.large.behaviour = Behaviour(answer=("{}",))
    assert pool_of(await fleet.ask()) == "small", "no client could use it: it is asked in any case"


async def test_a_client_s_own_error_is_its_answer(serving: Fleet) -> None:
    serving.large.behaviour = Behaviour(status=400)

    assert (await serving.ask()).status_code == 400
    assert not serving.small.requests


async def test_a_dead_pool_costs_nothing_but_moments(serving: Fleet) -> None:
    await serving.large.stop()

    assert await served_by(serving, 100) == {"small": 100}


async def test_a_pool_without_replicas_is_passed_over(fleet: Fleet) -> None:
    fleet.gone = {"large"}
    await fleet.serve(configuration(ALL_LARGE))

    assert await served_by(fleet) == {"small": 40}


async def test_a_pool_whose_replica_hangs_in_the_network_is_left_after_few_tries(
    fleet: Fleet,
) -> None:
    """Nobody answers at a documentation address (RFC 5737): connecting times out, then it is out."""
    config = configuration(ALL_LARGE)
    fleet.router.publish(config, {**fleet.endpoints, "large": (("192.0.2.1", 8000),)})
    await fleet.router.start()
    await fleet.router.applied()

    assert await served_by(fleet, 6) == {"small": 6}

    assert await ejections(fleet) >= 1


async def test_a_replica_that_comes_back_is_used_again(serving: Fleet) -> None:
    port = serving.large.port
    await serving.large.stop()
    await served_by(serving)
    await serving.large.start(port)

    async with asyncio.timeout(90):
        while pool_of(await serving.ask()) != "large":
            await asyncio.sleep(0.1)


async def test_the_tripwire_takes_nothing_while_one_of_two_replicas_lives(fleet: Fleet) -> None:
    endpoints = {
        "large": (("127.0.0.1", fleet.large.port), ("127.0.0.1", 9)),
        "small": fleet.endpoints["small"],
    }
    fleet.router.publish(configuration(ALL_LARGE), endpoints)
    await fleet.router.start()
    await fleet.router.applied()
    for _ in range(30):  # until the dead replica is out
        await fleet.ask()

    assert await served_by(fleet) == {"large": 40}


async def test_a_late_first_token_is_taken_over(fleet: Fleet) -> None:
    await fleet.serve(configuration(ALL_LARGE, timeout_ms=2000, always=False))
    fleet.large.behaviour = Behaviour(first=asyncio.Event())

    response = await fleet.ask(stream=True)

    assert pool_of(response) == "small"
    assert response.elapsed.total_seconds() >= 2


async def test_only_streams_have_a_first_token_timeout(fleet: Fleet) -> None:
    await fleet.serve(configuration(ALL_LARGE, timeout_ms=500))
    fleet.large.behaviour = Behaviour(first_token=1)

    assert pool_of(await fleet.ask()) == "large"


async def test_a_stream_that_has_begun_is_never_cut_by_the_timeout(fleet: Fleet) -> None:
    await fleet.serve(configuration(ALL_LARGE, timeout_ms=2000))
    fleet.large.behaviour = Behaviour(chunks=8, gap=0.3)

    response = await fleet.ask(stream=True)

    assert pool_of(response) == "large"
    assert response.text.endswith("data: [DONE]\n\n")


async def test_a_stream_that_breaks_is_not_started_again(serving: Fleet) -> None:
    """The client has half an answer: another pool would give it another half."""
    serving.large.behaviour = Behaviour(breaks_after=1)

    with pytest.raises(httpx.RemoteProtocolError):
        await serving.ask(stream=True)

    assert not serving.small.requests


async def test_when_every_pool_fails_the_error_says_so(serving: Fleet) -> None:
    await serving.large.stop()
    await serving.small.stop()

    response = await serving.ask()

    assert response.status_code == 503
    assert response.json()["error"]["code"] == "service_unavailable"


async def test_a_pool_s_own_last_error_reaches_the_client(fleet: Fleet) -> None:
    await fleet.serve(attempts(configuration(ALL_LARGE), 1))
    fleet.large.behaviour = Behaviour(status=429)

    response = await fleet.ask()

    assert (response.status_code, response.json()["error"]["message"]) == (429, "large")


async def ejections(fleet: Fleet) -> int:
    """Return how often a replica of the large pool has gone out; it comes back by itself."""
    name = "cluster.large.outlier_detection.ejections_enforced_total"
    text = (await fleet.router.admin.get(f"/stats?filter=^{name}$")).text
    return int(text.rpartition(": ")[2])


async def test_errors_that_follow_a_request_take_no_replica_out(serving: Fleet) -> None:
    """A 500 can be one client's doing: the pool's only replica stays for the others."""
    serving.large.behaviour = Behaviour(status=500)
    await served_by(serving, 10)
    assert await ejections(serving) == 0

    serving.large.behaviour = Behaviour()
    assert pool_of(await serving.ask()) == "large"


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(Behaviour(status=503), id="says that it cannot"),
        pytest.param(Behaviour(first_token=20), id="accepts and never answers"),
        pytest.param(Behaviour(first_token=20, role=True), id="begins and never says a word"),
        pytest.param(Behaviour(breaks_after=0), id="breaks before its first token"),
    ],
)
async def test_a_replica_that_serves_nobody_goes_out(fleet: Fleet, behaviour: Behaviour) -> None:
    """Also one that hangs: connections that open do not forgive it its silence."""
    await fleet.serve(configuration(ALL_LARGE, timeout_ms=1000, always=False))
    fleet.large.behaviour = behaviour

    for _ in range(3):
        assert pool_of(await fleet.ask(stream=True)) == "small"

    assert await ejections(fleet) >= 1
