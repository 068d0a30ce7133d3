"""Who decides: ours, what others do, nobody, and somebody who knows.

All of them see the same scrapes, except the oracle, which sees the scenario itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol

from tokenfleet.domain.slo.control.memory import RuleMemory
from tokenfleet.domain.slo.engine import Snapshot, step
from tokenfleet.domain.slo.objectives.spec import ObjectiveSpec, Policy, Windows
from tokenfleet.domain.slo.observation.measurement import PoolFacts, RouterReplica, RuleTarget
from tokenfleet.simulation.fleet import TARGET, Scenario
from tokenfleet.simulation.scrapes import EPOCH, REPLICA, RULE, Store

BUDGET: Final = 1 - TARGET


class Decider(Protocol):
    """Chooses w, the part of traffic that the primary gets."""

    def decide(self, t: float, store: Store, w: float) -> float:
        """Return w from now on.

        Args:
            t: seconds since the start.
            store: the scrapes so far.
            w: what the routers run now.
        """
        ...


def ratio(store: Store, t: float, window: float, *, least: int = 1) -> float | None:
    """Return the bad fraction over both pools: what clients see; None with too few attempts."""
    pairs = [store.increase(pool, t, window) for pool in store.pools]
    good = sum(pair[0] for pair in pairs if pair is not None)
    bad = sum(pair[1] for pair in pairs if pair is not None)
    return bad / (good + bad) if good + bad >= least else None


class Nobody:
    """No control."""

    def decide(self, t: float, store: Store, w: float) -> float:
        """Leave everything."""
        del t, store
        return w


class Naive:
    """All to the fallback while the last minute is bad, all back when it is not."""

    def decide(self, t: float, store: Store, w: float) -> float:
        """Switch."""
        found = ratio(store, t, 60.0)
        return w if found is None else 0.0 if found > BUDGET else 1.0


@dataclass(slots=True)
class Progressive:
    """Flagger's rule: 5 failed one-minute checks roll back; successes add 10 % a minute."""

    failed: int = 0
    due: float = 60.0

    def decide(self, t: float, store: Store, w: float) -> float:
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

    def decide(self, t: float, store: Store, w: float) -> float:
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

    def decide(self, t: float, store: Store, w: float) -> float:
        """Give the primary what it can bear now, and the fallback no more than it can."""
        del store, w
        primary, fallback = self.scenario.primary, self.scenario.fallback
        if not fallback.present(t):
            return 1.0
        rate = max(self.scenario.rate(t), self.scenario.rate(t + 30), 1e-9)
        if primary.errors(t) > BUDGET or primary.late(t) > BUDGET:
            return max(0.0, 1 - 0.95 * fallback.capacity / rate)
        bears = 0.85 * primary.capacity / primary.slowness(t)
        room = 0.85 * fallback.capacity / fallback.slowness(t) - fallback.others(t)
        least = max(0.0, 1 - max(0.0, room) / rate)
        return min(1.0, max(bears / rate, least))


WINDOWS: Final = Windows(short=timedelta(minutes=1), long=timedelta(minutes=3))
"""The defaults of the API."""
POLICY: Final = Policy()


@dataclass(slots=True)
class Ours:
    """The engine of the operator, unchanged: `tokenfleet.domain.slo.engine.step`."""

    scenario: Scenario
    windows: Windows = WINDOWS
    policy: Policy = POLICY
    memory: Mapping[str, RuleMemory] = field(default_factory=dict)
    transitions: list[tuple[float, str]] = field(default_factory=list)
    changed: float = float("-inf")

    def decide(self, t: float, store: Store, w: float) -> float:
        """Measure and step."""
        spec = ObjectiveSpec(
            namespace=RULE.namespace,
            name="first-token",
            route=RULE.route,
            rule=RULE.rule,
            threshold=timedelta(seconds=self.scenario.threshold),
            target=TARGET,
            windows=self.windows,
            shifts=True,
            policy=self.policy,
        )
        now = EPOCH + timedelta(seconds=t)
        acknowledged = self.changed + self.scenario.acknowledge_after
        outcome = step(
            Snapshot(
                rules=(RuleTarget(key=RULE, backends={"primary": 1}, fallbacks=("fallback",)),),
                objectives=(spec,),
                pools=self._pools(store.ready),
                replicas=(
                    RouterReplica(
                        namespace=REPLICA[0], pod=REPLICA[1], since=EPOCH - timedelta(days=1)
                    ),
                ),
                measurement=store.measure(t, self.windows.all),
                acknowledged_at=(
                    EPOCH + timedelta(seconds=max(0.0, acknowledged)) if acknowledged <= t else None
                ),
            ),
            self.memory,
            now,
        )
        self.memory = outcome.memory
        self.transitions += [(t, taken.decision.transition) for taken in outcome.decisions]
        chosen = outcome.shares[str(RULE)]["primary"] / 1000
        if chosen != w:
            self.changed = t
        return chosen

    def _pools(self, ready: Mapping[str, int]) -> dict[str, PoolFacts]:
        primary, fallback = self.scenario.primary, self.scenario.fallback
        factor = self.scenario.capacity_error
        declared = fallback.capacity * factor / fallback.replicas if factor else None
        capacities = {"primary": primary.capacity / primary.replicas, "fallback": declared}
        return {
            f"{RULE.namespace}/{name}": PoolFacts(
                ready=ready[name], desired=ready[name], capacity=capacity
            )
            for name, capacity in capacities.items()
        }
