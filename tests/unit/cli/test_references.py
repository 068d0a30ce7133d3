"""The whole operator over fakes: names that lead to strangers, to nothing, or back to themselves."""

import json
from typing import Any

from tests.unit.cli.operator_bench import FLEET, Bench, bare, labelled, run
from tests.unit.domain.fleet.builders import (
    conditions,
    managed_pool,
    message,
    pool,
    route,
    router,
    router_pods,
    service,
    slices,
    slo,
)
from tokenfleet.domain.fleet.keys import key_of
from tokenfleet.ports import Acknowledgement


def without(kind: str, name: str, fleet: Any = FLEET) -> tuple[dict[str, Any], ...]:
    kept = [one for one in fleet if (one["kind"], one["metadata"]["name"]) != (kind, name)]
    assert len(kept) < len(fleet)
    return tuple(kept)


def running(bench: Bench, router: str = "default") -> dict[str, Any]:
    data = bench.cluster.objects["ConfigMap", "ns", f"{router}-config"]["data"]
    config: dict[str, Any] = json.loads(data["config"])["config"]
    return config


def shares(bench: Bench, name: str = "chat") -> dict[str, int]:
    (rule,) = bench.status("ModelRoute", name)["rules"]
    return {share["name"]: share["share"] for share in rule["shares"] if share["share"]}


async def edit(bench: Bench, body: dict[str, Any]) -> None:
    stored = bench.cluster.objects[body["kind"], "ns", body["metadata"]["name"]]
    bench.cluster.put({**stored, "spec": body["spec"]})
    await bench.settle()


async def test_a_pool_whose_name_is_that_of_a_strangers_service_gets_no_traffic() -> None:
    """A Redis called `large` must not be sent prompts, and no engine waits for nobody."""
    redis = bare(service("large", ("redis", 6379), selector={"app": "redis"}))
    ready = labelled(slices("large", 3, port="redis")[0])
    fleet = (redis, ready, *without("EndpointSlice", "large-1"))

    bench = await run(fleet)

    assert conditions(bench.status("ServingPool", "large"))["Accepted"] == (
        "False",
        "ServiceNameTaken",
    )
    assert ("Deployment", "ns", "large") not in bench.cluster.objects
    assert bench.cluster.objects["Service", "ns", "large"]["spec"]["selector"] == {"app": "redis"}
    found = conditions(bench.status("ModelRoute", "chat"))
    assert found["ResolvedRefs"] == ("False", "PoolNotAccepted")
    assert found["Ready"][0] == "False"
    assert "ServiceNameTaken" in message(bench.status("ModelRoute", "chat"), "ResolvedRefs")
    assert shares(bench) == {"small": 1000}
    assert [one["name"] for one in running(bench)["pools"]] == ["small"]


async def test_a_stranger_that_takes_the_place_of_a_pools_service_gets_nothing_either() -> None:
    bench = await run(FLEET)
    mine = bench.cluster.objects.pop(("Service", "ns", "large"))
    bench.store.remove(key_of(mine))
    bench.cluster.put(bare(service("large", ("redis", 6379))))
    await bench.settle()

    assert shares(bench) == {"small": 1000}
    assert [one["name"] for one in running(bench)["pools"]] == ["small"]
    assert conditions(bench.status("ModelRoute", "chat"))["ResolvedRefs"] == (
        "False",
        "PoolNotAccepted",
    )


async def test_no_replica_is_started_before_its_service_is_there() -> None:
    bench = Bench()
    bench.watch()
    bench.cluster.refuse = lambda _, body: "quota" if body["kind"] == "Service" else None
    for body in (bare(managed_pool("large")), bare(router())):
        bench.cluster.put(body)
    await bench.settle()

    deployments = [name for kind, _, name in bench.cluster.objects if kind == "Deployment"]
    assert deployments == []
    for kind, name in (("ServingPool", "large"), ("ModelRouter", "default")):
        assert conditions(bench.status(kind, name))["Accepted"] == ("False", "ChildRefused")


async def test_what_is_not_needed_for_serving_holds_no_replica_back() -> None:
    bench = Bench()
    bench.watch()
    kind = "PodDisruptionBudget"
    bench.cluster.refuse = lambda _, body: "quota" if body["kind"] == kind else None
    bench.cluster.put(bare(managed_pool("large")))
    await bench.settle()

    assert ("Deployment", "ns", "large") in bench.cluster.objects


async def test_a_typo_in_backend_refs_leaves_the_rule_as_it_last_resolved() -> None:
    bench = await run(FLEET)
    before = running(bench)
    wrong = route()
    wrong["spec"]["rules"][0]["backendRefs"] = [{"name": "lrage"}]

    await edit(bench, wrong)

    assert running(bench) == before
    assert shares(bench) == {"large": 1000}
    assert conditions(bench.status("ModelRoute", "chat"))["ResolvedRefs"] == (
        "False",
        "PoolNotFound",
    )

    await edit(bench, route(fallback=None))

    assert [one["name"] for one in running(bench)["pools"]] == ["large"]
    assert conditions(bench.status("ModelRoute", "chat"))["ResolvedRefs"][0] == "True"


