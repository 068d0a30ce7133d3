"""Changing a choice by one field works, with kubectl and under server-side apply."""

from typing import Any

import httpx
import pytest

from e2e.kit.yamls import dump, merged
from tests.integration.api.server import ApiServer
from tests.integration.api.subjects import EXISTING_POOL, POOL, ROUTE, ROUTER, SHIFTING_SLO, SLO, at
from tests.support.unions import SAMPLES, Place, places
from tokenfleet.api.conventions import API_VERSION

pytestmark = pytest.mark.cluster

_OF_A_RULE = merged(SLO, at("spec.targetRef.sectionName", "all"))
BASES = {"ServingPool": POOL, "ModelRouter": ROUTER, "ModelRoute": ROUTE, "TokenSLO": _OF_A_RULE}
REST = {"spec.managed.speculative": {"tokens": 3}, "spec.onBreach": {}}
PINNED = {"type": "Pinned", "pinned": SAMPLES["pinned"]}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        pytest.param(place, value, id=f"{place.kind}.{place.path}={value}")
        for place in places()
        for value in place.values
    ],
)
def test_every_choice_is_accepted_beside_what_is_left_over(
    api: ApiServer, place: Place, value: str
) -> None:
    body = _surrounded(BASES[place.kind], place.path)
    union = {**REST.get(place.path, {}), **place.members(), place.model.discriminator: value}
    answer = api.create(merged(body, _placed(place.path, union)))

    assert answer.status_code == httpx.codes.CREATED, answer.text


def _placed(path: str, union: dict[str, Any]) -> dict[str, Any]:
    """Return the patch that sets a union, also one in the items of a list."""
    if "adapters" not in path:
        return at(path, union)
    return at("spec.served.adapters", [{"name": "legal", "source": union}])


def _surrounded(base: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the object with what the place stands in."""
    if "draftModel" in path:
        drafting = {"type": "DraftModel", "tokens": 3, "draftModel": SAMPLES["draftModel"]}
        return merged(base, at("spec.managed.speculative", drafting))
    return base


@pytest.mark.parametrize("server_side", [False, True], ids=["client-side", "server-side"])
def test_git_wins_over_a_pin_of_kubectl(api: ApiServer, *, server_side: bool) -> None:
    written = merged(ROUTE, at("spec.trafficControl", {"type": "Auto"}))
    written = {"apiVersion": API_VERSION, **written}
    how = ["--server-side", "--force-conflicts"] if server_side else []
    try:
        api.namespace.apply(written, server_side=server_side)
        api.namespace.patch("modelroute", "route", at("spec.trafficControl", PINNED))
        pinned = api.namespace.must_get("modelroute", "route")["spec"]["trafficControl"]
        api.namespace.run("apply", *how, "-f", "-", stdin=dump((written,)))
        healed = api.namespace.must_get("modelroute", "route")["spec"]["trafficControl"]
    finally:
        api.delete(ROUTE)

    assert pinned["type"] == "Pinned"
    assert healed["type"] == "Auto"


@pytest.mark.parametrize("server_side", [False, True], ids=["client-side", "server-side"])
def test_a_pin_of_git_after_one_of_kubectl_can_be_taken_back(
    api: ApiServer, *, server_side: bool
) -> None:
    """Of a pin with two owners each would leave its part, and half a pin is refused."""
    how = ["--server-side", "--force-conflicts"] if server_side else []
    later = {"pinned": {"until": "2036-02-02T00:00:00Z"}}
    auto, pinned = (
        {"apiVersion": API_VERSION, **merged(ROUTE, at("spec.trafficControl", control))}
        for control in ({"type": "Auto"}, merged(PINNED, later))
    )
    try:
        api.namespace.apply(auto, server_side=server_side)
        api.namespace.patch("modelroute", "route", at("spec.trafficControl", PINNED))
        for written in (pinned, auto):
            api.namespace.run("apply", *how, "-f", "-", stdin=dump((written,)))
        healed = api.namespace.must_get("modelroute", "route")["spec"]["trafficControl"]
    finally:
        api.delete(ROUTE)

    assert healed["type"] == "Auto"


def test_one_field_stops_an_objective_from_shifting(api: ApiServer) -> None:
    api.create(SHIFTING_SLO, dry_run=False)
    try:
        answer = api.change(SHIFTING_SLO, at("spec.onBreach.type", "Alert"))
    finally:
        api.delete(SHIFTING_SLO)

    assert answer.status_code == httpx.codes.OK, answer.text


def test_a_pool_keeps_what_its_type_does_not_use(api: ApiServer) -> None:
    body = merged(EXISTING_POOL, at("spec.managed", POOL["spec"]["managed"]))

    assert api.create(body).status_code == httpx.codes.CREATED
