"""From EndpointSlices to the replicas of a pool."""

from typing import Any

import pytest

from tokenfleet.agent.endpoints import endpoints
from tokenfleet.domain.routing.ir import Pool

POOL = Pool(name="chat", model_name="m", service="chat-svc", port=80, holds_headers=True)
READY = {"ready": True, "serving": True, "terminating": False}
LEAVING = {"ready": False, "serving": True, "terminating": True}
DEAD = {"ready": False, "serving": False, "terminating": False}


def piece(
    *replicas: tuple[str, dict[str, bool]],
    service: str = "chat-svc",
    ports: list[dict[str, Any]] | None = None,
    family: str = "IPv4",
) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"kubernetes.io/service-name": service}},
        "addressType": family,
        "ports": [{"name": "http", "port": 8000}] if ports is None else ports,
        "endpoints": [{"addresses": [ip], "conditions": dict(state)} for ip, state in replicas],
    }


@pytest.mark.parametrize(
    ("slices", "expected"),
    [
        pytest.param([], (), id="no slice"),
        pytest.param([piece(("10.0.0.2", READY), ("10.0.0.1", READY))], ("10.0.0.1", "10.0.0.2"), id="sorted"),
        pytest.param([piece(("10.0.0.1", READY)), piece(("10.0.0.2", READY))], ("10.0.0.1", "10.0.0.2"), id="several slices"),
        pytest.param([piece(("10.0.0.1", READY)), piece(("10.0.0.1", READY))], ("10.0.0.1",), id="the same replica twice"),
        pytest.param([piece(("10.0.0.1", {}))], ("10.0.0.1",), id="unknown conditions are ready"),
        pytest.param([piece(("10.0.0.1", READY), ("10.0.0.2", LEAVING))], ("10.0.0.1",), id="leaving ones are spared"),
        pytest.param([piece(("10.0.0.2", LEAVING), ("10.0.0.3", DEAD))], ("10.0.0.2",), id="leaving ones when there is nobody else"),
        pytest.param([piece(("10.0.0.1", READY), service="other")], (), id="another Service"),
        pytest.param([piece(("fd00::1", READY), family="IPv6")], ("fd00::1",), id="IPv6"),
        pytest.param([piece(("name.example", READY), family="FQDN")], (), id="names are not addresses"),
        pytest.param([{**piece(), "endpoints": None, "ports": None}], (), id="nulls of the API"),
    ],
)  # fmt: skip
def test_the_replicas_that_may_be_used(
    slices: list[dict[str, Any]], expected: tuple[str, ...]
) -> None:
    assert {"chat": tuple((address, 8000) for address in expected)} == endpoints([POOL], slices)


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        pytest.param([{"name": "", "port": 9000}], 9000, id="the only port"),
        pytest.param([{"name": "a", "port": 80}, {"name": "b", "port": 9000}], 80, id="the same number"),
        pytest.param([{"name": "metrics", "port": 1}, {"name": "http", "port": 9000}], 9000, id="the one called http"),
        pytest.param([{"name": "a", "port": 1}, {"name": "b", "port": 2}], None, id="no way to tell"),
    ],
)  # fmt: skip
def test_the_port_of_the_replicas(ports: list[dict[str, Any]], expected: int | None) -> None:
    wanted = () if expected is None else (("10.0.0.1", expected),)

    assert {"chat": wanted} == endpoints([POOL], [piece(("10.0.0.1", READY), ports=ports)])
