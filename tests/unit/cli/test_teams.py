"""The whole operator over fakes: a platform's router in `ns`, and teams with routes of their own."""

import json
from typing import Any

from tests.support.flows import Party, allowed, default_deny
from tests.support.options import OPTIONS
from tests.unit.cli.operator_bench import Bench, bare, labelled, run
from tests.unit.domain.fleet.builders import (
    conditions,
    managed_pool,
    message,
    pool,
    route,
    router,
    service,
    slices,
    slo,
)
from tests.unit.domain.routing.test_network_policy import OPERATOR
from tokenfleet.reconcilers.resources import ROUTES

SELECTED = {"from": "Selector", "selector": {"matchLabels": {"llm": "shared"}}}


def shared(**allowed: Any) -> dict[str, Any]:
    spec = {"allowedRoutes": {"namespaces": allowed or SELECTED}}
    return {**bare(router()), "spec": spec}


def namespace(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def of(team: str, body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "metadata": {**body["metadata"], "namespace": team}}


def chat(team: str, *, models: tuple[str, ...] = (), **spec: Any) -> dict[str, Any]:
    parents = [{"name": "default", "namespace": "ns"}]
    body = bare(route(parentRefs=parents, modelNames=list(models or (f"{team}/chat",)), **spec))
    return of(team, body)


def team(name: str, *, ready: int = 1, **labels: str) -> tuple[dict[str, Any], ...]:
    """Everything has the same names in each team."""
    return (
        namespace(name, **labels),
        of(name, bare(managed_pool("large"))),
        of(name, bare(pool("small"))),
        of(name, bare(service("small"))),
        *(of(name, labelled(one)) for one in slices("large", ready, port="http")),
        *(of(name, labelled(one)) for one in slices("small", 1)),
        of(name, bare(slo())),
        chat(name),
    )


def config(bench: Bench) -> dict[str, Any]:
    data = bench.cluster.objects["ConfigMap", "ns", "default-config"]["data"]
    found: dict[str, Any] = json.loads(data["config"])["config"]
    return found


def routes(bench: Bench) -> dict[str, list[str]]:
    return {one["name"]: one["model_names"] for one in config(bench)["routes"]}


def accepted(bench: Bench, team: str) -> tuple[str, str]:
    status = bench.status("ModelRoute", "chat", namespace=team)
    return conditions(status)["Accepted"]


async def test_two_teams_share_a_router_under_equal_names() -> None:
    bench = await run((shared(), *team("team-a", llm="shared"), *team("team-b", llm="shared")))

    assert routes(bench) == {"team-a/chat": ["team-a/chat"], "team-b/chat": ["team-b/chat"]}
    pools = {one["name"]: one["service"] for one in config(bench)["pools"]}
    assert pools == {
        name: name for name in ("team-a/large", "team-a/small", "team-b/large", "team-b/small")
    }
    for name in ("team-a", "team-b"):
        status = bench.status("ModelRoute", "chat", namespace=name)
        assert status["traffic"] == "slow large 100%"
        (parent,) = status["parents"]
        assert parent["parentRef"] == {"name": "default", "namespace": "ns"}
        assert conditions(status)["Accepted"] == ("True", "Accepted")


async def test_what_one_team_lacks_moves_nobody_elses_traffic() -> None:
    """Both call their pools large and small; those of team-b have no replica."""
    fleet = (shared(), *team("team-a", llm="shared"), *team("team-b", ready=0, llm="shared"))
    bench = await run(fleet)

    a, b = (bench.status("ModelRoute", "chat", namespace=name) for name in ("team-a", "team-b"))
    assert a["traffic"] == "slow large 100%"
    assert b["traffic"] == "slow small 100%"
    assert set(bench.held().memory) == {"team-b/chat/slow"}


async def test_a_router_takes_only_routes_that_it_allows() -> None:
    bench = await run((shared(), *team("team-a", llm="own"), *team("team-b", llm="shared")))

    assert routes(bench).keys() == {"team-b/chat"}
    assert accepted(bench, "team-a") == ("False", "NotAllowedByRouter")
    status = bench.status("ModelRoute", "chat", namespace="team-a")
    assert "ModelRouter ns/default does not take routes of namespace team-a" in message(
        status, "Accepted"
    )
    (parent,) = status["parents"]
    assert conditions(parent)["Accepted"] == ("False", "NotAllowedByRouter")
    assert not [k for k in bench.cluster.objects if k[0] == "RoleBinding" and k[1] == "team-a"]


async def test_a_router_that_says_nothing_takes_its_own_routes_only() -> None:
    bench = await run((bare(router()), *team("team-a", llm="shared")))

    assert accepted(bench, "team-a") == ("False", "NotAllowedByRouter")
    assert ("ConfigMap", "ns", "default-config") in bench.cluster.objects
    assert routes(bench) == {}


async def test_a_label_of_the_namespace_lets_its_routes_in_and_out() -> None:
    bench = await run((shared(), *team("team-a", llm="own")))

    bench.cluster.put(namespace("team-a", llm="shared"))
    await bench.settle()
    assert accepted(bench, "team-a") == ("True", "Accepted")
    assert routes(bench).keys() == {"team-a/chat"}

    bench.cluster.put(namespace("team-a"))
    await bench.settle()
    assert accepted(bench, "team-a") == ("False", "NotAllowedByRouter")
    assert routes(bench) == {}
    assert not [k for k in bench.cluster.objects if k[0] == "RoleBinding" and k[1] == "team-a"]


async def test_without_a_look_at_namespaces_their_names_are_known_all_the_same() -> None:
    """An operator that may see some namespaces only knows the one label that each has."""
    named = {"matchLabels": {"kubernetes.io/metadata.name": "team-a"}}
    a, b = (team(name, llm="shared")[1:] for name in ("team-a", "team-b"))
    bench = await run((shared(**{"from": "Selector", "selector": named}), *a, *b))

    assert routes(bench).keys() == {"team-a/chat"}
    assert accepted(bench, "team-b") == ("False", "NotAllowedByRouter")


async def test_one_model_name_of_two_teams_goes_to_the_older_route_and_both_are_told() -> None:
    bench = Bench()
    bench.watch()
    young, old = chat("team-a", models=("gpt",)), chat("team-b", models=("gpt",))
    created = {"team-a": "2026-02-01T00:00:00Z", "team-b": "2026-01-01T00:00:00Z"}
    for body in (shared(), *team("team-a", llm="shared"), *team("team-b", llm="shared")):
        if body["kind"] != "ModelRoute":
            bench.cluster.put(body)
    for body in (young, old):
        age = {"creationTimestamp": created[body["metadata"]["namespace"]]}
        bench.cluster.put({**body, "metadata": {**body["metadata"], **age}})
    await bench.settle()

    assert routes(bench) == {"team-b/chat": ["gpt"]}
    assert accepted(bench, "team-a") == ("False", "ModelNameConflict")
    loser = bench.status("ModelRoute", "chat", namespace="team-a")
    assert "belongs to ModelRoute team-b/chat, which" in message(loser, "Accepted")
    winner = bench.status("ModelRoute", "chat", namespace="team-b")
    assert conditions(winner)["Accepted"] == ("True", "Accepted")
    assert message(winner, "Accepted") == (
        "model name gpt is also claimed, in vain, by ModelRoute team-a/chat"
    )


async def test_the_router_gets_the_right_to_find_and_to_reach_the_pools() -> None:
    strict = shared()
    strict["spec"]["managed"] = {"networkPolicy": {}}
    bench = await run((strict, *team("team-a", llm="shared")))
    objects = bench.cluster.objects

    (subject,) = objects["RoleBinding", "team-a", "chat-guests"]["subjects"]
    assert subject == {"kind": "ServiceAccount", "name": "default-router", "namespace": "ns"}
    (right,) = objects["Role", "team-a", "chat-guests"]["rules"]
    assert right["resources"] == ["endpointslices"]
    (owner,) = objects["Role", "team-a", "chat-guests"]["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("ModelRoute", "chat")
    policy = objects["NetworkPolicy", "team-a", "chat-guests"]["spec"]
    assert policy["podSelector"]["matchExpressions"][0]["values"] == ["large", "small"]
    assert {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ns"}},
        "podSelector": {"matchLabels": {"tokenfleet.dev/router": "default"}},
    } in policy["ingress"][0]["from"]
    egress = objects["NetworkPolicy", "ns", "default-router"]["spec"]["egress"][0]["to"]
    assert [one.get("namespaceSelector") for one in egress] == [None, SELECTED["selector"]]


async def test_under_default_deny_the_router_reaches_the_pools_of_its_guests_and_nobody_else() -> (
    None
):
    """What the policies open, all together; `team-c` is not let in, and `large` is in each."""
    strict = shared()
    access = {"clients": PEERS["web"], "prometheus": PEERS["monitoring"]}
    strict["spec"]["managed"] = {"networkPolicy": access}
    bodies = (*team("team-a", llm="shared"), *team("team-b", llm="shared"), *team("team-c"))
    bench = await run((strict, *bodies))
    made = [body for (kind, *_), body in bench.cluster.objects.items() if kind == "NetworkPolicy"]
    teams = ("team-a", "team-b", "team-c")
    parties = {
        "clients": Party("web"),
        "Prometheus": Party("monitoring"),
        "operator": Party(OPTIONS.lease_namespace, OPERATOR),
        "router": Party("ns", {"tokenfleet.dev/router": "default"}),
        **{f"pool of {one}": pool_of(one) for one in teams},
        **{f"other pod of {one}": Party(one, {"app": "x"}, SHARED_BY[one]) for one in teams},
    }

    denied = [default_deny(namespace) for namespace in ("ns", *teams)]
    assert not {flow for flow in allowed(denied, parties) if flow[1].startswith(("pool", "router"))}

    open_ = allowed([*denied, *made], parties)
    assert {flow for flow in open_ if flow[1].startswith(("pool", "router"))} == {
        ("clients", "router", 8080),
        ("operator", "router", 9091),
        ("Prometheus", "router", 9091),
        *(("router", f"pool of {one}", 8000) for one in ("team-a", "team-b")),
        *(("Prometheus", f"pool of {one}", 8000) for one in ("team-a", "team-b")),
    }


SHARED_BY = {"team-a": {"llm": "shared"}, "team-b": {"llm": "shared"}, "team-c": {}}
PEERS = {
    name: [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}]
    for name in ("web", "monitoring")
}


def pool_of(team: str) -> Party:
    return Party(team, {"tokenfleet.dev/pool": "large"}, SHARED_BY[team])


async def test_a_route_that_leaves_the_router_takes_the_rights_back() -> None:
    bench = await run((shared(), *team("team-a", llm="shared")))
    stored = bench.cluster.objects["ModelRoute", "team-a", "chat"]
    spec = {**stored["spec"], "parentRefs": [{"name": "own"}]}

    bench.cluster.put({**stored, "spec": spec})
    bench.cluster.put(of("team-a", {**bare(router()), "metadata": {"name": "own"}}))
    await bench.settle()

    assert ("RoleBinding", "team-a", "chat-guests") not in bench.cluster.objects
    assert routes(bench) == {}


async def test_a_route_that_moves_to_the_platforms_router_brings_its_shift() -> None:
    """From a router of the team's own, in the middle of a shift."""
    own = of("team-a", {**bare(router()), "metadata": {"name": "own"}})
    at_home = chat("team-a")
    at_home["spec"] = {**at_home["spec"], "parentRefs": [{"name": "own"}]}
    fleet = [b for b in team("team-a", ready=0, llm="shared") if b["kind"] != "ModelRoute"]
    bench = await run((shared(), own, *fleet, at_home))
    assert bench.status("ModelRoute", "chat", namespace="team-a")["traffic"] == "slow small 100%"

    (healthy,) = (of("team-a", labelled(one)) for one in slices("large", 1, port="http"))
    bench.cluster.put(healthy)
    stored = bench.cluster.objects["ModelRoute", "team-a", "chat"]
    parents = [{"name": "default", "namespace": "ns"}]
    bench.cluster.put({**stored, "spec": {**stored["spec"], "parentRefs": parents}})
    await bench.settle(rounds=1)

    held = bench.held()
    assert set(held.memory) == {"team-a/chat/slow"}
    (rule,) = next(one for one in config(bench)["routes"])["rules"]
    first = rule["ranges"][0]
    assert (first["pool"], first["end"] - first["first"]) != ("team-a/large", 1000)


async def test_a_namesake_in_another_team_inherits_nothing() -> None:
    """Equal models, rules and pool names; but another team's pools."""
    fleet = (shared(), *team("team-a", ready=0, llm="shared"))
    bench = await run(fleet)
    assert set(bench.held().memory) == {"team-a/chat/slow"}

    gone = bench.cluster.objects["ModelRoute", "team-a", "chat"]
    await bench.cluster.delete(ROUTES, "team-a", "chat", uid=gone["metadata"]["uid"])
    late = [b for b in team("team-b", llm="shared") if b["kind"] != "ModelRoute"]
    for body in (*late, chat("team-b", models=("team-a/chat",))):
        bench.cluster.put(body)
    await bench.settle()

    status = bench.status("ModelRoute", "chat", namespace="team-b")
    assert status["traffic"] == "slow large 100%"
    assert set(bench.held().departed) == {"team-a/chat/slow"}
