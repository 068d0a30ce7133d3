"""Who decides: ours, what others do, nobody, and somebody who knows.

All of them see the same scrapes, except the oracle, which sees the scenario itself. The others know
one rule with a primary and one fallback.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol

from tokenfleet.domain.routing.ir import BUCKETS
from tokenfleet.domain.slo.control.cost_ledger import limits_of
from tokenfleet.domain.slo.control.memory import RuleMemory
from tokenfleet.domain.slo.engine import Snapshot, decide
from tokenfleet.domain.slo.objectives.spec import Windows, fitting
from tokenfleet.domain.slo.observation.history import extended
from tokenfleet.domain.slo.observation.measurement import (
    Measurement,
    RouterReplica,
    RuleKey,
    RuleTarget,
    Signal,
)
from tokenfleet.domain.slo.reporting.decisions import Taken
from tokenfleet.simulation.fleet import TARGET, Scenario
from tokenfleet.simulation.profiles import ZERO, Afflictions
from tokenfleet.simulation.scrapes import EPOCH, REPLICA, Store

BUDGET: Final = 1 - TARGET

Shares = Mapping[RuleKey, Mapping[str, float]]
"""Rule -> pool -> part of its conversations; the parts of a rule sum to 1."""


class Decider(Protocol):
    """Chooses where conversations go."""

    def decide(self, t: float, store: Store, shares: Shares) -> Shares:
        """Return the shares from now on.

        Args:
            t: seconds since the start.
            store: the scrapes so far.
            shares: what was decided last.
        """
        ...


class Splitter(Protocol):
    """Chooses w, the part of traffic that a primary keeps; the rest goes to one fallback."""

    def split(self, t: float, store: Store, w: float) -> float:
        """Return w from now on."""
        ...


@dataclass(slots=True)
class Split:
    """A decider for the first rule of a scenario, by w."""

    scenario: Scenario
    splitter: Splitter

    def decide(self, t: float, store: Store, shares: Shares) -> Shares:
        """Ask for w."""
        rule = self.scenario.stream.rule
        primary, fallback = next(iter(rule.backends)), next(iter(rule.fallbacks), "")
        w = self.splitter.split(t, store, shares[rule.key][primary])
        if w == shares[rule.key][primary]:
            return shares
        rest = {fallback: 1 - w} if fallback else {}
        nothing = dict.fromkeys(shares[rule.key], 0.0)
        return {**shares, rule.key: {**nothing, primary: w, **rest}}


def ratio(store: Store, t: float, window: float, *, least: int = 1) -> float | None:
    """Return the bad fraction over all pools: what clients see; None with too few attempts."""
    pairs = [store.increase(line, t, window) for line in store.books if line.signal is Signal.TTFT]
    good = sum(pair[0] for pair in pairs if pair is not None)
    bad = sum(pair[1] for pair in pairs if pair is not None)
    return bad / (good + bad) if good + bad >= least else None


class Nobody:
    """No control."""

    def decide(self, t: float, store: Store, shares: Shares) -> Shares:
        """Leave everything."""
        del t, store
        return shares


class Naive:
    """All to the fallback while the last minute is bad, all back when it is not."""

    def split(self, t: float, store: Store, w: float) -> float:
        """Switch."""
        found = ratio(store, t, 60.0)
        return w if found is None else 0.0 if found > BUDGET else 1.0


@dataclass(slots=True)
class Progressive:
    """Flagger's rule: 5 failed one-minute checks roll back; successes add 10 % a minute."""

    failed: int = 0
    due: float = 60.0

    def split(self, t: float, store: Store, w: float) -> float:
        """Check once a minute."""
        if t < self.due:
            return w
        self.due = t + 60.0
        found = ratio(store, t, 60.0)
        if found is None or found > BUDGET:
            self.failed += 1
            return 0.0 if self.failed >= 5 else w  # noqa: PLR2004 - Flagger's example threshold
        self.failed = 0
        return min(1.0, w + 0.1)


@dataclass(slots=True)
class Pages:
    """The SRE workbook's page alerts as triggers: 14.4 over 1 h / 5 min, 6 over 6 h / 30 min."""

    def split(self, t: float, store: Store, w: float) -> float:
        """Shift while a page would fire, go back by 10 % a tick when the short window is fine."""
        pairs = ((3600.0, 300.0, 14.4), (21600.0, 1800.0, 6.0))
        for long, short, burn in pairs:
            limit = burn * BUDGET
            slow, fast = ratio(store, t, long), ratio(store, t, short)
            if slow is not None and fast is not None and min(slow, fast) > limit:
                return 0.0
        fast = ratio(store, t, 300.0)
        return min(1.0, w + 0.1) if fast is not None and fast <= BUDGET else w


