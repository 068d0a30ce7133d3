"""What is remembered of a rule that is gone, and for how long."""

from datetime import timedelta

from tests.unit.domain.fleet.edited_fleet import SHIFTED, Fleet
from tokenfleet.domain.fleet.departed import KEPT
from tokenfleet.domain.slo.control.memory import LoopMemory


def test_a_route_that_is_applied_again_is_known_for_its_flapping_although_all_is_well() -> None:
    """Deleting and applying must not buy a rule new shifts."""
    flapping = LoopMemory(episodes=(SHIFTED.changed_at, SHIFTED.changed_at + timedelta(minutes=9)))
    fleet = Fleet(loops={"large": flapping})
    was, fleet.routes = fleet.routes, []
    fleet.visit()
    fleet.routes = was
    fleet.visit()

    assert fleet.held().memory["ns/chat/slow"].loops["large"].episodes == flapping.episodes


def test_after_an_hour_nobody_remembers() -> None:
    fleet = Fleet()
    was, fleet.routes = fleet.routes, []
    fleet.visit()
    fleet.now += KEPT
    fleet.visit()
    assert "departed" not in fleet.data

    fleet.routes = was
    fleet.visit()

    assert fleet.shares() == {"large": 1000, "small": 0}
