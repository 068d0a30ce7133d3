"""Cost and cache move traffic slowly, where it helps, and never against latency or errors."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.domain.slo.builders import (
    RULE,
    T0,
    WINDOWS,
    Fleet,
    cell,
    facts,
    level,
    objective,
    target,
    used,
)
from tokenfleet.domain.slo.control import level_machine
from tokenfleet.domain.slo.control.memory_json import decode, encode
from tokenfleet.domain.slo.objectives.spec import Level, Policy
from tokenfleet.domain.slo.observation.measurement import Failure, TokenPrices, Usage, UsageCell
from tokenfleet.domain.slo.reporting import explanations

W, V = int(WINDOWS.level.total_seconds()), int(WINDOWS.clear.total_seconds())
FEW = 0.1
"""Requests per second: 24 in a short window of levels, whose mean says little."""
DEAR, CHEAP = TokenPrices(0, 0, 2e-5, 0), TokenPrices(0, 0, 2e-6, 0)
FINE = cell("large", 4, 0), cell("small", 4, 0)


def pools(*, large=DEAR, small=CHEAP, **changes):
    found = facts(**changes)
    prices = {"team-a/large": large, "team-a/small": small}
    return {name: replace(pool, tokens=prices[name]) for name, pool in found.items()}


def spent(completion: float, **changes):
    """The large pool answers all of it; too few requests for short windows to be clear."""
    return (used("large", FEW, completion=completion, **changes),)


def too_dear(**changes) -> Fleet:
    """0.02 for a request, where 0.01 is allowed."""
    fleet = Fleet(**{"objectives": (), "levels": (level(),), "pools": pools(), **changes})
    fleet.usage = spent(1000)
    return fleet


def test_one_step_per_window() -> None:
    fleet = too_dear()
    fleet.see(demand=4.0)
    first = fleet.shares()
    fleet.see(seconds=W - 30, demand=4.0)
    waiting = fleet.shares()
    fleet.see(seconds=60, demand=4.0)

    assert first == waiting == {"large": 900, "small": 100}
    assert fleet.shares() == {"large": 800, "small": 200}
    assert fleet.transitions == ["L5", "L5"]
    assert "mean cost of a request 0.02, limit 0.01" in fleet.decisions[0].message


def many(completion: float, **changes):
    """The large pool answers so many requests that their mean is certain to 19 % in 4 min."""
    return (used("large", 4.2, completion=completion, **changes),)


def test_a_cost_that_is_clearly_too_high_is_answered_within_ten_minutes() -> None:
    """Requests begin to cost twice the limit; windows fill with them as time goes by."""
    fleet = too_dear()
    dear_since = fleet.now
    while not fleet.transitions and fleet.now - dear_since < timedelta(minutes=30):
        past = (fleet.now - dear_since).total_seconds()
        fleet.usage = (turned(past, cheap=250, dear=1000),)
        fleet.see(demand=4.2)

    assert fleet.transitions == ["L5"]
    assert fleet.now - dear_since <= timedelta(minutes=9)
    assert f"twice in a row in {V} s" in fleet.decisions[0].message


def turned(past: float, *, cheap: float, dear: float) -> UsageCell:
    """A pool whose answers have been dear for so many seconds, and cheap before."""
    windows = {}
    for window in WINDOWS.levels:
        seconds = window.total_seconds()
        tokens = 4.2 * (min(past, seconds) * dear + max(0.0, seconds - past) * cheap)
        windows[window] = Usage(requests=4.2 * seconds, completion=tokens)
    return UsageCell(pool="large", windows=windows)


def test_clear_steps_follow_each_other_after_a_short_window() -> None:
    fleet = too_dear()
    fleet.usage = many(1000)
    fleet.see(demand=4.2)
    fleet.see(seconds=V - 30, demand=4.2)
    waiting = list(fleet.transitions)
    fleet.see(seconds=60, demand=4.2)

    assert waiting == ["L5"]
    assert fleet.transitions == ["L5", "L5"]


@pytest.mark.parametrize(
    ("completion", "moved"),
    [pytest.param(620, [], id="24 % beyond the limit"), pytest.param(635, ["L5"], id="27 %")],
)
def test_what_chance_explains_is_left_to_long_windows(completion: float, moved: list[str]) -> None:
    fleet = too_dear()
    cheap = Usage(requests=4.2 * W, completion=4.2 * W * 100)
    (cell_,) = many(completion, before=cheap)
    pair = many(completion)[0].windows
    short = {WINDOWS.clear: pair[WINDOWS.clear], 2 * WINDOWS.clear: pair[2 * WINDOWS.clear]}
    fleet.usage = (replace(cell_, windows={**cell_.windows, **short}),)
    fleet.see(demand=4.2)

    assert fleet.transitions == moved


def test_one_clear_window_alone_is_not_enough() -> None:
    fleet = too_dear()
    cheap = Usage(requests=4.2 * W, completion=4.2 * W * 100)
    fleet.usage = many(1000, before=cheap)
    fleet.see(demand=4.2)

    assert fleet.transitions == []


def test_windows_with_too_few_scrapes_are_not_clear() -> None:
    fleet = too_dear()
    cheap = Usage(requests=4.2 * W, completion=4.2 * W * 100)
    (cell_,) = many(1000, before=cheap)
    pair = many(1000)[0].windows
    short = {WINDOWS.clear: pair[WINDOWS.clear], 2 * WINDOWS.clear: pair[2 * WINDOWS.clear]}
    fleet.usage = (replace(cell_, windows={**cell_.windows, **short}),)
    fleet.see(demand=4.2, scrape_interval=timedelta(seconds=V / 4 + 1))

    assert fleet.transitions == []


def test_caches_are_judged_by_long_windows_only() -> None:
    fleet = Fleet(objectives=(), levels=(level("cache", Level.CACHE, limit=0.3),))
    cached = Usage(requests=4.2 * W, prompt=4.2 * W * 100, cached=4.2 * W * 90)
    fleet.usage = (
        used("large", 4.2, prompt=100, cached=10, before=cached),
        used("small", 1, prompt=100, cached=90),
    )
    fleet.see(demand=4.2)

    assert fleet.transitions == []


def test_one_window_alone_is_not_enough() -> None:
    fleet = too_dear()
    cheap = Usage(requests=FEW * W, completion=FEW * W * 100)
    fleet.usage = spent(1000, before=cheap)
    fleet.see(demand=4.0)

    assert fleet.transitions == []


@pytest.mark.parametrize(
    ("completion", "moved"), [pytest.param(524, [], id="4.8 % too much"), (526, ["L5"])]
)
def test_a_little_too_much_moves_nothing(completion: float, moved: list[str]) -> None:
    fleet = too_dear()
    fleet.usage = spent(completion)
    fleet.see(demand=4.0)

    assert fleet.transitions == moved


def test_a_fallback_that_costs_as_much_is_no_help() -> None:
    fleet = too_dear(pools=pools(small=DEAR))
    fleet.see(seconds=3 * W, demand=4.0)

    assert fleet.transitions == []


def test_the_floor_and_the_room_of_the_fallback_bound_it() -> None:
    floor = too_dear(levels=(level(policy=Policy(floor=0.75)),))
    room = too_dear(pools=pools(capacity=0.3))  # 0.85 of 0.6 requests/s, of 4
    for fleet in (floor, room):
        fleet.see(seconds=8 * W, demand=4.0)

    assert floor.shares()["large"] == 750
    assert room.shares()["large"] == 873


def test_it_steps_back_where_the_step_should_fit() -> None:
    fleet = too_dear()
    fleet.see(demand=4.0)
    fleet.usage = spent(474)  # 0.00948 at all of it on the large pool
    fleet.see(seconds=W + 15, demand=4.0)
    near = fleet.shares()
    fleet.usage = spent(400)
    fleet.see(seconds=W + 15, demand=4.0)

    assert near == {"large": 900, "small": 100}  # a step would cost 0.00085 more
    assert fleet.shares() == {"large": 1000, "small": 0}
    assert fleet.transitions == ["L5", "L6"]


def test_alert_only_reports() -> None:
    fleet = too_dear(levels=(level(shifts=False),))
    view = fleet.see(seconds=3 * W, demand=4.0).slos["team-a/cost"]

    assert fleet.shares() == {"large": 1000, "small": 0}
    assert view.met is False
    assert view.shadow is None


def test_shifting_on_cost_is_refused_without_token_prices_everywhere() -> None:
    lacking = pools()
    lacking["team-a/small"] = replace(lacking["team-a/small"], tokens=None, hourly=1.0)
    view = too_dear(pools=lacking)
    found = view.see(seconds=3 * W, demand=4.0).slos["team-a/cost"]

    assert view.transitions == []
    assert found.refused.reason == "TokenPricesMissing"
    assert found.refused.message.endswith("set spec.price.perMillionTokens of small")
    assert found.value == "0.02"  # reported all the same


def test_a_cost_vote_does_not_push_onto_a_pool_that_a_latency_vote_would_not_have() -> None:
    fleet = too_dear(objectives=(objective(),))
    fleet.see(cell("large", 4, 0), cell("small", 4, 1.0), seconds=3 * W)

    assert fleet.transitions == []


def test_a_cost_shift_yields_to_a_latency_vote_against_the_fallback() -> None:
    fleet = too_dear(objectives=(objective(),))
    fleet.see(*FINE)
    lowered = fleet.shares()
    fleet.see(cell("large", 4, 0), cell("small", 4, 1.0), seconds=150)

    assert lowered == {"large": 900, "small": 100}
    assert fleet.transitions == ["L5", "L4"]
    assert fleet.shares() == {"large": 1000, "small": 0}


def test_nothing_moves_while_a_latency_vote_moves_the_rule() -> None:
    fleet = too_dear(objectives=(objective(),))
    fleet.see(cell("large", 4, 1.0), cell("small", 4, 0), seconds=60)
    fleet.see(*FINE, seconds=2 * W)
    names = fleet.transitions

    assert names[0] == "T1"
    assert not any(name.startswith("L") for name in names[: names.index("T5")])


def test_a_level_waits_a_window_after_the_control_loop_is_back() -> None:
    fleet = too_dear(objectives=(objective(),))
    fleet.see(cell("large", 4, 1.0), cell("small", 4, 0), seconds=60)
    fleet.see(*FINE, seconds=5 * W)
    at = {taken.decision.transition: taken.decision.at for taken in reversed(fleet.decisions)}

    assert at["L5"] - at["T5"] >= WINDOWS.level


def test_a_breach_of_latency_goes_further_than_the_cost_did() -> None:
    fleet = too_dear(objectives=(objective(),))
    fleet.see(*FINE)
    fleet.see(cell("large", 4, 1.0), cell("small", 4, 0), seconds=30)

    assert fleet.shares() == {"large": 500, "small": 500}


def test_what_cannot_be_seen_moves_nothing() -> None:
    fleet = too_dear(objectives=(objective(),))
    fleet.see(seconds=3 * W, failure=Failure("SourceError", "dark"))

    assert fleet.transitions == []


def test_routers_that_do_not_follow_stop_it() -> None:
    fleet = too_dear()
    fleet.acknowledges = False
    fleet.see(seconds=3 * W, demand=4.0)

    assert fleet.transitions == []


def test_a_deleted_objective_lets_it_step_back() -> None:
    fleet = too_dear()
    fleet.see(seconds=W + 15, demand=4.0)
    fleet.levels = ()
    fleet.see(demand=4.0)
    at_once = fleet.shares()
    fleet.see(seconds=600, demand=4.0)

    assert at_once["large"] == 800
    assert fleet.transitions == ["L5", "L5", "L2", "L2"]
    assert fleet.shares() == {"large": 1000, "small": 0}


def test_a_fallback_that_is_gone_is_left_at_once() -> None:
    fleet = too_dear()
    fleet.see(demand=4.0)
    fleet.pools = pools(small=CHEAP) | {"team-a/small": replace(pools()["team-a/small"], ready=0)}
    fleet.see(demand=4.0)

    assert fleet.transitions == ["L5", "L1"]
    assert fleet.shares() == {"large": 1000, "small": 0}


def test_the_next_fallback_takes_over() -> None:
    more = pools()
    more["team-a/cpu"] = more["team-a/small"]
    fleet = too_dear(pools=more, rules=(target(fallbacks=("small", "cpu")),))
    fleet.see(demand=4.0)
    fleet.pools = more | {"team-a/small": replace(more["team-a/small"], ready=0)}
    fleet.see(demand=4.0)

    assert fleet.shares() == {"large": 900, "small": 0, "cpu": 100}
    assert fleet.decisions[-1].message == "the fallback has no ready endpoint: using cpu"


def test_silence_brings_the_weights_back() -> None:
    fleet = too_dear()
    fleet.see(demand=4.0)
    fleet.usage = ()
    fleet.see(demand=0.0)

    assert fleet.transitions == ["L5", "L3"]


def test_a_bad_cache_shifts_only_to_a_better_one() -> None:
    cache = level("cache", Level.CACHE, limit=0.3)
    worse, better = Fleet(objectives=(), levels=(cache,)), Fleet(objectives=(), levels=(cache,))
    worse.usage = (used("large", 4, prompt=100, cached=50), used("small", 1, prompt=100, cached=9))
    better.usage = (
        used("large", 4, prompt=100, cached=50),
        used("small", 1, prompt=100, cached=90),
    )
    worse.see(demand=4.0)
    better.see(demand=4.0)

    assert worse.transitions == []
    assert better.transitions == ["L5"]
    assert "cache hit rate 58.0%, limit 70.0%" in better.decisions[0].message


def test_memory_of_levels_survives_a_restart() -> None:
    fleet = too_dear()
    fleet.see(seconds=W + 15, demand=4.0)
    again = decode(encode(fleet.memory))

    assert again[str(RULE)].levels["large"].w == 0.8
    assert encode(again) == encode(fleet.memory)
    assert again[str(RULE)].levels["large"].last.note == "mean cost of a request 0.02, limit 0.01"


def test_a_clock_that_went_back_does_not_hold_for_ever() -> None:
    fleet = too_dear()
    fleet.see(demand=4.0)
    fleet.now = T0 - timedelta(days=1)
    fleet.see(seconds=2 * W, demand=4.0)

    assert fleet.transitions == ["L5", "L5"]


def test_the_drawing_the_code_and_the_explanations_name_the_same_transitions() -> None:
    assert level_machine.__doc__ is not None
    drawn = re.findall(r"^    (L\d)", level_machine.__doc__, re.MULTILINE)
    coded = [function.__doc__[:2] for function in level_machine.TRANSITIONS]

    assert drawn == coded == list(explanations._LEVEL_TEXTS)
