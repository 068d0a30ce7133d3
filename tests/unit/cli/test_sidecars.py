"""The whole operator over fakes: a router whose replicas are the pods of applications."""

from typing import Any

from tests.unit.cli.operator_bench import FLEET, Bench, bare, run
from tests.unit.domain.fleet.builders import conditions, message, meta, router
from tokenfleet.domain.fleet.keys import ROUTER, ObjectKey
from tokenfleet.ports import Acknowledgement

BESIDE = {"type": "Sidecar", "sidecar": {"serviceAccounts": ["web"], "port": 9000}}
CARRIED = bare({**router(), "spec": BESIDE})
OTHERS = tuple(one for one in FLEET if one["kind"] != ROUTER)
KEY = ObjectKey(ROUTER, "ns", "default")


def endpoint(number: int, *, ready: bool = True, **more: bool) -> dict[str, Any]:
    return {
        "addresses": [f"10.0.1.{number}"],
        "conditions": {"ready": ready, **more},
        "targetRef": {"kind": "Pod", "name": f"web-{number}", "uid": f"uid-web-{number}"},
    }


def pieces(*endpoints: dict[str, Any]) -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": "default-router"}
    return bare(
        {
            "kind": "EndpointSlice",
            "metadata": meta("default-router-1", labels=labels),
            "addressType": "IPv4",
            "endpoints": list(endpoints),
        }
    )


async def fleet(*endpoints: dict[str, Any]) -> Bench:
    bench = await run((*OTHERS, CARRIED))
    await change(bench, *endpoints)
    return bench


async def change(bench: Bench, *endpoints: dict[str, Any]) -> None:
    """Let the application's pods come and go; every agent runs the newest revision."""
    for one in endpoints:
        address = f"{one['addresses'][0]}:9091"
        bench.agents.acknowledgements[address] = Acknowledgement(
            pod=one["targetRef"]["name"], applied_revision=bench.held().revision, version="0.1.0"
        )
    bench.cluster.put(pieces(*endpoints))
    await bench.settle()


async def test_applications_pods_acknowledge_as_replicas_do() -> None:
    bench = await fleet(endpoint(1), endpoint(2))
    status = bench.status(ROUTER, "default")

    assert conditions(status)["Ready"] == ("True", "Ready")
    assert status["acknowledged"] == "2/2"
    assert [one["pod"] for one in status["replicas"]] == ["web-1", "web-2"]
    assert status["addresses"] == ["127.0.0.1:9000"]
    assert conditions(bench.status("ModelRoute", "chat"))["Programmed"][0] == "True"


async def test_nothing_is_deployed_for_them() -> None:
    bench = await fleet(endpoint(1))
    made = {kind for kind, _, name in bench.cluster.objects if name.startswith("default-")}

    assert made == {"Role", "RoleBinding", "Service", "ConfigMap", "EndpointSlice"}


async def test_without_a_pod_the_router_says_that_nobody_carries_it() -> None:
    bench = await fleet()

    assert conditions(bench.status(ROUTER, "default"))["Ready"] == ("False", "NoReadyReplica")
    assert "no ready pod carries router default" in message(
        bench.status(ROUTER, "default"), "Ready"
    )


async def test_fifty_pods_that_come_and_go_are_followed() -> None:
    bench = await fleet(*(endpoint(number) for number in range(1, 51)))
    many = bench.status(ROUTER, "default")["acknowledged"]
    await change(bench, *(endpoint(number) for number in range(40, 60)))

    assert many == "50/50"
    assert bench.status(ROUTER, "default")["acknowledged"] == "20/20"
    assert bench.status(ROUTER, "default")["replicaCount"] == 20


async def test_a_pod_that_lags_is_named() -> None:
    bench = await fleet(endpoint(1), endpoint(2))
    behind = Acknowledgement(pod="web-2", applied_revision=0, version="0.1.0")
    bench.agents.acknowledgements["10.0.1.2:9091"] = behind
    bench.clock.advance(seconds=60)
    await bench.settle()
    status = bench.status(ROUTER, "default")

    assert conditions(status)["Programmed"] == ("False", "NotAcknowledged")
    assert "pod web-2" in message(status, "Programmed")


async def test_pods_that_are_not_ready_or_leave_are_not_waited_for() -> None:
    leaving = endpoint(2, ready=False, serving=True, terminating=True)
    bench = await fleet(endpoint(1), leaving, endpoint(3, ready=False))

    assert bench.status(ROUTER, "default")["acknowledged"] == "1/1"


async def test_objectives_expect_measurements_of_each_ready_pod() -> None:
    bench = await fleet(endpoint(1), endpoint(2, ready=False))
    replicas = bench.operator.shell.visits.visitors[ROUTER].replicas  # type: ignore[attr-defined]
    body = bench.store.get(KEY)
    assert body is not None
    first = {pod["metadata"]["name"]: pod["status"]["conditions"] for pod in replicas.of(body)}
    bench.clock.advance(seconds=600)
    later = {pod["metadata"]["name"]: pod["status"]["conditions"] for pod in replicas.of(body)}

    assert first["web-1"] == later["web-1"], "since when a pod is ready does not move"
    assert first["web-1"][0]["status"] == "True"
    assert first["web-2"][0]["status"] == "False"


async def test_what_an_application_s_pod_holds_is_no_record() -> None:
    """Anybody may put the label on a pod: a lost configuration is not taken back from there."""
    bench = await fleet(endpoint(1))
    forged = {"config": "{}"}
    bench.agents.configurations["10.0.1.1:9091"] = forged
    stored = bench.cluster.objects.pop(("ConfigMap", "ns", "default-config"))
    bench.store.remove(ObjectKey("ConfigMap", "ns", stored["metadata"]["name"]))
    await bench.settle()

    assert bench.cluster.objects["ConfigMap", "ns", "default-config"]["data"] != forged
    assert bench.held().document is not None
