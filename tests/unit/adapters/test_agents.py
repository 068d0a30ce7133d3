"""Agents over HTTP: what they say, and everything that is not an answer."""

import httpx
import pytest

from tokenfleet.adapters.agents import HttpRouterFleet
from tokenfleet.ports import Acknowledgement, PortError

ADDRESS = "10.0.0.1:9091"
GOOD = {"pod": "p", "appliedRevision": 7, "version": "0.1.0", "error": ""}


def fleet(*answers: httpx.Response | Exception) -> HttpRouterFleet:
    queue = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "10.0.0.1"
        first = queue.pop(0)
        if isinstance(first, Exception):
            raise first
        return first

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
    ],
)
async def test_what_is_not_an_acknowledgement_is_a_port_error(
    answer: httpx.Response | Exception,
) -> None:
    with pytest.raises(PortError, match=ADDRESS):
        await fleet(answer).acknowledgement(ADDRESS)


async def test_a_configuration_is_read_back() -> None:
    data = {"config": "{}", "memory": "{}"}

    assert await fleet(httpx.Response(200, json=data)).configuration(ADDRESS) == data


@pytest.mark.parametrize("status", [204, 404])
async def test_an_agent_without_a_configuration_has_none(status: int) -> None:
    assert await fleet(httpx.Response(status)).configuration(ADDRESS) is None
