"""A plan whose configuration could not be stored tells of the one that is in force."""

from dataclasses import replace
from datetime import timedelta

from tests.unit.domain.fleet.builders import T0, owned_by, replica, route, router, seen
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.fleet.router_visit import plan_router


def test_what_is_not_stored_is_neither_decided_nor_told() -> None:
    """For whatever reason: here a pin, and a configuration that the API server refuses."""
    first = plan_router(seen())
    assert first.replace is not None
    metadata = {**first.replace["metadata"], "ownerReferences": [owned_by(router())]}
    stored = {**first.replace, "metadata": {**metadata, "resourceVersion": "7"}}
    good = replace(seen(), stored=stored, replicas=(replica(applied=first.revision),))
    until = (T0 + timedelta(hours=1)).isoformat()
    weights = [{"name": "large", "weight": 1}, {"name": "small", "weight": 3}]
    rules = [{"name": "slow", "pools": weights}]
    pinned = route(trafficControl={"type": "Pinned", "pinned": {"until": until, "rules": rules}})
    decided = plan_router(replace(good, routes=(pinned,)))
    refused = Problem(condition="Programmed", reason="ConfigRefused", message="a policy refuses it")

    plan = plan_router(replace(good, routes=(pinned,), unstored=refused))

    assert [note.reason for note in decided.events] == ["TrafficPinned"]
    assert plan.replace is None
    assert plan.events == plan.untold == ()
    assert plan.revision == decided.revision - 1
    view = plan.view.routes["ns/chat"]
    assert view.shares == {"slow": {"large": 1000, "small": 0}}
    assert (view.rules["slow"].reason, view.rules["slow"].message) == ("AsWritten", "")
    assert (view.programmed.status, view.programmed.reason) == ("False", "ConfigRefused")
