"""The two promises that a shift must keep: act soon on a real fault, and never without one."""

from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Final

from tokenfleet.domain.slo.objectives import Windows
from tokenfleet.simulation.fleet import TARGET, THRESHOLD, Pool, Scenario, constant, during
from tokenfleet.simulation.policies import WINDOWS, Ours
from tokenfleet.simulation.run import simulate
from tokenfleet.simulation.scrapes import Store

DAY: Final = 86_400
SPARE: Final = Pool(servers=96)
QUIET_SHARE: Final = 0.6
"""Part of the budget that a fleet spends all the time and must not be touched for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often is scraped and judged, and over which windows."""

    scrape: float = 15.0
    windows: Windows = WINDOWS


DEFAULT: Final = Pace()
QUICK: Final = Pace(
    scrape=5.0, windows=Windows(short=timedelta(seconds=20), long=timedelta(minutes=1))
)


def time_to_act(rate: float, bad: float, *, seed: int, pace: Pace = DEFAULT) -> float | None:
    """Return seconds from a step fault to the first shift; None: not within 40 minutes."""
    start = 1500.0
    scenario = Scenario(
        name=f"step {rate} {bad}",
        says="a step fault",
        seconds=int(start) + 2400,
        rate=constant(rate),
        primary=Pool(late=during(start, DAY, bad, 0.01)),
        fallback=SPARE,
        fault_at=start,
    )
    chooser = Ours(scenario, windows=pace.windows)
    result = simulate(
        scenario, "ours", seed=seed, scrape=pace.scrape, tick=pace.scrape, chooser=chooser
    )
    return result.acted_after


def false_shifts(rate: float, *, days: float, seed: int, pace: Pace = DEFAULT) -> list[str]:
    """Return the transitions of a fleet that is within its budget all the time; should be none.

    Attempts are drawn scrape by scrape, without a queue: what is tested is luck, not load.
    """
    random = Random(seed)  # noqa: S311 - a model, not a secret
    scenario = Scenario(
        name="quiet",
        says="within the budget",
        seconds=int(days * DAY),
        rate=constant(rate),
        primary=Pool(),
        fallback=SPARE,
    )
    chooser = Ours(scenario, windows=pace.windows)
    store = Store(
        pools=("primary", "fallback"),
        threshold=timedelta(seconds=THRESHOLD),
        interval=pace.scrape,
        lag=0.0,
    )
    good: dict[int, int] = {}
    bad: dict[int, int] = {}
    t, w, arrival = 0.0, 1.0, random.expovariate(rate)
    while t < scenario.seconds and not chooser.transitions:
        t += pace.scrape
        while arrival < t:
            side = bad if random.random() < QUIET_SHARE * (1 - TARGET) else good
            side[int(t)] = side.get(int(t), 0) + 1
            arrival += random.expovariate(rate)
        store.scrape(t, {"primary": (good, bad)})
        w = chooser.decide(t + 1, store, w)
    return [name for _, name in chooser.transitions]
