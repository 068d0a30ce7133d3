"""What a router's status says beside its conditions: where it is reached, how it is scaled."""

from typing import Any

from tests.unit.domain.fleet.builders import conditions, message, meta, replica, seen
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


PULL = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}


def deployment(*conditions: dict[str, str], **status: int) -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "metadata": meta("default-router"),
        "spec": {"replicas": 2},
        "status": {"observedGeneration": 1, "conditions": list(conditions), **status},
    }


def pod(name: str, version: str, **container: Any) -> dict[str, Any]:
    labels = {"pod-template-hash": version}
    metadata = meta(name, labels=labels, creationTimestamp=f"2026-01-01T00:0{version}:00Z")
    statuses = [{"name": "envoy", "ready": False, "state": {}, **container}]
    return {"kind": "Pod", "metadata": metadata, "status": {"containerStatuses": statuses}}


def test_a_router_without_a_ready_pod_names_the_cause() -> None:
    quota = {
        "type": "ReplicaFailure",
        "status": "True",
        "message": "pods is forbidden: exceeded quota",
    }
    refused = status(replicas=(), children=(deployment(quota),))
    unpulled = status(replicas=(), children=(deployment(),), pods=(pod("p", "1", state=PULL),))

    assert conditions(refused)["Ready"] == ("False", "QuotaExceeded")
    assert "exceeded quota" in message(refused, "Ready")
    assert conditions(unpulled)["Ready"] == ("False", "ImagePullFailed")


def test_a_rollout_whose_new_pods_cannot_start_is_told_while_the_old_serve() -> None:
    half = deployment(replicas=3, updatedReplicas=1, availableReplicas=2)
    found = status(children=(half,), pods=(pod("old", "1"), pod("new", "2", state=PULL)))

    assert conditions(found)["Progressing"] == ("False", "ImagePullFailed")
    assert conditions(found)["Ready"][0] != "False"


def test_a_router_that_is_rolled_out_says_so() -> None:
    done = deployment(replicas=2, updatedReplicas=2, availableReplicas=2)

    assert conditions(status(children=(done,)))["Progressing"] == ("False", "UpToDate")
