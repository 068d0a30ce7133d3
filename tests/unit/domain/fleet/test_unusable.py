"""A route that cannot be read, or cannot be served, in the middle of a shift: nothing is forgotten."""

from datetime import timedelta

import pytest

from tests.unit.domain.fleet.builders import route
from tests.unit.domain.fleet.edited_fleet import Fleet, rule


@pytest.mark.edit("route that cannot be read")
def test_a_route_that_cannot_be_read_for_a_while_does_not_forget_its_shift() -> None:
    fleet = Fleet()
    was = fleet.routes
    fleet.routes = [route(rules=[rule(large=1)], trafficControl={"type": "Unheard"})]
    fleet.visit()
    assert fleet.shares() == {"large": 400, "small": 600}

    assert "departed" not in fleet.data, "it is not gone, and nobody else may take its place"

    fleet.routes = was
    fleet.visit()

    assert fleet.shares() == {"large": 400, "small": 600}
    assert fleet.reasons() == []


@pytest.mark.edit("route that cannot be read")
def test_a_route_that_cannot_be_read_keeps_its_models_from_others() -> None:
    fleet = Fleet()
    was = fleet.routes
    rival = route("rival", rules=[rule("main", large=1)], modelNames=["chat"])
    fleet.routes = [route(rules=[rule(large=1)], trafficControl={"type": "Unheard"})]
    fleet.visit()
    fleet.routes.append(rival)
    fleet.visit()
    assert fleet.shares() == {"large": 400, "small": 600}
    assert [name.name for name in fleet.running().routes] == ["chat"]

    fleet.routes = [*was, rival]
    fleet.visit()

    assert fleet.shares() == {"large": 400, "small": 600}
    assert fleet.reasons() == []


@pytest.mark.edit("route that cannot be read")
def test_a_route_that_cannot_be_read_is_not_forgotten_with_the_configuration() -> None:
    fleet = Fleet()
    told = {
        "name": "slow",
        "shares": [{"name": "large", "share": 400}, {"name": "small", "share": 600}],
    }
    unread = route(rules=[rule(large=1)], trafficControl={"type": "Unheard"})
    was, fleet.routes = fleet.routes, [{**unread, "status": {"rules": [told]}}]
    fleet.data = {}
    fleet.visit()
    assert fleet.reasons() == ["ConfigLost"], "the route is there"

    fleet.now += timedelta(hours=2)
    fleet.routes = was
    fleet.visit()

    assert fleet.shares() == {"large": 400, "small": 600}


def test_a_rule_of_which_no_pool_can_be_used_keeps_its_memory_for_itself() -> None:
    fleet = Fleet()
    fleet.barred = {"large", "small"}
    fleet.visit()
    assert "departed" not in fleet.data, "the rule is written, and nobody else may take its place"

    fleet.barred = set()
    fleet.visit()

    assert fleet.shares() == {"large": 400, "small": 600}
    assert "ShiftInherited" not in fleet.reasons()
