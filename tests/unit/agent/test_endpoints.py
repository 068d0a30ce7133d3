"""From EndpointSlices to the replicas of a pool."""

from dataclasses import replace
from typing import Any

import pytest

from tokenfleet.agent.endpoints import endpoints
from tokenfleet.domain.routing.ir import Pool

POOL = Pool(
    name="chat",
    model_name="m",
    aliases=(),
    window=None,
    service="chat-svc",
    service_uid=None,
    port_name="http",
    family="IPv4",
)
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
        pytest.param([piece(("10.0.0.1", READY)), piece(("fd00::1", READY), family="IPv6")], ("10.0.0.1",), id="each pod once, in the Service's first family"),
        pytest.param([piece(("name.example", READY), family="FQDN")], (), id="names are not addresses"),
        pytest.param([{**piece(), "endpoints": None, "ports": None}], (), id="nulls of the API"),
    ],
)  # fmt: skip
def test_the_replicas_that_may_be_used(
    slices: list[dict[str, Any]], expected: tuple[str, ...]
) -> None:
    assert {"chat": tuple((address, 8000) for address in expected)} == endpoints(
        [POOL], slices, at="ns"
    )


@pytest.mark.parametrize(
    ("wanted", "ports", "expected"),
    [
        pytest.param("", [{"name": "", "port": 9000}], 9000, id="an unnamed port"),
        pytest.param("", [{"name": None, "port": 9000}], 9000, id="null is no name"),
        pytest.param("api", [{"name": "metrics", "port": 80}, {"name": "api", "port": 8000}], 8000, id="by its name, whatever the numbers"),
        pytest.param("http", [{"name": "api", "port": 9000}], None, id="another name, also if it is the only port"),
        pytest.param("dns", [{"name": "dns", "port": 1, "protocol": "UDP"}, {"name": "dns", "port": 2}], 2, id="TCP only"),
        pytest.param("http", [{"name": "http", "port": None}], None, id="a port that no pod has"),
    ],
)  # fmt: skip
def test_ports_are_matched_by_name(
    wanted: str, ports: list[dict[str, Any]], expected: int | None
) -> None:
    found = () if expected is None else (("10.0.0.1", expected),)

    assert {"chat": found} == endpoints(
        [replace(POOL, port_name=wanted)], [piece(("10.0.0.1", READY), ports=ports)], at="ns"
    )


def test_slices_of_a_namesake_of_the_service_do_not_count() -> None:
    """A managed pool's Service was deleted, and somebody made another one under its name."""
    mine, other = piece(("10.0.0.1", READY)), piece(("10.0.0.2", READY))
    mine["metadata"]["ownerReferences"] = [{"kind": "Service", "uid": "mine"}]
    other["metadata"]["ownerReferences"] = [{"kind": "Service", "uid": "other"}]
    pool = replace(POOL, service_uid="mine")

    assert endpoints([pool], [mine, other], at="ns") == {"chat": (("10.0.0.1", 8000),)}
    assert endpoints([replace(POOL, service_uid="")], [mine, other], at="ns") == {"chat": ()}
