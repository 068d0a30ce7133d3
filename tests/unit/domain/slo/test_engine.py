"""Stories of the control loop, tick by tick, on a virtual clock."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.domain.slo.builders import (
    BAD,
    GOOD,
    RULE,
    SPARE,
    T0,
    Fleet,
    cell,
    facts,
    loop,
    measurement,
    objective,
    shifted,
    target,
)
from tokenfleet.domain.slo.control.memory import State
from tokenfleet.domain.slo.control.memory_json import decode, encode
from tokenfleet.domain.slo.objectives.spec import Policy
from tokenfleet.domain.slo.observation.measurement import Failure, PoolFacts


def test_t1_a_fast_breach_halves_the_primary_at_once() -> None:
    fleet = Fleet()
    fleet.see(GOOD, seconds=300)
    fleet.see(BAD)

    assert fleet.transitions == ["T1"]
    assert fleet.shares() == {"large": 500, "small": 500}
    assert "60.0% exceeds 25.0%" in fleet.decisions[0].message


def test_t1_a_slow_breach_moves_a_quarter() -> None:
    fleet = Fleet()
    fleet.see(cell("large", 4, 0.2))

    assert fleet.shares() == {"large": 750, "small": 250}


def test_t1_is_careful_with_a_fallback_of_unknown_capacity() -> None:
    fleet = Fleet(pools=facts(capacity=None))
    fleet.see(BAD)

    assert fleet.shares() == {"large": 750, "small": 250}


def test_t1_never_fills_the_fallback_beyond_its_guard() -> None:
    """The rule needs 4/s; the fallback bears 0.85 * 2 * 0.5 = 0.85/s."""
    fleet = Fleet(pools=facts(capacity=0.5))
    fleet.see(BAD, seconds=1200, demand=4.0)

    assert fleet.shares()["small"] == pytest.approx(212, abs=1)


def test_t1_stays_where_no_fallback_serves() -> None:
    fleet = Fleet(pools=facts(small=0))
    fleet.see(BAD, seconds=600)

    assert fleet.shares() == {"large": 1000, "small": 0}
    assert fleet.outcome is not None
    assert fleet.outcome.slos["team-a/latency"].met is False


def test_t2_shifts_more_after_it_settled_down_to_the_floor() -> None:
    fleet = shifted()
    fleet.see(BAD, SPARE, seconds=90)
    assert fleet.transitions == ["T1"]
    fleet.see(BAD, SPARE, seconds=900)

    assert fleet.transitions == ["T1", "T2"]  # as bad at half of the load: load is not why
    assert fleet.shares() == {"large": 20, "small": 980}


def test_t2_goes_step_by_step_where_a_shift_helps() -> None:
    fleet = shifted()
    fleet.see(cell("large", 4, 0.3), SPARE, seconds=120)

    assert fleet.shares() == {"large": 250, "small": 750}


def test_t2_shifts_no_more_onto_a_fallback_that_is_no_better() -> None:
    fleet = shifted()
    fleet.see(BAD, cell("small", 4, 0.62), seconds=900)

    assert fleet.shares() == {"large": 500, "small": 500}


def test_t3_t4_t5_recover_step_by_step() -> None:
    fleet = shifted()
    fleet.see(BAD, SPARE, seconds=120)
    fleet.see(GOOD, SPARE, seconds=3600)

    assert fleet.transitions == ["T1", "T2", "T3", "T4", "T4", "T4", "T4", "T5"]
    assert [d.decision.to_w for d in fleet.decisions] == [500, 20, 120, 240, 480, 730, 980, 1000]
    assert fleet.shares() == {"large": 1000, "small": 0}
    gaps = [
        (b.decision.at - a.decision.at).total_seconds()
        for a, b in zip(fleet.decisions, fleet.decisions[1:], strict=False)
    ]
    assert gaps[0] >= 105  # settle
    assert gaps[1] >= 300  # hold
    assert min(gaps[2:]) >= 210  # dwell


def test_t3_waits_for_replicas_that_an_autoscaler_took_away() -> None:
    fleet = Fleet(pools=facts(large=4))
    fleet.see(BAD)
    fleet.pools = facts(large=1)
    fleet.see(GOOD, SPARE, seconds=1800)
    assert fleet.transitions == ["T1"]
    fleet.see(GOOD, SPARE, seconds=3 * 3600)

    assert fleet.transitions[-1] == "T5"  # not for ever: after max_hold it is tried


def test_t6_a_failed_recovery_backs_off_and_remembers_where() -> None:
    fleet = shifted()
    while fleet.transitions[-1] != "T3":
        fleet.see(GOOD, SPARE)
    fleet.see(BAD, SPARE, seconds=120)

    assert fleet.transitions == ["T1", "T3", "T6"]
    assert loop(fleet).failures == 1
    assert loop(fleet).bad_at == pytest.approx(0.75)
    before = fleet.decisions[-1].decision.at
    while fleet.transitions[-1] != "T3":
        fleet.see(GOOD, SPARE)
    assert fleet.now - before >= timedelta(minutes=10)  # the hold has doubled
    fleet.see(GOOD, SPARE, seconds=900)
    assert loop(fleet).w < 0.75  # and the ceiling keeps it below what was bad


def test_t7_gives_back_what_the_fallback_cannot_bear() -> None:
    """1 of 1.5 requests/s on each replica was too much: it keeps seven tenths of that."""
    fleet = Fleet(pools=facts(capacity=1.5))
    fleet.see(BAD, demand=4.0)
    fleet.see(GOOD, cell("small", 4, 0.5), seconds=180, demand=4.0)

    assert fleet.transitions == ["T1", "T7"]
    assert loop(fleet).w == pytest.approx(0.65)


def test_t7_a_fallback_that_is_bad_with_little_is_broken_and_gets_nothing() -> None:
    """1 of 100 requests/s is no reason to be bad. After an hour it is tried again, with a tenth."""
    fleet = shifted()
    fleet.see(BAD, cell("small", 4, 0.9), seconds=120, demand=4.0)
    assert fleet.transitions == ["T1", "T7"]
    assert fleet.shares() == {"large": 1000, "small": 0}
    fleet.see(BAD, cell("small", 0, 0), seconds=3300, demand=4.0)
    assert fleet.shares() == {"large": 1000, "small": 0}
    fleet.see(BAD, cell("small", 0, 0), seconds=600, demand=4.0)
    assert fleet.shares() == {"large": 900, "small": 100}
    fleet.see(BAD, cell("small", 4, 0.9), seconds=120, demand=4.0)

    assert fleet.transitions == ["T1", "T7", "T1", "T7"]
    found = loop(fleet).limits["small"]
    assert found.times == 2
    assert found.until - fleet.now > timedelta(minutes=115)  # twice as long


def test_t7_both_bad_and_the_fallback_more_so_gives_back() -> None:
    """A fallback that was overloaded by the shift is no better place than the primary it left."""
    fleet = Fleet(pools=facts(capacity=1.5))
    fleet.see(BAD, demand=4.0)
    fleet.see(BAD, cell("small", 4, 0.9), seconds=120, demand=4.0)

    assert fleet.transitions == ["T1", "T7"]
    assert loop(fleet).limits["small"].rate == pytest.approx(0.7 / 0.85, abs=0.001)


def test_t1h_a_primary_without_endpoints_is_left_and_tried_again() -> None:
    fleet = Fleet()
    fleet.see(GOOD, seconds=60)
    fleet.pools = facts(large=0)
    fleet.see(seconds=15)
    assert fleet.transitions == []
    fleet.see(SPARE, seconds=45)
    assert fleet.transitions == ["T1h"]
    assert fleet.shares() == {"large": 0, "small": 1000}
    fleet.pools = facts()
    fleet.see(SPARE, seconds=60)

    assert fleet.transitions == ["T1h", "T1r"]
    assert fleet.shares() == {"large": 100, "small": 900}


def test_t1h_needs_no_prometheus() -> None:
    fleet = Fleet(pools=facts(large=0))
    fleet.see(failure=Failure("SourceError", "refused"), seconds=60)

    assert fleet.transitions == ["T1h"]


def test_p1_holds_everything_while_nothing_is_known_and_clocks_stand_still() -> None:
    fleet = shifted()
    fleet.see(GOOD, SPARE, seconds=240)
    fleet.see(failure=Failure("SourceError", "refused"), seconds=7200)
    assert fleet.transitions == ["T1"]
    assert fleet.outcome is not None
    assert fleet.outcome.rules[str(RULE)].reason == "Held"
    fleet.see(GOOD, SPARE, seconds=30)
    assert fleet.transitions == ["T1"]  # two hours of darkness were not two hours of health
    fleet.see(GOOD, SPARE, seconds=60)

    assert fleet.transitions == ["T1", "T3"]


def test_one_unknown_vote_stops_raising_and_not_lowering() -> None:
    fleet = shifted()
    impatient = objective(
        "impatient", max_staleness=timedelta(seconds=5), windows=objective().windows
    )
    fleet.objectives = (objective(), impatient)
    stale = {
        "replicas": {
            ("team-a", "router-1"): replace(
                measurement(T0, GOOD).replicas["team-a", "router-1"], newest=None
            )
        }
    }
    fleet.see(GOOD, SPARE, seconds=1200, **stale)
    assert fleet.transitions == ["T1"]


def test_p2_a_raised_floor_is_followed_step_by_step() -> None:
    fleet = shifted()
    fleet.see(BAD, SPARE, seconds=900)
    fleet.objectives = (objective(policy=Policy(floor=0.4)),)
    shares = [fleet.see(BAD, SPARE) and fleet.shares()["large"] for _ in range(60)]

    assert shares[0] == 120
    assert sorted(set(shares)) == [120, 240, 400]
    assert shares.count(240) * fleet.tick >= Policy().dwell


def test_t8_without_traffic_shares_go_back() -> None:
    fleet = shifted()
    fleet.see(seconds=15 * 60 + 30)

    assert fleet.transitions == ["T1", "T8"]
    assert loop(fleet).state is State.NORMAL


def test_t11_takes_the_next_fallback_and_then_the_primary() -> None:
    pools = {**facts(), "team-a/cpu": PoolFacts(ready=1, desired=1, capacity=100.0)}
    fleet = Fleet(rules=(target(fallbacks=("small", "cpu")),), pools=pools)
    fleet.see(BAD)
    fleet.pools = {**pools, "team-a/small": PoolFacts(ready=0, desired=2)}
    fleet.see(BAD)
    assert fleet.shares() == {"large": 500, "small": 0, "cpu": 500}
    fleet.pools = {**fleet.pools, "team-a/cpu": PoolFacts(ready=0, desired=1)}
    outcome = fleet.see(GOOD)

    assert fleet.transitions == ["T1", "T11", "T11"]
    assert fleet.shares() == {"large": 1000, "small": 0, "cpu": 0}
    assert outcome.rules[str(RULE)].reason == "NoHealthyFallback"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"objectives": ()}, id="the objective is deleted"),
        pytest.param({"objectives": (objective(shifts=False),)}, id="it is set to Alert"),
        pytest.param({"rules": (target(control="Disabled"),)}, id="control is disabled"),
        pytest.param({"actuation": False}, id="the operator-wide switch is off"),
    ],
)
def test_t12_a_vote_that_disappears_lets_shares_ramp_back(change) -> None:
    fleet = shifted()
    fleet.see(BAD, SPARE, seconds=900)
    for name, value in change.items():
        setattr(fleet, name, value)
    n = len(fleet.transitions)
    fleet.see(BAD, SPARE, seconds=3600)
    steps = [d.decision.to_w for d in fleet.decisions[n:]]

    assert set(fleet.transitions[n:]) == {"T12"}
    assert steps == [120, 240, 480, 730, 980, 1000]
    assert fleet.shares() == {"large": 1000, "small": 0}


def test_an_alert_moves_nothing_and_shows_the_first_step_and_between_what_it_would_have_led_to() -> (
    None
):
    fleet = Fleet(objectives=(objective(shifts=False),))
    fleet.see(GOOD, seconds=600)
    outcome = fleet.see(BAD, seconds=1800)
    shadow = outcome.slos["team-a/latency"].shadow
    assert shadow is not None
    assert dict(shadow.shares) == {"large": 500, "small": 500}
    assert shadow.transition == "T1"
    assert shadow.message.startswith("first step: latency: ")
    assert shadow.message.endswith("; after it between 0.0% and 60.0% would have been bad")
    assert fleet.shares() == {"large": 1000, "small": 0}
    assert fleet.transitions == []

    assert dict(fleet.see(GOOD, seconds=270).slos["team-a/latency"].shadow.shares)["large"] == 500
    assert dict(fleet.see(GOOD, seconds=60).slos["team-a/latency"].shadow.shares)["large"] == 1000


def test_what_a_lost_primary_would_have_led_to_does_not_hide_a_later_breach() -> None:
    fleet = Fleet(objectives=(objective(shifts=False),), pools=facts(large=0))
    lost = fleet.see(seconds=60).slos["team-a/latency"].shadow
    assert lost is not None
    assert (lost.transition, lost.shares["large"]) == ("T1h", 0)
    fleet.pools = facts()
    back = fleet.see(SPARE, seconds=15).slos["team-a/latency"].shadow
    assert back is not None
    assert back.shares["large"] == 1000

    breached = fleet.see(BAD, seconds=120).slos["team-a/latency"].shadow

    assert breached is not None
    assert (breached.transition, breached.shares["large"]) == ("T1", 500)


def test_without_acknowledgement_shares_are_never_raised() -> None:
    fleet = shifted()
    fleet.acknowledges = False
    fleet.see(GOOD, SPARE, seconds=7200)
    assert fleet.transitions == ["T1"]
    fleet.acknowledges = True
    fleet.see(GOOD, SPARE, seconds=900)

    assert fleet.transitions[1] == "T3"


def test_the_settle_clock_starts_at_the_acknowledgement() -> None:
    fleet = Fleet()
    fleet.acknowledges = False
    fleet.see(BAD)
    fleet.see(BAD, SPARE, seconds=120)
    assert fleet.transitions == ["T1"]
    fleet.acknowledges = True
    fleet.see(BAD, SPARE, seconds=90)
    assert fleet.transitions == ["T1"]
    fleet.see(BAD, SPARE, seconds=45)

    assert fleet.transitions == ["T1", "T2"]


def test_a_router_that_never_acknowledges_does_not_stop_lowering_for_ever() -> None:
    fleet = Fleet()
    fleet.acknowledges = False
    fleet.see(BAD)
    fleet.see(BAD, SPARE, seconds=240)

    assert fleet.transitions == ["T1", "T2"]


def test_quiet_ticks_change_no_memory() -> None:
    """A steady fleet must not write its ConfigMap every 15 s."""
    fleet = Fleet(objectives=(objective(), objective("second", shifts=False)))
    fleet.see(GOOD, seconds=60)
    before = encode(fleet.memory)
    fleet.see(GOOD, cell("small", 0, 0), seconds=3600)

    assert encode(fleet.memory) == before


def test_memory_survives_its_json_at_every_tick() -> None:
    """I11: restarted at every tick, the loop decides the same."""
    steady, restarted = Fleet(), Fleet()
    for seen in ([BAD], [BAD, SPARE], [GOOD, SPARE], [BAD, SPARE], [GOOD]):
        for _ in range(60):
            steady.see(*seen)
            restarted.memory = decode(encode(restarted.memory))
            restarted.see(*seen)
            assert restarted.memory == steady.memory
    assert restarted.transitions == steady.transitions
    assert len(steady.transitions) > 5
