"""The promises that a shift must keep, each with the run that measures it.

Act soon on a real fault, never without one, never make it worse, and let few requests be bad.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from statistics import mean, median
from typing import Final

from tokenfleet.domain.slo.objectives.spec import Windows
from tokenfleet.simulation.draws import drawn
from tokenfleet.simulation.fleet import TARGET, WINDOWS, Scenario, chat, promise
from tokenfleet.simulation.pools import Pool
from tokenfleet.simulation.profiles import Episode, Fault, Kind, constant
from tokenfleet.simulation.quiet import DAY, false_shifts
from tokenfleet.simulation.run import simulate
from tokenfleet.simulation.scenarios import BY_NAME, SCENARIOS

SPARE: Final = Pool(servers=96)
QUIET_SHARE: Final = 0.6
"""Part of the budget that a fleet spends all the time and must not be touched for."""
WEEK: Final = 7.0
"""Days."""
MOST_BAD: Final = {"C": (0.015, 0.015), "A'": (0.05, 0.05), "D": (0.02, 0.035)}
"""Scenario -> largest fraction of bad requests, in the mean of the seeds and in each."""
MOST_FLIPS: Final = 12
"""Changes of direction in scenario C."""
LUCK: Final = (1.02, 0.001)
"""Factor and addend by which a run may end above one without control: a changed share gives single
requests another fate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often is scraped and judged, and over which windows."""

    scrape: float = 15.0
    windows: Windows = WINDOWS


DEFAULT: Final = Pace()
QUICK: Final = Pace(
    scrape=5.0, windows=Windows(short=timedelta(seconds=20), long=timedelta(minutes=1))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is run."""

    seeds: int
    draws: int
    days: float
    """Of fleets in which nothing happens."""


SHORT: Final = Effort(seeds=2, draws=12, days=1.0)
"""For every change."""
WHOLE: Final = Effort(seeds=8, draws=50, days=30.0)
"""For what the pages say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One promise and what was measured."""

    promise: str
    measured: str
    kept: bool


Check = Callable[[Effort], Gate]
"""Measures one promise."""


def time_to_act(rate: float, bad: float, *, seed: int, pace: Pace = DEFAULT) -> float | None:
    """Return seconds from a step fault to the first shift; None: not within 40 minutes."""
    start = 1500.0
    pools = {"primary": Pool(), "fallback": SPARE}
    scenario = Scenario(
        name=f"step {rate} {bad}",
        says="a step fault",
        seconds=int(start) + 2400,
        streams=(chat(constant(rate), pools),),
        pools=pools,
        faults=(
            Fault(pool="primary", kind=Kind.LATE, when=Episode(start=start), factor=bad),
            Fault(pool="primary", kind=Kind.LATE, when=Episode(start=0.0), factor=0.01),
        ),
        objectives=(promise(windows=pace.windows),),
        fault_at=start,
    )
    return simulate(scenario, "ours", seed=seed, scrape=pace.scrape, tick=pace.scrape).acted_after


def worse_than_none(scenario: Scenario, seed: int = 0) -> str | None:
    """Return what a scenario lost by control; None where it lost nothing."""
    without, ours = (simulate(scenario, policy, seed=seed) for policy in ("none", "ours"))
    factor, addend = LUCK
    if ours.bad <= without.bad * factor + addend:
        return None
    return f"{scenario.name} ({scenario.says}): {without.bad:.2%} -> {ours.bad:.2%}"


def few_bad(name: str, effort: Effort) -> Gate:
    """Judge the bad requests of a scenario."""
    found = [simulate(BY_NAME[name], "ours", seed=seed).bad for seed in range(effort.seeds)]
    usual, worst = MOST_BAD[name]
    return Gate(
        promise=f"{name}: at most {usual:.1%} bad requests in the mean, {worst:.1%} in each run",
        measured=f"mean {mean(found):.2%}, worst of {len(found)} {max(found):.2%}",
        kept=mean(found) <= usual and max(found) <= worst,
    )


def few_flips(effort: Effort) -> Gate:
    """Judge the changes of direction in C."""
    found = [simulate(BY_NAME["C"], "ours", seed=seed).flips for seed in range(effort.seeds)]
    return Gate(
        promise=f"C: at most {MOST_FLIPS} changes of direction",
        measured=f"mean {mean(found):.1f}, most {max(found)}",
        kept=max(found) <= MOST_FLIPS,
    )


def never_worse_in(name: str, effort: Effort) -> Gate:
    """Judge that control never costs requests in a scenario."""
    return _never_worse(name, [(BY_NAME[name], 11 + n) for n in range(max(1, effort.seeds // 3))])


def never_worse_drawn(effort: Effort) -> Gate:
    """Judge that control never costs requests on fleets that nobody tuned it for."""
    cases = [(drawn(1000 + number), 0) for number in range(effort.draws)]
    return _never_worse(f"{effort.draws} fresh draws", cases)


def acts(
    rate: float, bad: float, middle: float, most: float, effort: Effort, *, pace: Pace = DEFAULT
) -> Gate:
    """Judge the time from a step fault to the first shift."""
    seeds = 4 * effort.seeds
    times = [time_to_act(rate, bad, seed=seed, pace=pace) or DAY for seed in range(seeds)]
    return Gate(
        promise=f"{bad:.0%} bad at {rate:g}/s, scrape {pace.scrape:g} s: first shift after"
        f" {middle:g} s in the median, {most:g} s at most",
        measured=f"{median(times):.0f} s and {max(times):.0f} s in {seeds} runs",
        kept=median(times) <= middle and max(times) <= most,
    )


def quiet(rate: float, effort: Effort) -> Gate:
    """Judge that a fleet within its budget is left alone."""
    days = min(WEEK, effort.days)
    found = [n for _, n in false_shifts(rate, QUIET_SHARE * (1 - TARGET), days=days, seed=7)]
    return Gate(
        promise=f"no false shift in a week at {rate:g}/s and 60 % of the budget",
        measured=f"{', '.join(found) or 'none'} in {days:g} days",
        kept=not found,
    )


PROMISES: Final[Mapping[str, Check]] = {
    **{f"bad-{name}": partial(few_bad, name) for name in MOST_BAD},
    "flips-C": few_flips,
    **{
        f"never-worse-{scenario.name}": partial(never_worse_in, scenario.name)
        for scenario in SCENARIOS
    },
    "never-worse-drawn": never_worse_drawn,
    "acts-0.5": partial(acts, 0.5, 0.9, 75, 90),
    "acts-2": partial(acts, 2.0, 0.9, 75, 90),
    "acts-2-quick": partial(acts, 2.0, 0.9, 25, 35, pace=QUICK),
    "acts-0.05": partial(acts, 0.05, 1.0, 1500, 1500),
    **{f"quiet-{rate:g}": partial(quiet, rate) for rate in (0.05, 0.5, 8.0)},
}
"""Name -> what measures it."""


def _never_worse(what: str, cases: Iterable[tuple[Scenario, int]]) -> Gate:
    held = list(cases)
    worse = [lost for scenario, seed in held if (lost := worse_than_none(scenario, seed))]
    return Gate(
        promise=f"never worse than no control in {what}",
        measured="; ".join(worse) or f"not in {len(held)} runs",
        kept=not worse,
    )
