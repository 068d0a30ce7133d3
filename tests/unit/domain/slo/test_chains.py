"""Several fallbacks: by room and soundness, moved on from the bad one, shared where one is too small."""

from dataclasses import replace

from tests.unit.domain.slo.builders import (
    BAD,
    GOOD,
    RULE,
    Fleet,
    cell,
    facts,
    loop,
    measurement,
    objective,
    target,
)
from tokenfleet.domain.slo.control.memory_json import decode, encode
from tokenfleet.domain.slo.observation.measurement import (
    NO_THRESHOLD,
    EngineLoad,
    PoolFacts,
    RuleKey,
    Signal,
)


def chain(*, first=1.0, second=100.0, **changes) -> Fleet:
    pools = {
        "team-a/large": PoolFacts(ready=2, desired=2, capacity=100.0),
        "team-a/small": PoolFacts(ready=1, desired=1, capacity=first),
        "team-a/idle": PoolFacts(ready=1, desired=1, capacity=second),
    }
    return Fleet(rules=(target(fallbacks=("small", "idle")),), pools=pools, **changes)


FINE = (cell("small", 1, 0.0), cell("idle", 1, 0.0))


def test_what_the_first_has_no_room_for_goes_to_the_next() -> None:
    """0.85 of 1 request/s of 4 are 21 %."""
    fleet = chain()
    fleet.see(BAD, demand=4.0)
    assert fleet.shares() == {"large": 500, "small": 212, "idle": 288}
    fleet.see(BAD, *FINE, seconds=150, demand=4.0)

    assert fleet.shares() == {"large": 20, "small": 212, "idle": 768}
    assert sum(loop(fleet).spread.values()) == 980
    assert decode(encode(fleet.memory)) == fleet.memory


def test_on_the_way_back_the_last_of_the_chain_gives_back_first() -> None:
    fleet = chain()
    fleet.see(BAD, demand=4.0)
    fleet.see(BAD, *FINE, seconds=150, demand=4.0)
    while fleet.shares()["large"] < 500:
        fleet.see(GOOD, *FINE, demand=4.0)

    assert fleet.shares()["small"] == 212
    fleet.see(GOOD, *FINE, demand=4.0, seconds=3600)
    assert fleet.shares() == {"large": 1000, "small": 0, "idle": 0}


def test_a_fallback_that_turns_out_bad_hands_over_to_the_next() -> None:
    fleet = chain(first=100.0)
    fleet.see(BAD, demand=4.0)
    assert fleet.shares() == {"large": 500, "small": 500, "idle": 0}
    fleet.see(BAD, cell("small", 2, 1.0), seconds=120, demand=4.0)

    assert fleet.transitions == ["T1", "T7"]
    assert fleet.shares() == {"large": 500, "small": 0, "idle": 500}
    assert "small misses the objective" in fleet.decisions[-1].message


def test_a_fallback_that_says_it_is_full_is_passed_over() -> None:
    fleet = chain(first=100.0)
    fleet.engine_loads = {("team-a", "small"): EngineLoad(waiting=9.0)}
    fleet.see(BAD, demand=4.0)

    assert fleet.shares() == {"large": 500, "small": 0, "idle": 500}


def test_of_two_that_share_the_one_that_is_gone_hands_over() -> None:
    fleet = chain()
    fleet.see(BAD, demand=4.0)
    fleet.pools["team-a/small"] = PoolFacts(ready=0, desired=1, capacity=1.0)
    fleet.see(BAD, demand=4.0)

    assert fleet.shares() == {"large": 500, "small": 0, "idle": 500}
    assert "small has no ready endpoint" in fleet.decisions[-1].message


def test_t11_says_when_the_user_took_the_fallback_out_of_the_rule() -> None:
    fleet = chain(first=100.0)
    fleet.see(BAD, demand=4.0)
    fleet.rules = (target(fallbacks=("idle",)),)
    fleet.see(BAD, demand=4.0)

    assert fleet.transitions == ["T1", "T11"]
    assert "small was taken out of the rule" in fleet.decisions[-1].message
    assert fleet.shares() == {"large": 500, "idle": 500}


def test_attempts_are_counted_once_however_many_signals_count_them() -> None:
    """An objective that only alerts must not change what the first shift of another leaves."""
    alone = chain(first=3.0, second=0.1)
    alone.see(BAD, demand=4.0)
    both = chain(
        first=3.0,
        second=0.1,
        objectives=(objective(), objective("errors", shifts=False)),
    )
    both.see(BAD, cell("large", 4, 0.0, signal=Signal.ERRORS, threshold=NO_THRESHOLD), demand=4.0)

    assert alone.shares(RULE) == both.shares(RULE)


def test_two_rules_never_push_more_onto_one_fallback_than_it_bears() -> None:
    """Both need 4/s; together they may send 0.85 * 2 * 2 = 3.4/s."""
    other = RuleKey("team-a", "chat", "fast")
    rules = (target(), target(key=other))
    objectives = (objective(), objective("fast", rule="fast"))
    fleet = Fleet(rules=rules, objectives=objectives, pools=facts(capacity=2.0))
    for _ in range(80):
        fleet.now += fleet.tick
        seen = measurement(fleet.now, BAD, demand=4.0)
        both = {**seen.rules, other: seen.rules[RULE]}
        fleet.step(replace(seen, rules=both))
    sent = (fleet.shares()["small"] + fleet.shares(other)["small"]) / 1000 * 4

    assert sent <= 3.4 + 0.01
    assert sent > 3.0


def test_each_backend_shifts_only_its_own_share() -> None:
    rule = target(backends={"large": 3, "twin": 1})
    pools = {**facts(), "team-a/twin": PoolFacts(ready=1, desired=1, capacity=10.0)}
    fleet = Fleet(rules=(rule,), pools=pools)
    fleet.see(cell("large", 3, 0.0), cell("twin", 1, 0.9))

    assert fleet.shares() == {"large": 750, "twin": 125, "small": 125}
