"""Where little or nothing can be seen: silence proves nothing, and is no state for ever."""

from dataclasses import replace
from datetime import timedelta

from tests.unit.domain.slo.builders import BAD, GOOD, SPARE, Fleet, cell, objective, shifted
from tokenfleet.domain.slo.objectives.spec import Policy
from tokenfleet.domain.slo.observation.measurement import Tally


def test_a_floor_of_nothing_is_left_by_a_step_after_each_hold_and_not_by_t1r() -> None:
    """At w = 0 nobody shows whether the primary is well: a try every 5, 10, 20 min, then an hour."""
    fleet = Fleet(objectives=(objective(policy=Policy(floor=0.0)),))
    fleet.see(BAD)
    fleet.see(BAD, SPARE, seconds=135)
    assert fleet.transitions == ["T1", "T2"]
    assert fleet.shares() == {"large": 0, "small": 1000}
    fleet.see(SPARE, seconds=270)
    assert fleet.transitions == ["T1", "T2"]
    fleet.see(SPARE, seconds=60)
    assert fleet.transitions == ["T1", "T2", "T3"]
    fleet.see(BAD, SPARE, seconds=120)
    failed = fleet.decisions[-1].decision.at
    assert fleet.transitions[-1] == "T6"
    while fleet.transitions[-1] != "T3":
        fleet.see(SPARE)

    assert fleet.now - failed >= timedelta(minutes=10)


def test_what_comes_too_seldom_to_prove_anything_is_tried_after_the_longest_window() -> None:
    """I12: at one attempt in three hours no window ever holds a proof; bad ones would still count."""
    fleet = shifted()
    seldom = cell("large", 0.0001, 0.0)
    fleet.see(seldom, SPARE, seconds=7500)
    assert fleet.transitions == ["T1"]
    fleet.see(seldom, SPARE, seconds=600)

    assert fleet.transitions == ["T1", "T3"]


def test_a_pool_that_hangs_is_seen_by_those_who_give_up_before_the_threshold() -> None:
    """No first token, no late one either: clients leave after 30 s of 60. The others still answer."""
    slo = objective(threshold=timedelta(seconds=60))
    fine = cell("large", 1, 0.0, threshold=slo.threshold)
    fleet = Fleet(objectives=(slo,))
    hangs = {
        w: t if w > timedelta(minutes=2) else Tally({}, {}, w.total_seconds())
        for w, t in fine.windows.items()
    }
    fleet.see(fine, seconds=300)
    outcome = fleet.see(replace(fine, windows=hangs), seconds=15)
    assert fleet.transitions == ["T1"]
    assert outcome.slos["team-a/latency"].state == "Shifted"


def test_a_client_that_always_gives_up_says_nothing_about_a_pool() -> None:
    fleet = Fleet()
    windows = {w: Tally({}, {}, w.total_seconds()) for w in objective().windows.all}
    outcome = fleet.see(replace(GOOD, windows=windows), seconds=600)

    assert fleet.transitions == []
    assert outcome.slos["team-a/latency"].data.kind == "NoTraffic"
