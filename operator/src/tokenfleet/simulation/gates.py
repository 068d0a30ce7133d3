"""The promises that a shift must keep, each with the run that measures it.

Act soon on a real fault, never without one, never make it worse, and let few requests be bad.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from statistics import mean, median
from typing import Final

from tokenfleet.domain.slo.objectives.spec import Windows
from tokenfleet.simulation.draws import drawn
from tokenfleet.simulation.fleet import TARGET, WINDOWS, Scenario, chat, promise
from tokenfleet.simulation.pools import Pool
from tokenfleet.simulation.profiles import Episode, Fault, Kind, constant
from tokenfleet.simulation.quiet import DAY, false_shifts
from tokenfleet.simulation.run import Result, simulate
from tokenfleet.simulation.scenarios import BY_NAME, SCENARIOS

SPARE: Final = Pool(servers=96)
QUIET_SHARE: Final = 0.6
"""Part of the budget that a fleet spends all the time and must not be touched for."""
MOST_BAD: Final = {"C": 0.015, "A'": 0.05, "D": 0.02}
"""Scenario -> largest fraction of bad requests."""
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
class Gate:
    """One promise and what was measured."""

    promise: str
    measured: str
    kept: bool


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


def all_gates(*, seeds: int, draws: int, days: float) -> Iterator[Gate]:
    """Measure every promise, one after the other: some 10 minutes for 8 seeds, 50 draws, a week."""
    yield from bad_requests(range(seeds))
    yield never_worse("every scenario", ((s, n) for s in SCENARIOS for n in range(min(seeds, 3))))
    yield never_worse(f"{draws} fresh draws", ((drawn(n), 0) for n in range(draws)))
    yield acts(0.5, 0.9, seeds=3 * seeds, middle=75, most=90)
    yield acts(2.0, 0.9, seeds=3 * seeds, middle=75, most=90)
    yield acts(2.0, 0.9, seeds=3 * seeds, middle=25, most=35, pace=QUICK)
    yield acts(0.05, 1.0, seeds=seeds, middle=1500, most=1500)
    for rate in (0.05, 0.5, 8.0):
        yield quiet(rate, days=days)


def bad_requests(seeds: Iterable[int]) -> Iterator[Gate]:
    """Judge bad requests in C, A' and D, and changes of direction in C."""
    known = list(seeds)
    for name, most in MOST_BAD.items():
        runs = [simulate(BY_NAME[name], "ours", seed=seed) for seed in known]
        found = [run.bad for run in runs]
        yield Gate(
            promise=f"{name}: at most {most:.1%} bad requests",
            measured=f"mean {mean(found):.2%}, worst of {len(runs)} {max(found):.2%}",
            kept=max(found) <= most,
        )
        if name == "C":
            yield _flips(runs)


def never_worse(what: str, cases: Iterable[tuple[Scenario, int]]) -> Gate:
    """Judge that control never costs requests."""
    held = list(cases)
    worse = [lost for scenario, seed in held if (lost := worse_than_none(scenario, seed))]
    return Gate(
        promise=f"never worse than no control in {what}",
        measured="; ".join(worse) or f"not in {len(held)} runs",
        kept=not worse,
    )


def acts(
    rate: float, bad: float, *, seeds: int, middle: float, most: float, pace: Pace = DEFAULT
) -> Gate:
    """Judge the time from a step fault to the first shift."""
    times = [time_to_act(rate, bad, seed=seed, pace=pace) or DAY for seed in range(seeds)]
    return Gate(
        promise=f"{bad:.0%} bad at {rate:g}/s, scrape {pace.scrape:g} s: first shift after"
        f" {middle:g} s in the median, {most:g} s at most",
        measured=f"{median(times):.0f} s and {max(times):.0f} s in {seeds} runs",
        kept=median(times) <= middle and max(times) <= most,
    )


def quiet(rate: float, *, days: float, seed: int = 7) -> Gate:
    """Judge that a fleet within its budget is left alone."""
    found = [n for _, n in false_shifts(rate, QUIET_SHARE * (1 - TARGET), days=days, seed=seed)]
    return Gate(
        promise=f"no false shift in {days:g} days at {rate:g}/s and 60 % of the budget",
        measured=", ".join(found) or "none",
        kept=not found,
    )


def _flips(runs: Iterable[Result]) -> Gate:
    found = [run.flips for run in runs]
    return Gate(
        promise=f"C: at most {MOST_FLIPS} changes of direction",
        measured=f"mean {mean(found):.1f}, most {max(found)}",
        kept=max(found) <= MOST_FLIPS,
    )
