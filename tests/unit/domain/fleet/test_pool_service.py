"""The Service behind a pool: whose it is, which port is meant, and what is wrong with it."""

from typing import Any

import pytest

from tests.unit.domain.fleet.builders import managed_pool, owned_by, pool, service
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.fleet.pool_service import pool_backing
from tokenfleet.domain.routing.backing import Backing, Use

MANAGED = managed_pool("large")
OURS = {"app.kubernetes.io/managed-by": "tokenfleet"}


def backing(body: dict[str, Any], *about: Any) -> Backing:
    return pool_backing(ServingPool.model_validate(body), body, *about)


def orphan() -> dict[str, Any]:
    """What `kubectl delete --cascade=orphan` leaves: our label, and no owner."""
    body = service("large")
    body["metadata"]["labels"] = OURS
    return body


def namesakes() -> dict[str, Any]:
    """The Service of a pool that was deleted and created again."""
    body = service("large", owner=MANAGED)
    body["metadata"]["ownerReferences"] = [{**owned_by(MANAGED), "uid": "before"}]
    return body


@pytest.mark.parametrize(
    ("found", "uid", "reason"),
    [
        pytest.param(None, "", None, id="not there yet: nobody's endpoints count"),
        pytest.param(service("large", owner=MANAGED), "uid-large", None, id="its own"),
        pytest.param(orphan(), "", None, id="an orphan is taken over first"),
        pytest.param(namesakes(), "", None, id="one of a namesake is taken over first"),
        pytest.param(service("large"), "", "ServiceNameTaken", id="a stranger's"),
        pytest.param(service("large", owner=managed_pool("other")), "", "ServiceNameTaken", id="another pool's"),
    ],
)  # fmt: skip
def test_a_managed_pool_has_the_service_that_it_controls(
    found: dict[str, Any] | None, uid: str, reason: str | None
) -> None:
    result = backing(MANAGED, found)

    assert (result.service, result.service_uid, result.port_name) == ("large", uid, "http")
    assert (result.problem.reason if result.problem else None) == reason
    assert result.use is (Use.BARRED if reason else Use.ALLOWED)


def test_a_managed_pool_with_a_refused_spec_still_serves_where_its_service_is() -> None:
    broken = managed_pool("large")
    broken["spec"]["managed"]["engine"]["extraArgs"] = ["--port=1"]

    result = backing(broken, service("large", owner=broken))

    assert (result.use, result.service_uid) == (Use.ALLOWED, "uid-large")
    assert result.problem is not None
    assert result.problem.reason == "ArgumentRefused"


@pytest.mark.parametrize(
    ("found", "loop", "use", "reason"),
    [
        pytest.param(service("large", ("api", 8000)), (), Use.ALLOWED, None, id="as it should be"),
        pytest.param(None, (), Use.UNRESOLVED, "ServiceNotFound", id="no such Service"),
        pytest.param(service("large", 80), (), Use.UNRESOLVED, "PortNotFound", id="no such port"),
        pytest.param(service("large", type="ExternalName"), (), Use.UNRESOLVED, "ServiceWithoutEndpoints", id="a name"),
        pytest.param(service("large"), ("default",), Use.BARRED, "RoutesToItself", id="itself"),
        pytest.param(service("large"), ("b", "a"), Use.UNRESOLVED, "RoutesToItself", id="over others"),
    ],
)  # fmt: skip
def test_an_existing_pool_is_judged_by_its_service(
    found: dict[str, Any] | None, loop: tuple[str, ...], use: Use, reason: str | None
) -> None:
    result = backing(pool("large"), found, loop)

    assert result.use is use
    assert (result.problem.reason if result.problem else None) == reason


def test_a_number_is_a_tcp_port_and_stands_for_its_name() -> None:
    found = service("large", ("api", 8000), ipFamilies=["IPv6", "IPv4"])
    found["spec"]["ports"].insert(0, {"name": "dns", "port": 8000, "protocol": "UDP"})

    result = backing(pool("large"), found)

    assert (result.port_name, result.family, result.service_uid) == ("api", "IPv6", None)
