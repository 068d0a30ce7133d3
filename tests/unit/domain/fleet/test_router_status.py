"""What a router's status says beside its conditions: where it is reached, how it is scaled."""

from typing import Any

from tests.unit.domain.fleet.builders import meta, replica, seen
from tokenfleet.domain.fleet.router_visit import plan_router


def service(port: int, *ingress: dict[str, str]) -> dict[str, Any]:
    return {
        "kind": "Service",
        "metadata": meta("default-router"),
        "spec": {"ports": [{"name": "http", "port": port}]},
        "status": {"loadBalancer": {"ingress": list(ingress)}},
    }


def status(**snapshot: Any) -> dict[str, Any]:
    return dict(plan_router(seen(**snapshot)).status or {})


def test_the_address_has_the_port_of_the_service() -> None:
    assert status()["addresses"] == ["default-router.ns.svc:80"]
    assert status(children=(service(8443),))["addresses"] == ["default-router.ns.svc:8443"]


def test_what_a_load_balancer_has_been_given_is_told_too() -> None:
    given = service(80, {"hostname": "lb.example.com"}, {"ip": "192.0.2.1"}, {"ip": "2001:db8::1"})

    assert status(children=(given,))["addresses"] == [
        "default-router.ns.svc:80",
        "lb.example.com:80",
        "192.0.2.1:80",
        "[2001:db8::1]:80",
    ]


def test_an_autoscaler_finds_the_pods_and_their_number() -> None:
    found = status(replicas=(replica("a"), replica("b")))

    assert found["replicaCount"] == 2
    assert found["selector"] == "tokenfleet.dev/router=default"
