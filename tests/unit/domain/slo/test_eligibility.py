"""Who cannot see for long, or never saw anything, must not block a route for ever."""

from dataclasses import replace
from datetime import timedelta

from tests.unit.domain.slo.builders import RULE, T0, Fleet, cell, facts, objective, target
from tokenfleet.domain.slo.control.memory_json import decode, encode
from tokenfleet.domain.slo.observation.measurement import Failure, Pin

DARK = {"failure": Failure("SourceError", "dark"), "rules": {}}
BAD, FINE = cell("large", 4, 1.0), cell("small", 4, 0)


def half_blind(fleet: Fleet, seconds: float) -> None:
    """One objective sees well; the other wants fresher samples than there are."""
    fleet.see(cell("large", 4, 0), FINE, seconds=seconds)


def strict(name: str):
    """An objective that is Unknown with every scrape missing that a lenient one forgives."""
    return objective(name, min_coverage=1.5)


def test_an_objective_that_never_had_an_attempt_has_no_vote() -> None:
    fleet = Fleet()
    view = fleet.see(demand=4.0).slos["team-a/latency"]

    assert view.refused is not None
    assert view.refused.reason == "NeverMeasured"


def test_it_has_one_from_its_first_attempt_on() -> None:
    fleet = Fleet()
    fleet.see(cell("large", 0.01, 0))
    view = fleet.see(demand=0.0).slos["team-a/latency"]

    assert view.refused is None  # it saw two attempts, and now sees that there are none


def test_one_that_was_never_seen_does_not_hold_the_others_back() -> None:
    fleet = Fleet(objectives=(objective(), strict("typo")))
    fleet.see(BAD, FINE, seconds=60)
    half_blind(fleet, 3600)

    assert fleet.transitions[0] == "T1"
    assert fleet.transitions[-1] == "T5"
    assert fleet.outcome.slos["team-a/typo"].refused.reason == "NeverMeasured"


def test_one_that_went_blind_holds_the_others_back_for_half_an_hour() -> None:
    fleet = Fleet(objectives=(objective(), objective("other")))
    fleet.see(cell("large", 4, 0), FINE, seconds=60)
    fleet.objectives = (objective(), strict("other"))
    fleet.see(BAD, FINE, seconds=60)
    half_blind(fleet, 1500)
    held = list(fleet.transitions)
    half_blind(fleet, 3600)

    assert held == ["T1"]
    assert fleet.transitions[-1] == "T5"
    refused = fleet.outcome.slos["team-a/other"].refused
    assert refused.reason == "UnknownTooLong"
    assert "nothing has been known since 2026-11-23 12:01 UTC" in refused.message


def test_the_objective_that_made_the_shift_holds_it_however_long_it_is_blind() -> None:
    """An outage of Prometheus does not send traffic back to a pool that was bad."""
    fleet = Fleet()
    fleet.see(BAD, FINE, seconds=60)
    shares = fleet.shares()
    for _ in range(600):  # two and a half hours
        fleet.now += fleet.tick
        fleet.step(replace(fleet.measured(), **DARK))

    assert fleet.transitions == ["T1"]
    assert fleet.shares() == shares == {"large": 500, "small": 500}
    assert fleet.outcome.slos["team-a/latency"].refused is None


def test_a_primary_without_endpoints_is_left_also_where_nobody_sees() -> None:
    """Kubernetes' own facts need no Prometheus, however long it is gone."""
    fleet = Fleet()
    fleet.see(cell("large", 4, 0), FINE, seconds=60)
    for seconds in range(0, 3600, 15):
        fleet.now += fleet.tick
        if seconds == 3000:
            gone = replace(fleet.pools["team-a/large"], ready=0)
            fleet.pools = fleet.pools | {"team-a/large": gone}
        fleet.step(replace(fleet.measured(), **DARK))

    assert fleet.transitions == ["T1h"]


def test_who_sees_is_remembered_over_a_restart_and_a_quiet_fleet_writes_nothing() -> None:
    fleet = Fleet()
    fleet.see(cell("large", 4, 0), FINE)
    first = encode(fleet.memory)
    fleet.see(cell("large", 4, 0), FINE, seconds=600)

    assert encode(fleet.memory) == first
    assert decode(first)[str(RULE)].blind_since == {"latency": None}


def test_a_broken_series_of_one_pool_makes_the_objective_unknown() -> None:
    broken = replace(FINE, broken=True)
    fleet = Fleet()
    fleet.see(cell("large", 4, 0), FINE)
    fleet.see(cell("large", 4, 0), broken, seconds=1815)

    assert fleet.memory[str(RULE)].blind_since["latency"] is not None
    assert fleet.now - fleet.memory[str(RULE)].blind_since["latency"] >= timedelta(minutes=30)


def test_a_pin_to_nothing_ends_at_the_pace_of_recovery_where_nobody_asks() -> None:
    """Endpoints were never lost, so nothing has returned."""
    pin = Pin(weights={"large": 1, "small": 1}, until=T0 + timedelta(seconds=45))
    both = target(backends={"large": 3, "twin": 1}, pin=pin)
    pools = facts()
    fleet = Fleet(
        objectives=(), rules=(both,), pools=pools | {"team-a/twin": pools["team-a/large"]}
    )
    fleet.see(demand=4.0, seconds=3600)

    assert {"P0", "T12"} == set(fleet.transitions)
    assert fleet.shares() == {"large": 750, "twin": 250, "small": 0}
