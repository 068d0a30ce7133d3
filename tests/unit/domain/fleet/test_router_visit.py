"""The plan of a router: one record of truth, and what happens when it is lost or unreadable."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.domain.fleet.builders import (
    T0,
    conditions,
    message,
    owned_by,
    pool,
    replica,
    route,
    router,
    seen,
    slices,
)
from tokenfleet.domain.fleet import router_config
from tokenfleet.domain.fleet.router_config import Held
from tokenfleet.domain.fleet.router_snapshot import RouterPlan, RouterSnapshot
from tokenfleet.domain.fleet.router_visit import plan_router
from tokenfleet.domain.routing import codec
from tokenfleet.domain.slo.control.memory import LoopMemory, RuleMemory, State

SHIFTED = RuleMemory(
    loops={"large": LoopMemory(state=State.SHIFTED, w=0.4, fallback="small", effective_at=T0)}
)


def written(plan: RouterPlan) -> Held:
    assert plan.replace is not None
    return router_config.read(plan.replace["data"])


def shares(held: Held) -> dict[str, int]:
    assert held.document is not None
    return {share.pool: share.share for share in held.document.config.routes[0].rules[0].shares}


def stored(data: Mapping[str, str], version: str = "7") -> dict[str, Any]:
    metadata = {
        "name": "default-config",
        "namespace": "ns",
        "resourceVersion": version,
        "ownerReferences": [owned_by(router())],
    }
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(data)}


def after(plan: RouterPlan, snapshot: RouterSnapshot, **changes: Any) -> RouterSnapshot:
    """The world once a plan has been carried out and acknowledged."""
    held = written(plan)
    status = {**(plan.status or {})}
    return replace(
        snapshot,
        stored=stored(router_config.write(held)),
        body=router(status),
        replicas=(replica(applied=held.revision),),
        acknowledged_at=T0,
        **changes,
    )


def shifted_data() -> dict[str, str]:
    """What `<router>-config` holds in the middle of a shift, at revision 5."""
    first = written(plan_router(seen()))
    assert first.document is not None
    document = codec.Document(revision=4, config=first.document.config)
    held = Held(document=document, memory={"ns/chat/slow": SHIFTED}, claims=first.claims)
    plan = plan_router(seen(stored=stored(router_config.write(held))))
    return dict(plan.replace["data"]) if plan.replace else {}


def test_a_new_router_starts_with_the_weights_as_written() -> None:
    plan = plan_router(seen())

    assert shares(written(plan)) == {"large": 1000, "small": 0}
    assert written(plan).revision == 1 + 1  # the replica already runs revision 1 of somebody
    assert "resourceVersion" not in plan.replace["metadata"]  # type: ignore[index]
    assert plan.events == ()


def test_a_second_plan_of_the_same_world_is_a_no_op() -> None:
    snapshot = after(plan_router(seen()), seen())
    settled = replace(snapshot, body=router(dict(plan_router(snapshot).status or {})))

    plan = plan_router(settled)

    assert plan.replace is None
    assert plan.status == settled.body["status"]
    assert plan.deletes == ()


def test_the_replace_carries_the_version_that_was_read() -> None:
    snapshot = after(plan_router(seen()), seen(), routes=(route(fallback=None),))

    plan = plan_router(snapshot)

    assert plan.replace is not None
    assert plan.replace["metadata"]["resourceVersion"] == "7"
    assert written(plan).revision == 3


def test_memory_alone_does_not_grow_the_revision() -> None:
    base = router_config.read(shifted_data())
    assert base.document is not None
    older = Held(document=base.document, memory={"ns/chat/slow": SHIFTED}, claims={"chat": "chat"})
    snapshot = seen(stored=stored({**router_config.write(older), "claims": "{}"}))

    plan = plan_router(snapshot)

    assert written(plan).claims == {"chat": "chat"}
    assert written(plan).revision == base.revision


def test_a_shift_survives_a_restart() -> None:
    """Nothing but `<router>-config` carries it over."""
    data = shifted_data()

    plan = plan_router(seen(stored=stored(data)))

    assert plan.replace is None
    assert shares(router_config.read(data)) == {"large": 400, "small": 600}


def test_a_lost_configuration_is_read_back_from_a_replica() -> None:
    data = shifted_data()

    plan = plan_router(seen(copies=({"config": "damaged"}, data), replicas=(replica(applied=5),)))

    assert replace(written(plan), untold=()) == router_config.read(data)
    assert [note.reason for note in plan.events] == ["ConfigLost"]
    assert "read back from a replica" in plan.events[0].note


def test_without_a_replica_it_is_rebuilt_from_the_shares_in_route_status() -> None:
    rules = [
        {
            "name": "slow",
            "shares": [{"name": "large", "share": 400}, {"name": "small", "share": 600}],
        }
    ]
    told = route(status={"rules": rules})

    plan = plan_router(seen(routes=(told,), body=router({"configRevision": 41})))

    assert shares(written(plan)) == {"large": 400, "small": 600}
    assert written(plan).revision == 42
    loop = written(plan).memory["ns/chat/slow"].loops["large"]
    assert (loop.state, loop.fallback) == (State.SHIFTED, "small")
    assert [note.reason for note in plan.events] == ["ConfigLost"]


def test_replicas_that_do_not_answer_are_waited_for_before_less_is_believed() -> None:
    """They run what was lost; a rebuilt shift would forget its timers and its failures."""
    rules = [{"name": "slow", "shares": [{"name": "large", "share": 400}]}]
    lost = seen(
        routes=(route(status={"rules": rules}),),
        body=router({"configRevision": 41}),
        replicas=(replica(applied=None),),
        missing_since=T0,
    )

    starting = replace(replica(applied=None), ready=False)
    waiting = plan_router(replace(lost, now=T0 + timedelta(minutes=4, seconds=59)))
    rebuilt = plan_router(replace(lost, now=T0 + timedelta(minutes=5)))
    answered = plan_router(replace(lost, copies=(shifted_data(),), now=T0))

    assert waiting.replace is None
    assert conditions(waiting.status)["Programmed"] == ("False", "ConfigLost")
    assert "none of 1 ready router replicas tells" in message(waiting.status, "Programmed")
    assert waiting.view.routes["ns/chat"].shares is None
    assert waiting.requeue_after == timedelta(seconds=5)
    assert written(rebuilt).revision == 42
    assert written(plan_router(replace(lost, replicas=(starting,), now=T0))).revision == 42
    assert replace(written(answered), untold=()) == router_config.read(shifted_data())


def test_a_router_that_never_had_a_configuration_waits_for_nobody() -> None:
    plan = plan_router(seen(body=router(), replicas=(replica(applied=None),), missing_since=T0))

    assert written(plan).document is not None


def test_a_rebuilt_revision_is_newer_than_what_any_replica_runs() -> None:
    told = route(status={"rules": [{"name": "slow", "shares": [{"name": "large", "share": 1000}]}]})

    plan = plan_router(seen(routes=(told,), replicas=(replica(applied=99),)))

    assert written(plan).revision == 100


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({}, id="empty"),
        pytest.param({"config": "{}", "memory": "{}", "claims": "{}"}, id="not ours"),
        pytest.param({"config": '{"schemaVersion": 99}'}, id="of a newer version"),
        pytest.param({**shifted_data(), "memory": '{"v": 99, "rules": {}}'}, id="newer memory"),
        pytest.param({**shifted_data(), "claims": "[]"}, id="damaged claims"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_held_and_not_overwritten(
    data: dict[str, str],
) -> None:
    plan = plan_router(seen(stored=stored(data)))

    assert plan.replace is None
    assert conditions(plan.status)["Programmed"] == ("False", "ConfigUnreadable")
    assert conditions(plan.status)["Ready"] == ("False", "ConfigUnreadable")
    assert "delete it to rebuild it" in message(plan.status, "Programmed")
    assert plan.view.routes["ns/chat"].shares is None


def test_a_configuration_that_is_too_large_keeps_the_last_good_one() -> None:
    good = after(plan_router(seen()), seen())
    features = [f"{number:063d}" for number in range(32)]
    rules = [
        {"name": f"r{n}", "backendRefs": [{"name": "large"}], "matches": [{"features": features}]}
        for n in range(63)
    ]
    last = {"name": "last", "backendRefs": [{"name": "large"}]}
    huge = tuple(route(f"huge-{n}", rules=[*rules, last]) for n in range(8))

    plan = plan_router(replace(good, routes=(route(), *huge)))

    assert plan.replace is None
    assert plan.revision == 2
    assert conditions(plan.status)["Programmed"] == ("False", "ConfigTooLarge")
    assert plan.view.routes["ns/chat"].shares == {"slow": {"large": 1000, "small": 0}}


def test_programmed_follows_the_acknowledgements() -> None:
    fresh = after(plan_router(seen()), seen())
    behind = replace(fresh, replicas=(replica(applied=1), replica("pod-1", applied=2)))
    late = replace(behind, body=router())

    assert conditions(plan_router(fresh).status)["Programmed"] == ("True", "Programmed")
    assert plan_router(fresh).status["acknowledged"] == "1/1"  # type: ignore[index]
    assert conditions(plan_router(late).status)["Programmed"] == ("False", "NotAcknowledged")
    assert "pod pod-0 runs revision 1" in message(plan_router(late).status, "Programmed")
    assert plan_router(late).status["acknowledged"] == "1/2"  # type: ignore[index]


def test_a_change_on_its_way_does_not_make_a_programmed_router_flap() -> None:
    programmed = after(plan_router(seen()), seen())
    programmed = replace(programmed, body=router(dict(plan_router(programmed).status or {})))

    moving = replace(programmed, routes=(route(fallback=None),))
    assert conditions(plan_router(moving).status)["Programmed"][0] == "True"

    young = replace(programmed, replicas=(replica(applied=1),), changed_at=T0)
    assert conditions(plan_router(young).status)["Programmed"][0] == "True"

    missing = replace(young, now=T0 + timedelta(seconds=11))
    assert conditions(plan_router(missing).status)["Programmed"] == ("False", "NotAcknowledged")


def test_what_an_agent_refuses_is_told() -> None:
    snapshot = after(plan_router(seen()), seen())
    broken = replace(snapshot, replicas=(replica(applied=1, error="envoy said no"),), body=router())

    text = message(plan_router(broken).status, "Programmed")

    assert text == "pod pod-0 refuses revision 2: envoy said no"


def test_no_ready_replica_is_told() -> None:
    snapshot = after(plan_router(seen()), seen())

    plan = plan_router(replace(snapshot, replicas=(), body=router()))

    assert conditions(plan.status)["Ready"] == ("False", "NoReadyReplica")


def test_a_rule_that_nobody_serves_is_told() -> None:
    empty = {"large": slices("large", 0), "small": slices("small", 0)}

    plan = plan_router(seen(slices=empty))

    (problem,) = plan.view.routes["ns/chat"].problems
    assert (problem.condition, problem.reason) == ("Ready", "NoReadyPool")
    assert "large, small" in problem.message


def test_a_pool_that_goes_and_comes_back_does_not_reset_the_shift() -> None:
    data = shifted_data()
    gone = plan_router(seen(stored=stored(data), pools=(), slices={}))

    back = plan_router(seen(stored=gone.replace))

    assert shares(written(back)) == {"large": 400, "small": 600}


def test_one_broken_route_does_not_take_the_others_down() -> None:
    other = route("other", fallback=None)
    other["spec"]["rules"][0]["backendRefs"] = [{"name": "missing"}]

    plan = plan_router(seen(routes=(route(), other)))

    assert plan.view.routes["ns/chat"].problems == ()
    assert plan.view.routes["ns/other"].problems[0].reason == "PoolNotFound"


def test_children_that_are_not_wanted_any_more_are_deleted_and_the_configuration_never() -> None:
    def child(kind: str, name: str) -> dict[str, Any]:
        return {"kind": kind, "metadata": {"name": name, "namespace": "ns", "uid": name}}

    children = (
        child("ConfigMap", "default-config"),
        child("Deployment", "default-router"),
        child("ConfigMap", "old"),
    )

    plan = plan_router(seen(children=children))

    assert [(d.key.kind, d.key.name, d.uid) for d in plan.deletes] == [("ConfigMap", "old", "old")]


def test_equal_worlds_give_equal_bytes_in_any_order() -> None:
    pools = (pool("large"), pool("small"))
    routes = (route("a"), route("b"))

    one = plan_router(seen(pools=pools, routes=routes))
    two = plan_router(seen(pools=pools[::-1], routes=routes[::-1]))

    assert json.dumps(one.replace) == json.dumps(two.replace)


def test_a_pin_acts_at_once_and_the_operator_wide_switch_stops_control() -> None:
    until = (T0 + timedelta(hours=1)).isoformat()
    weights = [{"name": "large", "weight": 1}, {"name": "small", "weight": 3}]
    pinned = {
        "type": "Pinned",
        "pinned": {"until": until, "rules": [{"name": "slow", "pools": weights}]},
    }

    plan = plan_router(seen(routes=(route(trafficControl=pinned),)))

    assert shares(written(plan)) == {"large": 250, "small": 750}
    assert plan.view.routes["ns/chat"].rules["slow"].reason == "Pinned"


def test_a_rule_without_a_usable_pool_keeps_what_it_had() -> None:
    """A typo in a pool's name must not take the route down."""
    good = after(plan_router(seen()), seen())
    typo = route(rules=[{"name": "slow", "backendRefs": [{"name": "larg"}]}])

    plan = plan_router(replace(good, routes=(typo,)))

    assert plan.replace is None
    assert plan.view.routes["ns/chat"].shares == {"slow": {"large": 1000, "small": 0}}
    assert plan.view.routes["ns/chat"].problems[0].reason == "PoolNotFound"


def test_a_route_that_cannot_be_read_keeps_what_it_had() -> None:
    good = after(plan_router(seen()), seen())

    plan = plan_router(replace(good, routes=(route(trafficControl={"type": "Unheard"}),)))

    assert plan.replace is None or shares(written(plan)) == {"large": 1000, "small": 0}
    assert plan.view.routes["ns/chat"].problems[0].reason == "InvalidSpec"


def test_a_route_that_is_deleted_is_gone() -> None:
    good = after(plan_router(seen()), seen())

    plan = plan_router(replace(good, routes=()))

    document = written(plan).document
    assert document is not None
    assert document.config.routes == ()
    assert document.config.pools == ()