@dataclass(slots=True)
class Oracle:
    """Knows load, capacities and faults, and splits so that nobody is overloaded."""

    scenario: Scenario
    _wrong: tuple[Afflictions, ...] = ()

    def __post_init__(self) -> None:
        """Look at the faults."""
        rule = self.scenario.stream.rule
        pools = (next(iter(rule.backends)), *rule.fallbacks[:1])
        self._wrong = tuple(self.scenario.afflictions(pool) for pool in pools)

    def split(self, t: float, store: Store, w: float) -> float:
        """Give the primary what it can bear now, and the fallback no more than it can."""
        del store, w
        primary, fallback = self.scenario.primary, self.scenario.fallback
        if fallback is None:
            return 1.0
        wrong, theirs = self._wrong
        if not theirs.present(t):
            return 1.0
        stream = self.scenario.stream
        rate = max(stream.rate(t), stream.rate(t + 30), 1e-9)
        if max(wrong.errors(t), wrong.late(t)) > BUDGET or wrong.hangs is not ZERO:
            return max(0.0, 1 - 0.95 * fallback.capacity / rate)
        bears = 0.85 * primary.capacity / wrong.slowness(t)
        room = 0.85 * fallback.capacity / theirs.slowness(t) - fallback.others
        least = max(0.0, 1 - max(0.0, room) / rate)
        return min(1.0, max(bears / rate, least))


class Told(NamedTuple):
    """A decision of ours, and when."""

    at: float
    taken: Taken


@dataclass(slots=True)
class Ours:
    """The engine of the operator, unchanged: what `domain.slo.engine.step` decides by."""

    scenario: Scenario
    memory: Mapping[str, RuleMemory] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    changed: float = float("-inf")
    before: Measurement | None = None
    _rules: tuple[RuleTarget, ...] = ()
    _replicas: tuple[RouterReplica, ...] = ()
    _windows: tuple[Windows, ...] = ()

    def __post_init__(self) -> None:
        """Note what never changes."""
        self._rules = tuple(stream.rule for stream in self.scenario.streams)
        namespace, since = self.scenario.stream.rule.key.namespace, EPOCH - timedelta(days=1)
        self._replicas = (RouterReplica(namespace=namespace, pod=REPLICA, since=since),)

    def decide(self, t: float, store: Store, shares: Shares) -> Shares:
        """Measure and step."""
        scenario = self.scenario
        now = EPOCH + timedelta(seconds=t)
        acknowledged = self.changed + scenario.acknowledge_after
        decided = decide(
            Snapshot(
                rules=self._rules,
                objectives=scenario.objectives,
                pools=scenario.facts(store.ready),
                replicas=self._replicas,
                measurement=self.measured(t, store, now),
                acknowledged_at=(
                    EPOCH + timedelta(seconds=max(0.0, acknowledged)) if acknowledged <= t else None
                ),
            ),
            self.memory,
            now,
        )
        self.memory = decided.memory
        self.told += [Told(t, taken) for taken in decided.decisions]
        shares_of_all = decided.shares
        chosen = {
            stream.rule.key: {
                pool: buckets / BUCKETS
                for pool, buckets in shares_of_all[str(stream.rule.key)].items()
            }
            for stream in scenario.streams
        }
        if chosen == shares:
            return shares
        self.changed = t
        return chosen

    def measured(self, t: float, store: Store, now: datetime) -> Measurement:
        """Ask as the operator does: for the windows that are due, with what came before."""
        if not self._windows:
            interval = timedelta(seconds=store.interval)
            distinct = {fitting(slo, interval).windows: None for slo in self.scenario.objectives}
            self._windows = tuple(distinct)
        since = self.before.at if self.before is not None else None
        asked = {window for one in self._windows for window in one.due(now, since).all}
        seen = store.measure(t, sorted(asked))
        self.before = extended(self.before, seen, {one.short for one in self._windows})
        limits = limits_of(self.scenario.objectives)
        return self._priced(t, store, self.before, limits[0].window) if limits else self.before

    def _priced(self, t: float, store: Store, seen: Measurement, window: timedelta) -> Measurement:
        """Add what answers used: only what shifts cost is read from it."""
        rules = dict(seen.rules)
        for stream in self.scenario.streams:
            key, each = stream.rule.key, stream.answer
            if key in rules:
                rules[key] = replace(rules[key], usage=store.usage(t, key, each, window))
        return replace(seen, rules=rules)