async def test_a_rule_that_never_resolved_serves_by_what_it_has_and_follows_edits() -> None:
    wrong = route()
    wrong["spec"]["rules"][0]["backendRefs"] = [{"name": "lrage"}]
    bench = await run((*without("ModelRoute", "chat"), bare(wrong)))
    assert shares(bench) == {"small": 1000}

    wrong["spec"]["rules"][0]["backendRefs"].append({"name": "large"})
    await edit(bench, wrong)

    assert shares(bench) == {"large": 1000}


async def test_a_rule_that_keeps_its_pools_is_still_defended() -> None:
    """The pool that it last resolved to loses its replicas while the typo is there."""
    bench = await run(FLEET)
    wrong = route()
    wrong["spec"]["rules"][0]["backendRefs"] = [{"name": "lrage"}]
    await edit(bench, wrong)
    assert shares(bench) == {"large": 1000}
    gone = bench.cluster.objects["EndpointSlice", "ns", "large-1"]

    bench.cluster.put({**gone, "endpoints": []})
    await bench.settle()

    assert shares(bench) == {"small": 1000}


async def test_a_typo_in_service_ref_keeps_the_old_service_and_its_replicas() -> None:
    bench = await run(FLEET)
    wrong = pool("small")
    wrong["spec"]["existing"]["serviceRef"]["name"] = "smal"

    await edit(bench, wrong)

    assert {one["name"]: one["service"] for one in running(bench)["pools"]}["small"] == "small"
    assert conditions(bench.status("ModelRoute", "chat"))["ResolvedRefs"] == (
        "False",
        "PoolNotAccepted",
    )
    assert conditions(bench.status("ServingPool", "small"))["Accepted"][1] == "ServiceNotFound"


async def test_a_typo_in_parent_refs_takes_the_route_from_nobody() -> None:
    bench = await run(FLEET)

    await edit(bench, route(parentRefs=[{"name": "defualt"}]))

    assert [one["name"] for one in running(bench)["routes"]] == ["chat"]
    found = bench.status("ModelRoute", "chat")
    assert conditions(found)["ResolvedRefs"] == ("False", "RouterNotFound")
    assert conditions(found)["Programmed"][0] == "True"
    assert "ModelRouter default goes on carrying it" in message(found, "ResolvedRefs")
    assert shares(bench) == {"large": 1000}

    bench.cluster.put({**bare(router()), "metadata": {"name": "defualt", "namespace": "ns"}})
    await bench.settle()

    assert running(bench)["routes"] == []
    assert [one["name"] for one in running(bench, "defualt")["routes"]] == ["chat"]


async def test_a_typo_in_target_ref_leaves_the_objective_with_its_rule() -> None:
    bench = await run(FLEET)
    data = bench.cluster.objects["ConfigMap", "ns", "default-config"]["data"]
    assert json.loads(data["references"])["objectives"] == {"ttft": "chat/slow"}

    for target in (
        {"name": "caht", "sectionName": "slow"},
        {"name": "chat", "sectionName": "slwo"},
    ):
        await edit(bench, slo(targetRef=target))

        data = bench.cluster.objects["ConfigMap", "ns", "default-config"]["data"]
        assert json.loads(data["references"])["objectives"] == {"ttft": "chat/slow"}
        found = bench.status("TokenSLO", "ttft")
        assert conditions(found)["ResolvedRefs"][0] == "False"

    await edit(bench, slo(targetRef={"name": "chat"}))

    data = bench.cluster.objects["ConfigMap", "ns", "default-config"]["data"]
    assert json.loads(data["references"])["objectives"] == {"ttft": "chat"}


async def test_a_pin_that_names_no_pool_of_its_rule_moves_nothing() -> None:
    bench = await run(FLEET)
    pools = [{"name": "lrage", "weight": 900}, {"name": "small", "weight": 100}]
    pinned = {"rules": [{"name": "slow", "pools": pools}], "until": "2026-06-01T00:00:00Z"}

    await edit(bench, route(trafficControl={"type": "Pinned", "pinned": pinned}))

    assert shares(bench) == {"large": 1000}
    assert conditions(bench.status("ModelRoute", "chat"))["ResolvedRefs"] == (
        "False",
        "PoolNotInRule",
    )

    pools[0]["name"] = "large"
    await edit(bench, route(trafficControl={"type": "Pinned", "pinned": pinned}))

    assert shares(bench) == {"large": 900, "small": 100}


