"""Builders of what one tick sees: a fleet with one route, one rule, a large and a small pool."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tokenfleet.domain.slo.control.memory import (
    Decision,
    FallbackLimit,
    LoopMemory,
    RuleMemory,
    State,
)
from tokenfleet.domain.slo.control.transition import LoopInput
from tokenfleet.domain.slo.engine import Outcome, Snapshot, step
from tokenfleet.domain.slo.objectives.spec import (
    Level,
    LevelObjective,
    ObjectiveSpec,
    Policy,
    Windows,
)
from tokenfleet.domain.slo.observation.measurement import (
    Cell,
    Measurement,
    PoolFacts,
    RouterReplica,
    RuleKey,
    RuleMeasurement,
    RuleTarget,
    Scrapes,
    Tally,
    Usage,
    UsageCell,
)

T0 = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
RULE = RuleKey("team-a", "chat", "slow")
THRESHOLD = timedelta(milliseconds=500)
WINDOWS = Windows(short=timedelta(minutes=1), long=timedelta(minutes=3))
REPLICA = RouterReplica(namespace="team-a", pod="router-1", since=T0 - timedelta(days=1))
SECOND = timedelta(seconds=1)

FULL = LoopMemory(
    state=State.RECOVERING,
    w=0.438,
    fallback="chat-medium-fallback",
    last_good=0.375,
    bad_at=0.75,
    bad_rate=7.25,
    well_rate=6.5,
    bad_level=0.476,
    dispersion=1.25,
    parts={"chat-medium-fallback": 500, "chat-small-fallback": 62},
    limits={"chat-medium-fallback": FallbackLimit(3.375, T0, 2)},
    failures=3,
    capacity_at_breach=12,
    dwell=210,
    episodes=tuple(T0 + timedelta(minutes=i) for i in range(5)),
    changed_at=T0,
    awaiting=True,
    effective_at=T0,
    stable_since=T0,
    ceiling_until=T0,
    freeze_until=T0,
    idle_since=T0,
    unknown_since=T0,
    empty_since=T0,
    filled_since=T0,
    helpless=240,
    last=Decision(
        transition="T6",
        at=T0,
        from_w=750,
        to_w=438,
        objective="chat-first-token-latency",
        bad=401,
        total=842,
        limit=125,
        window=60,
        pool="chat-medium-fallback",
    ),
)
"""Every field set; a real loop never has all of them at once."""
BUSY = replace(
    FULL,
    freeze_until=None,
    stable_since=None,
    filled_since=None,
    empty_since=None,
    parts={},  # seldom do several share
    well_rate=None,  # kept while Normal
    idle_since=None,  # nothing is idle and unknown
    helpless=0,  # a shift was just made, so somebody helps
)
"""What one state can hold at once; each of the others has clocks of its own and lacks these."""


def objective(name="latency", *, shifts=True, **changes) -> ObjectiveSpec:
    spec = ObjectiveSpec(
        namespace="team-a",
        name=name,
        route="chat",
        rule="slow",
        threshold=THRESHOLD,
        target=0.95,
        windows=WINDOWS,
        shifts=shifts,
        policy=Policy(),
    )
    return replace(spec, **changes)


def level(name="cost", kind=Level.COST, limit=0.01, **changes) -> LevelObjective:
    spec = LevelObjective(
        namespace="team-a",
        name=name,
        route="chat",
        rule="slow",
        level=kind,
        limit=limit,
        windows=WINDOWS,
        shifts=True,
    )
    return replace(spec, **changes)


def used(pool: str, rate: float, *, before: Usage | None = None, **per_request) -> UsageCell:
    """A pool that answers `rate` requests per second; tokens and `missing` are per request."""
    windows = {}
    for once in (WINDOWS.clear, WINDOWS.level):
        n = rate * once.total_seconds()
        usage = Usage(requests=n, **{name: n * each for name, each in per_request.items()})
        part = once / WINDOWS.level
        earlier = Usage(*(value * part for value in before)) if before is not None else usage
        windows |= {once: usage, 2 * once: usage.plus(earlier)}
    return UsageCell(pool=pool, windows=windows)


def calm(**changes) -> LoopInput:
    """What a tick sees of a sound pool that is asked to shift, and of nothing else."""
    seen = LoopInput(
        now=T0,
        policy=Policy(),
        asked=True,
        voting=True,
        known=True,
        all_known=True,
        acknowledged_at=T0,
        ready=1,
    )
    return replace(seen, **changes)


def target(**changes) -> RuleTarget:
    rule = RuleTarget(key=RULE, backends={"large": 1}, fallbacks=("small",))
    return replace(rule, **changes)


def facts(*, large=2, small=2, capacity=100.0) -> dict[str, PoolFacts]:
    return {
        "team-a/large": PoolFacts(ready=large, desired=2, capacity=capacity),
        "team-a/small": PoolFacts(ready=small, desired=2, capacity=capacity),
    }


def cell(
    pool: str, rate: float, bad: float, *, windows=WINDOWS, threshold=THRESHOLD, **labels
) -> Cell:
    """A pool with `rate` attempts per second, of which the fraction `bad` is bad, in all windows."""
    tallies = {}
    for window in windows.all:
        n = rate * window.total_seconds()
        tallies[window] = Tally({threshold: n * (1 - bad)}, {threshold: n * bad})
    return Cell(pool=pool, windows=tallies, **labels)


def measurement(at: datetime, *cells: Cell, demand=None, rule=RULE, **changes) -> Measurement:
    windows = {w for one in cells for w in one.windows} | set(WINDOWS.all)
    total = sum(one.windows[min(one.windows)].total for one in cells if one.windows)
    rate = demand if demand is not None else total / 60
    measured = Measurement(
        at=at,
        rules={rule: RuleMeasurement(cells=tuple(cells), demand=rate)},
        replicas={
            ("team-a", "router-1"): Scrapes(
                successes={w: w.total_seconds() / 15 for w in windows}, newest=at
            )
        },
    )
    return replace(measured, **changes)


class Fleet:
    """Drives the engine tick by tick; acknowledges at once; remembers the decisions."""

    def __init__(self, *, rules=None, objectives=None, levels=(), pools=None, memory=None, tick=15):
        self.rules = rules or (target(),)
        self.objectives = objectives if objectives is not None else (objective(),)
        self.levels = tuple(levels)
        self.usage: tuple[UsageCell, ...] = ()
        self.engines = {}
        self.engine_loads = {}
        self.pools = pools or facts()
        self.memory: dict[str, RuleMemory] = dict(memory or {})
        self.now, self.tick = T0, timedelta(seconds=tick)
        self.acknowledges = True
        self.actuation = True
        self.ladders = ()
        self.foreign = {}
        """Rules of other routers -> their cells."""
        self.decisions = []
        self.outcome: Outcome | None = None

    def see(self, *cells: Cell, seconds: float = 15, **changes) -> Outcome:
        """Repeat one measurement for so many seconds; return the last outcome."""
        for _ in range(max(1, round(seconds / self.tick.total_seconds()))):
            self.now += self.tick
            self.step(self.measured(*cells, **changes))
        assert self.outcome is not None
        return self.outcome

    def measured(self, *cells: Cell, **changes) -> Measurement:
        seen = measurement(self.now, *cells, **changes)
        rules = {
            key: replace(rule, ladders=self.ladders, usage=self.usage)
            for key, rule in seen.rules.items()
        }
        others = {key: RuleMeasurement(cells=tuple(held)) for key, held in self.foreign.items()}
        return replace(
            seen, rules={**rules, **others}, engines=self.engines, engine_loads=self.engine_loads
        )

    def step(self, measured: Measurement | None) -> Outcome:
        snapshot = Snapshot(
            rules=self.rules,
            objectives=self.objectives,
            levels=self.levels,
            pools=self.pools,
            replicas=(REPLICA,),
            measurement=measured,
            acknowledged_at=self.now if self.acknowledges else None,
            actuation=self.actuation,
        )
        self.outcome = step(snapshot, self.memory, self.now)
        self.memory = dict(self.outcome.memory)
        self.decisions += list(self.outcome.decisions)
        return self.outcome

    @property
    def transitions(self) -> list[str]:
        return [taken.decision.transition for taken in self.decisions]

    def shares(self, rule=RULE) -> dict[str, int]:
        assert self.outcome is not None
        return dict(self.outcome.shares[str(rule)])


GOOD = cell("large", 4, 0.0)
BAD = cell("large", 4, 0.6)
SPARE = cell("small", 1, 0.0)


def loop(fleet: Fleet, pool="large"):
    return fleet.memory[str(RULE)].loops[pool]


def shifted() -> Fleet:
    """A fleet that has just shifted and settled at 50 %."""
    fleet = Fleet()
    fleet.see(BAD)
    assert fleet.transitions == ["T1"]
    return fleet
