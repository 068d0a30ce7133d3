"""What must hold where there is little to go by: the worlds of `worlds.yaml`, and how they end.

The other promises (gates.py) are about load; these are about evidence: little traffic, faulty
fallbacks, luck that looks like a cause, causes that look like luck. Each check measures one of them
and says what was found; none of them knows how the loop decides.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from statistics import mean
from typing import Final

from tokenfleet.simulation.draws import overstated, poor_fallback
from tokenfleet.simulation.fleet import Scenario
from tokenfleet.simulation.gates import Check, Effort, Gate
from tokenfleet.simulation.profiles import constant
from tokenfleet.simulation.quiet import DAY, false_shifts
from tokenfleet.simulation.run import Result, simulate
from tokenfleet.simulation.scenarios import BY_NAME, WORLDS

HOUR: Final = 3600.0
EPISODES: Final = frozenset({"T1", "T6"})
"""Transitions that take traffic away because of what was seen."""
FLOOR: Final = 0.05
FIRST_STEP: Final = 0.15
"""The floor and the least step back."""
RATES: Final = (0.02, 0.1, 0.5, 2.0, 8.0)
"""Requests per second."""
MANY: Final = 50
"""Draws from which every rate is looked at, else every other one."""
POINTS: Final = 0.02
"""How much worse than no control a run may be where the fallback is at fault."""


def late_for_hours(rate: float, most: float, effort: Effort) -> Gate:
    """All late for 6 of 9 h: most of it is avoided."""
    runs = _runs(at_rate(WORLDS["late-for-hours"], rate), effort.seeds)
    found = [run.bad for run in runs]
    return Gate(
        promise=f"primary 100 % late for 6 h at {rate:g}/s: at most {most:.0%} bad",
        measured=_spread(found),
        kept=max(found) <= most,
    )


def at_the_floor(effort: Effort) -> Gate:
    """All late at three requests a minute: at the floor within 45 min."""
    runs = _runs(WORLDS["late-for-hours"], effort.seeds)
    found = [_first(run, 1 * HOUR, lambda w: w <= FLOOR) for run in runs]
    return _within("primary 100 % late at 0.05/s: at the floor", found, 45 * 60)


def failing_for_hours(rate: float, effort: Effort) -> Gate:
    """60 % errors: it is not taken for healthy."""
    runs = _runs(at_rate(WORLDS["failing-for-hours"], rate), effort.seeds)
    found = [max(run.shares_between(2 * HOUR, 9 * HOUR)) for run in runs]
    return Gate(
        promise=f"primary 60 % errors for 8 h at {rate:g}/s: from the second hour on never above"
        f" the first step, {FIRST_STEP:.0%}",
        measured=f"up to {max(found):.0%}",
        kept=max(found) <= FIRST_STEP,
    )


def worse_fallback(rate: float, effort: Effort) -> Gate:
    """30 % late, all late on the fallback: going there is found out and remembered."""
    world = at_rate(WORLDS["worse-fallback"], rate)
    runs, nothing = _runs(world, effort.seeds), _runs(world, effort.seeds, "none")
    lost = [mine.bad - none.bad for mine, none in zip(runs, nothing, strict=True)]
    return Gate(
        promise=f"primary 30 % late, fallback 100 % late at {rate:g}/s: at most none + 2 points",
        measured=f"{_spread([run.bad for run in runs])}; none {mean(r.bad for r in nothing):.1%}",
        kept=max(lost) <= POINTS,
    )


def poor_fallbacks(effort: Effort) -> Gate:
    """Fallbacks drawn from bad to worse: never worse than no control."""
    worse, lost = [], []
    for number in range(effort.draws):
        world = poor_fallback(number)
        mine, none = (simulate(world, policy, seed=number) for policy in ("ours", "none"))
        lost.append(mine.bad - none.bad)
        if lost[-1] > POINTS:
            worse.append(f"{number} ({world.says})")
    return Gate(
        promise="poor fallbacks drawn at random: none worse than no control by more than 2 points",
        measured=f"{len(worse)} of {effort.draws}, worst {max(lost) * 100:+.1f} points",
        kept=not worse,
    )


def chain(most: float, effort: Effort) -> Gate:
    """A chain of a small and a large idle fallback: the large one is used."""
    runs = _runs(WORLDS["chain"], effort.seeds)
    world = WORLDS["chain"]
    rule = replace(world.stream.rule, fallbacks=("big",))
    alone = replace(world, streams=(replace(world.stream, rule=rule),))
    found = [run.bad for run in runs]
    return Gate(
        promise="chain of a small and a big idle fallback, primary 5x slower: at most"
        f" {most:.0%} bad",
        measured=f"{_spread(found)}; big alone {simulate(alone, 'ours', seed=0).bad:.1%}",
        kept=max(found) <= most,
    )


def back_after_a_fault(effort: Effort) -> Gate:
    """A fault that is over, and a healthy pool that spends 90 % of its budget: back soon."""
    seeds = max(3, effort.seeds * 5 // 2)
    runs = _runs(WORLDS["spent-after-a-fault"], seeds)
    found = [_first(run, 1.25 * HOUR, lambda w: w >= 1) for run in runs]
    soon = sum(after is not None and after <= 45 * 60 for after in found)
    return Gate(
        promise="back from a fault of 15 min, then 90 % of the budget spent at 3/s: within 45 min"
        " in 19 of 20 runs",
        measured=f"{soon} of {seeds}: {_times(found)}",
        kept=soon >= 0.95 * seeds,
    )


def on_budget(target: float, effort: Effort) -> Gate:
    """Exactly on the budget by chance alone: at most one false shift in 30 days."""
    rates = RATES if effort.draws >= MANY else RATES[::2]
    shifts = {}
    for rate in rates:
        told = false_shifts(rate, 1 - target, days=effort.days, seed=3, target=target)
        shifts[rate] = sum(name in EPISODES for _, name in told)
    found = ", ".join(f"{count} at {rate:g}/s" for rate, count in shifts.items())
    return Gate(
        promise=f"exactly on budget, p{100 * target:g}: at most 1 false shift in 30 days",
        measured=f"in {effort.days:g} days {found}",
        kept=max(shifts.values()) <= max(1.0, effort.days / 30),
    )


def clustered(name: str, rate: float, effort: Effort) -> Gate:
    """80 % of the budget, by units larger than an attempt: at most one false shift in 7 days."""
    days = min(7.0, effort.days)
    world = at_rate(replace(WORLDS[name], seconds=round(days * DAY)), rate)
    shifts = [
        sum(step in EPISODES for _, step in run.decisions)
        for run in _runs(world, max(1, effort.seeds // 4))
    ]
    return Gate(
        promise=f"{world.says} ({rate:g}/s): at most 1 false shift in 7 days",
        measured=f"{mean(shifts):.1f} in {days:g} days",
        kept=max(shifts) <= 1,
    )


def steadily_late(part: float, most: float, effort: Effort) -> Gate:
    """A budget that is missed for good: traffic moves."""
    world = WORLDS["steadily-late"]
    (fault,) = world.faults
    world = replace(
        world, name=f"{world.name} {part}", faults=(replace(fault, factor=part),), fault_at=HOUR
    )
    found = [run.acted_after for run in _runs(world, effort.seeds)]
    return _within(f"steady {part:.0%} late, p95, 3/s: acts", found, most)


def one_bad_minute(most: float, effort: Effort) -> Gate:
    """One bad minute an hour: over before it can be answered."""
    found = [run.fallback for run in _runs(WORLDS["one-bad-minute"], effort.seeds)]
    return Gate(
        promise=f"one bad minute an hour: at most {most:.0%} of requests on the fallback",
        measured=_spread(found),
        kept=max(found) <= most,
    )


def drifting_prompts(most: int, effort: Effort) -> Gate:
    """Both pools late alike: no place is better, and little is moved."""
    found = [run.flips for run in _runs(WORLDS["drifting-prompts"], effort.seeds)]
    return Gate(
        promise=f"prompt mix drifts for 2 h, both pools late alike: at most {most} changes of"
        " direction",
        measured=f"mean {mean(found):.1f}, most {max(found)}",
        kept=max(found) <= most,
    )


def overstated_capacity(most: float, effort: Effort) -> Gate:
    """A fallback declared twice as large, whatever one assumes about overload: found out."""
    found = [simulate(overstated(n), "ours", seed=n).bad for n in range(effort.draws)]
    return Gate(
        promise=f"fallback declared 2x, surge of 1.5x, assumptions drawn: at most {most:.0%} bad in"
        " each",
        measured=f"mean {mean(found):.1%}, worst of {len(found)} {max(found):.1%}",
        kept=max(found) <= most,
    )


def slow_scrapes(name: str, effort: Effort) -> Gate:
    """Scraped once a minute: nearly as good as four times a minute."""
    scenario = BY_NAME.get(name) or at_rate(WORLDS[name], 0.5)
    slow, quick = (
        mean(
            simulate(scenario, "ours", seed=seed, scrape=scrape).bad for seed in range(effort.seeds)
        )
        for scrape in (60.0, 15.0)
    )
    return Gate(
        promise=f"60 s scrape declared, {scenario.says}: at most 1.3x as many bad as at 15 s",
        measured=f"{slow / quick:.2f}x: {slow:.2%} and {quick:.2%}",
        kept=slow <= 1.3 * quick,
    )


def hang(effort: Effort) -> Gate:
    """Clients give up on an engine that hangs: that nobody gets a token is evidence."""
    found = [run.acted_after for run in _runs(WORLDS["hang"], effort.seeds)]
    return _within("engine hangs, clients give up before the threshold: acts", found, 10 * 60)


def fickle(effort: Effort) -> Gate:
    """Clients that cancel everywhere say nothing about a pool."""
    found = [len(run.decisions) for run in _runs(WORLDS["fickle"], max(1, effort.seeds // 2))]
    return Gate(
        promise="half of all clients cancel at once wherever they are: nothing is shifted",
        measured=f"{sum(found)} decisions",
        kept=not any(found),
    )


def at_rate(world: Scenario, rate: float) -> Scenario:
    """Return a world with another rate of requests."""
    stream = replace(world.stream, rate=constant(rate))
    return replace(world, name=f"{world.name} {rate:g}", streams=(stream,))


CHECKS: Final[Mapping[str, Check]] = {
    **{
        f"late-for-hours-{rate:g}": partial(late_for_hours, rate, most)
        for rate, most in ((0.05, 0.12), (0.1, 0.07), (0.2, 0.05), (0.5, 0.04))
    },
    "late-for-hours-floor": at_the_floor,
    **{f"failing-for-hours-{rate:g}": partial(failing_for_hours, rate) for rate in (0.1, 0.2, 0.3)},
    **{f"worse-fallback-{rate:g}": partial(worse_fallback, rate) for rate in (0.1, 0.3, 1.2)},
    "poor-fallbacks": poor_fallbacks,
    "chain": partial(chain, 0.06),
    "back-after-a-fault": back_after_a_fault,
    **{
        f"on-budget-p{100 * target:g}": partial(on_budget, target)
        for target in (0.8, 0.9, 0.95, 0.99, 0.999)
    },
    "conversations-0.5": partial(clustered, "conversations", 0.5),
    "conversations-3": partial(clustered, "conversations", 3.0),
    "good-and-bad-minutes-0.5": partial(clustered, "good-and-bad-minutes", 0.5),
    "good-and-bad-minutes-3": partial(clustered, "good-and-bad-minutes", 3.0),
    "steadily-late-20%": partial(steadily_late, 0.2, 240.0),
    "steadily-late-10%": partial(steadily_late, 0.1, 45 * 60.0),
    "one-bad-minute": partial(one_bad_minute, 0.10),
    "drifting-prompts": partial(drifting_prompts, 4),
    "overstated-capacity": partial(overstated_capacity, 0.06),
    "slow-scrapes-late": partial(slow_scrapes, "late-for-hours"),
    "slow-scrapes-C": partial(slow_scrapes, "C"),
    "slow-scrapes-A'": partial(slow_scrapes, "A'"),
    "hang": hang,
    "fickle": fickle,
}
"""Name -> what measures it."""


def _runs(world: Scenario, seeds: int, policy: str = "ours") -> list[Result]:
    return [simulate(world, policy, seed=seed) for seed in range(seeds)]


def _first(run: Result, start: float, holds: Callable[[float], bool]) -> float | None:
    """Return seconds from a moment until w is as asked; None: never."""
    if holds(run.share_at(start)):
        return 0.0
    return next((at - start for at, w in run.shares if at >= start and holds(w)), None)


def _within(what: str, found: list[float | None], most: float) -> Gate:
    return Gate(
        promise=f"{what} within {_time(most)}",
        measured=_times(found),
        kept=all(after is not None and after <= most for after in found),
    )


def _times(found: Iterable[float | None]) -> str:
    known = sorted(found, key=lambda after: after if after is not None else float("inf"))
    middle, last = known[len(known) // 2], known[-1]
    return f"{_time(middle)} in the median, {_time(last)} at most"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "never"
    return f"{seconds:.0f} s" if seconds < 10 * 60 else f"{seconds / 60:.0f} min"


def _spread(found: list[float]) -> str:
    return f"mean {mean(found):.1%}, worst of {len(found)} {max(found):.1%}"