async def test_an_existing_pool_is_reached_and_counted_by_the_name_of_its_port() -> None:
    """A Service 80 -> 8000 called `api`, beside the port of the metrics."""
    named = service("small", ("api", 80), ("metrics", 9100))
    (listed,) = slices("small", 2, port="api")
    listed["ports"].append({"name": "metrics", "port": 9100})
    wanted = pool("small", existing={"serviceRef": {"name": "small", "port": 80}})
    fleet = without("Service", "small", without("EndpointSlice", "small-1"))
    fleet = without("ServingPool", "small", fleet)

    bench = await run((*fleet, bare(named), labelled(listed), bare(wanted)))

    assert bench.status("ServingPool", "small")["readyReplicas"] == 2
    (small,) = (one for one in running(bench)["pools"] if one["name"] == "small")
    assert (small["service"], small["port_name"], small["family"]) == ("small", "api", "IPv4")

    bench.cluster.put({**bare(named), "spec": {**named["spec"], "ipFamilies": ["IPv6", "IPv4"]}})
    await bench.settle()

    (small,) = (one for one in running(bench)["pools"] if one["name"] == "small")
    assert small["family"] == "IPv6"
    assert bench.status("ServingPool", "small")["readyReplicas"] == 0


async def test_only_pods_that_a_routers_deployment_made_are_asked_and_believed() -> None:
    """Two labels are soon put on a pod; what it says must not become the configuration."""
    bench = await run(FLEET)
    real = running(bench)
    (*_, pod) = router_pods(bench.cluster.objects["ModelRouter", "ns", "default"])
    forged = {
        **pod,
        "metadata": {**pod["metadata"], "name": "forged", "uid": "f", "ownerReferences": []},
        "status": {**pod["status"], "podIP": "10.9.9.9"},
    }
    bench.cluster.put(forged)
    asked = bench.agents.configurations
    stored = bench.cluster.objects["ConfigMap", "ns", "default-config"]
    asked["10.0.0.1:9091"] = dict(stored["data"])
    lie = json.loads(stored["data"]["config"])
    lie["revision"], lie["config"]["routes"] = 2**53 - 1, []
    asked["10.9.9.9:9091"] = {**stored["data"], "config": json.dumps(lie)}
    bench.agents.acknowledgements["10.9.9.9:9091"] = Acknowledgement(
        pod="forged", applied_revision=2**53 - 1, version="9"
    )

    bench.store.remove(key_of(bench.cluster.objects.pop(("ConfigMap", "ns", "default-config"))))
    await bench.settle()

    assert running(bench) == real
    status = bench.status("ModelRouter", "default")
    assert [one["pod"] for one in status["replicas"]] == ["default-router-0"]
    assert status["configRevision"] < 100


async def test_a_pool_whose_service_is_its_own_router_is_refused() -> None:
    wanted = pool("small", existing={"serviceRef": {"name": "default-router", "port": 80}})

    bench = await run((*without("ServingPool", "small"), bare(wanted)))

    assert conditions(bench.status("ServingPool", "small"))["Accepted"] == (
        "False",
        "RoutesToItself",
    )
    assert [one["name"] for one in running(bench)["pools"]] == ["large"]


async def test_a_pool_whose_service_becomes_its_own_router_is_let_go() -> None:
    bench = await run(FLEET)
    ours = {"tokenfleet.dev/router": "default"}

    bench.cluster.put(bare(service("small", selector=ours)))
    await bench.settle()

    assert conditions(bench.status("ServingPool", "small"))["Accepted"][1] == "RoutesToItself"
    assert [one["name"] for one in running(bench)["pools"]] == ["large"]


async def test_a_way_back_over_other_routers_is_refused_and_nothing_new_enters_it() -> None:
    second = {**bare(router()), "metadata": {"name": "second", "namespace": "ns"}}
    onward = pool("onward", existing={"serviceRef": {"name": "second-router", "port": 80}})
    there = route("there", parentRefs=[{"name": "second"}], fallback=None)
    first = route(fallback="onward")
    fleet = (*without("ModelRoute", "chat"), second, bare(onward), bare(first), bare(there))
    bench = await run(fleet)
    assert conditions(bench.status("ServingPool", "onward"))["Accepted"][0] == "True"

    back = pool("back", existing={"serviceRef": {"name": "default-router", "port": 80}})
    bench.cluster.put(bare(back))
    there["spec"]["rules"][0]["fallbackRefs"] = [{"name": "back"}]
    await edit(bench, there)

    for name in ("onward", "back"):
        found = bench.status("ServingPool", name)
        assert conditions(found)["Accepted"] == ("False", "RoutesToItself")
    said = message(bench.status("ServingPool", "back"), "Accepted")
    assert "default -> second -> default" in said
    assert [one["name"] for one in running(bench, "second")["pools"]] == ["large"]
    assert [one["name"] for one in running(bench)["pools"]] == ["large", "onward"]
