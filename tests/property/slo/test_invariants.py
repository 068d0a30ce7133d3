"""Invariants of the control loop, whatever happens to a fleet; each named as in its test.

A machine lets the world do anything between two ticks: pools turn bad or empty, traffic stops,
Prometheus goes dark or half dark, routers stop acknowledging, users change their minds, the operator
restarts, its clock jumps. After every tick the invariants are looked at again.
"""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.unit.domain.slo.builders import (
    REPLICA,
    RULE,
    T0,
    Fleet,
    cell,
    measurement,
    objective,
    target,
)
from tokenfleet.domain.slo.control.freezes import MAX_EPISODES
from tokenfleet.domain.slo.control.memory import LoopMemory, RuleMemory, State
from tokenfleet.domain.slo.control.memory_json import decode, encode
from tokenfleet.domain.slo.engine import Snapshot, step
from tokenfleet.domain.slo.objectives.spec import Policy
from tokenfleet.domain.slo.observation.measurement import Failure, Pin, PoolFacts, RuleKey

TICK = timedelta(seconds=15)
OTHER = RuleKey("team-a", "chat", "fast")
FRACTIONS = st.sampled_from([0.0, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0])
RATES = st.sampled_from([0.0, 0.01, 0.2, 4.0, 40.0])


class Loop(RuleBasedStateMachine):
    """One rule with two backends and two fallbacks, and a second rule that shares a fallback."""

    @initialize(capacity=st.sampled_from([None, 0.5, 3.0, 100.0]))
    def begin(self, capacity):
        self.capacity = capacity
        self.memory = {}
        self.now = T0
        self.bad = {"large": 0.0, "twin": 0.0, "small": 0.0, "cpu": 0.0}
        self.rate = 4.0
        self.ready = {"large": 2, "twin": 1, "small": 2, "cpu": 1}
        self.known = True
        self.acknowledges = True
        self.controlled = True
        self.actuation = True
        self.pin = None
        self.objectives = (objective(), objective("fast", rule="fast"))
        self.before = self.outcome = None
        self.changed = {}
        self.episodes = []

    def snapshot(self, rules=None):
        control = "Auto" if self.controlled else "Disabled"
        rules = rules or (
            target(
                backends={"large": 3, "twin": 1},
                fallbacks=("small", "cpu"),
                control=control,
                pin=self.pin,
            ),
            target(key=OTHER, backends={"large": 1}, fallbacks=("small",), control=control),
        )
        seen = measurement(
            self.now,
            *(cell(pool, self.rate / 2, bad) for pool, bad in self.bad.items()),
            demand=self.rate,
        )
        seen = replace(seen, rules={RULE: seen.rules[RULE], OTHER: seen.rules[RULE]})
        if not self.known:
            seen = replace(seen, rules={}, replicas={}, failure=Failure("SourceError", "dark"))
        return Snapshot(
            rules=rules,
            objectives=self.objectives,
            pools={
                f"team-a/{pool}": PoolFacts(ready=n, desired=2, capacity=self.capacity)
                for pool, n in self.ready.items()
            },
            replicas=(REPLICA,),
            measurement=seen,
            acknowledged_at=self.now if self.acknowledges else None,
            actuation=self.actuation,
        )

    @rule(pool=st.sampled_from(["large", "twin", "small", "cpu"]), bad=FRACTIONS)
    def a_pool_changes(self, pool, bad):
        self.bad[pool] = bad

    @rule(rate=RATES)
    def traffic_changes(self, rate):
        self.rate = rate

    @rule(pool=st.sampled_from(["large", "twin", "small", "cpu"]), ready=st.integers(0, 3))
    def replicas_change(self, pool, ready):
        self.ready[pool] = ready

    @rule(known=st.booleans())
    def prometheus_changes(self, known):
        self.known = known

    @rule(acknowledges=st.booleans())
    def routers_change(self, acknowledges):
        self.acknowledges = acknowledges

    @rule(
        floor=st.sampled_from([0.0, 0.05, 0.3]),
        hold=st.sampled_from([60, 300]),
        shifts=st.booleans(),
        second=st.booleans(),
    )
    def objectives_change(self, floor, hold, shifts, second):
        policy = Policy(floor=floor, hold=timedelta(seconds=hold))
        more = (objective("second", target=0.9),) if second else ()
        self.objectives = (
            objective(policy=policy, shifts=shifts),
            objective("fast", rule="fast", policy=policy),
            *more,
        )

    @rule(controlled=st.booleans(), actuation=st.booleans())
    def control_changes(self, controlled, actuation):
        self.controlled, self.actuation = controlled, actuation

    @rule(pinned=st.booleans(), large=st.integers(0, 5))
    def pin_changes(self, pinned, large):
        until = self.now + timedelta(minutes=5)
        self.pin = Pin(weights={"large": large, "small": 2}, until=until) if pinned else None

    @rule(seconds=st.sampled_from([-600, -30, 600]))
    def the_clock_jumps(self, seconds):
        self.now += timedelta(seconds=seconds)
        self.tick_once()

    @rule(ticks=st.sampled_from([1, 4, 10, 30]))
    def time_passes(self, ticks):
        for _ in range(ticks):
            self.tick_once()

    def tick_once(self):
        self.now += TICK
        # Nothing lies in the future: where the clock went back, what changed did so just now.
        self.changed = {place: min(at, self.now) for place, at in self.changed.items()}
        self.before = self.memory
        snapshot = self.snapshot()
        given_in = repr((snapshot, self.memory))
        self.outcome = step(snapshot, self.memory, self.now)
        assert repr((snapshot, self.memory)) == given_in, (
            "I18: a step never changes what it is given"
        )
        again = step(snapshot, decode(encode(self.memory)), self.now)
        assert again == self.outcome, "I11: the stored memory is the whole memory"
        ids = [taken.id for taken in self.outcome.decisions]
        assert [taken.id for taken in again.decisions] == ids, "I16: same input, same identifiers"
        assert len(set(ids)) == len(ids), "I16: one decision, one identifier"
        permuted = replace(
            snapshot,
            rules=snapshot.rules[::-1],
            objectives=snapshot.objectives[::-1],
            pools=dict(reversed(snapshot.pools.items())),
        )
        assert step(permuted, self.memory, self.now) == self.outcome, "I14: order never shows"
        self.memory = dict(self.outcome.memory)
        self.look(snapshot)

    def look(self, snapshot):
        for target_rule in snapshot.rules:
            self.look_at(snapshot, target_rule)

    def look_at(self, snapshot, target_rule):
        key = str(target_rule.key)
        shares = self.outcome.shares[key]
        assert sum(shares.values()) == 1000, "I1"
        assert all(share >= 0 for share in shares.values()), "I1"
        pinned = target_rule.pin is not None and self.now < target_rule.pin.until
        voting = self.controlled and self.actuation and not pinned
        mine = [o for o in self.objectives if o.rule == target_rule.key.rule and o.shifts]
        taken = [d for d in self.outcome.decisions if d.rule == target_rule.key]
        for primary, after in self.outcome.memory[key].loops.items():
            loops = self.before[key].loops if key in self.before else {}
            w = loops[primary].w if primary in loops else 1.0
            names = [d.decision.transition for d in taken if d.primary == primary]
            assert len(names) <= 1, "I17: one transition per tick, whatever the clock did"
            if after.w != w:
                assert names, "every change is a decision"
            if names and names[0] in {"T1", "T2", "T6"}:
                floor = max(o.policy.floor for o in mine)
                assert after.w >= min(floor, w) - 1e-9, "I2: never lowered below the floor"
            heard = [o for o in mine if self.outcome.slos[o.key].refused is None]
            if not self.known and voting and heard:
                assert set(names) <= {"T1h", "T11"}, "I3: blind means hold"
            if after.w > w and voting and mine:
                assert self.ready[primary] > 0, "I9: nothing is raised to a pool that is not there"
                assert self.acknowledges or set(names) <= {"T11", "T8"}, "no raise unacknowledged"
                if names[0] not in {"T7", "T8", "T11", "P2", "T1r"} and w > 0:
                    assert self.known, "I7"
                    assert self.bad[primary] < 0.5, "I7: never raised while clearly bad"
            if not (voting and mine) and not pinned:
                assert set(names) <= {"T12", "T11", "T8"}, "I5: without a vote only home"
            self.look_at_pace(key, primary, names)
        if self.capacity is not None and not pinned:
            self.look_at_guard(target_rule, taken)

    def look_at_pace(self, key, primary, names):
        for name in names:
            last = self.changed.get((key, primary))
            # I6: T11, T1h, T8, T12, P0, P2 answer to facts or users and not to objectives.
            if last is not None and name in {"T1", "T2", "T3", "T4", "T6"}:
                assert (self.now - last).total_seconds() >= 45, "I6"
            self.changed[key, primary] = self.now

    def look_at_guard(self, target_rule, taken):
        """I9: a shift that an objective asked for never fills a fallback beyond its guard."""
        for decided in taken:
            if decided.decision.transition not in {"T1", "T2", "T6"}:
                continue
            key, primary = str(target_rule.key), decided.primary
            now = self.outcome.memory[key].loops[primary].spread
            held = self.before[key].loops if key in self.before else {}
            before = held[primary].spread if primary in held else {}
            for pool in (pool for pool, part in now.items() if part > before.get(pool, 0)):
                bound = 0.85 * self.capacity * self.ready[pool]
                assert self.sent(pool) <= bound + 0.003 * self.rate, "I9: over all rules"

    def sent(self, pool):
        """Requests per second that all loops together send to a fallback."""
        weights = {"large": 0.75, "twin": 0.25}
        return sum(
            self.rate
            * (weights[primary] if key == str(RULE) else 1)
            * loop.spread.get(pool, 0)
            / 1000
            for key, memory in self.outcome.memory.items()
            for primary, loop in memory.loops.items()
        )

    @invariant()
    def episodes_are_bounded(self):
        """I8: no more than MAX_EPISODES + 1 shifts in an hour, as far as memory knows."""
        for memory in getattr(self, "memory", {}).values():
            for loop in memory.loops.values():
                recent = [at for at in loop.episodes if self.now - at < timedelta(hours=1)]
                assert len(recent) <= MAX_EPISODES + 1, "I8"

    @invariant()
    def memory_is_canonical(self):
        memory = getattr(self, "memory", {})
        assert encode(decode(encode(memory))) == encode(memory)


TestLoop = Loop.TestCase
TestLoop.settings = settings(
    max_examples=100,
    stateful_step_count=25,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking whole fleets takes minutes
    suppress_health_check=[HealthCheck.too_slow],
)


def settled(bad: dict[str, float], rate: float, hours: float, memory=None, *, now=T0):
    """Run one rule with constant pools for so long; return memory, decisions and the time."""
    memory, decisions = dict(memory or {}), []
    for _ in range(int(hours * 240)):
        now += TICK
        snapshot = Snapshot(
            rules=(target(),),
            objectives=(objective(),),
            pools={
                "team-a/large": PoolFacts(ready=2, desired=2, capacity=100.0),
                "team-a/small": PoolFacts(ready=2, desired=2, capacity=100.0),
            },
            replicas=(REPLICA,),
            measurement=measurement(
                now, *(cell(pool, rate / 2, b) for pool, b in bad.items()), demand=rate
            ),
            acknowledged_at=now,
        )
        outcome = step(snapshot, memory, now)
        memory = dict(outcome.memory)
        decisions += [taken.decision.transition for taken in outcome.decisions]
    return memory, decisions, now


@settings(max_examples=5, deadline=None)
@given(
    trouble=st.lists(st.tuples(FRACTIONS, FRACTIONS, st.integers(1, 120)), min_size=1, max_size=4),
    rate=st.sampled_from([0.01, 0.2, 4.0]),
)
def test_i12_a_healthy_fleet_is_normal_in_the_end(trouble, rate):
    """No state absorbs, except a user's pin: 20 hours after any trouble all is as written."""
    memory, now = {}, T0
    for large, small, minutes in trouble:
        memory, _, now = settled(
            {"large": large, "small": small}, 4.0, minutes / 60, memory, now=now
        )
    memory, _, _ = settled({"large": 0.0, "small": 0.0}, rate, 20, memory, now=now)
    loop = memory[str(RULE)].loops.get("large")

    assert loop is None or (loop.state, loop.w) == (State.NORMAL, 1.0)


def test_i12_silence_ends_in_normal_within_the_idle_reset():
    memory, _, now = settled({"large": 1.0, "small": 0.0}, 4.0, 0.5)
    assert memory[str(RULE)].loops["large"].w < 1
    memory, decisions, _ = settled({"large": 0.0, "small": 0.0}, 0.0, 0.26, memory, now=now)

    assert decisions == ["T8"]


@settings(max_examples=5, deadline=None)
@given(bad=st.sampled_from([0.3, 0.6, 1.0]), rate=st.sampled_from([1.0, 4.0, 40.0]))
def test_i13_a_primary_that_stays_bad_ends_at_the_floor_and_stays_there(bad, rate):
    memory, decisions, _ = settled({"large": bad, "small": 0.0}, rate, 4)

    assert memory[str(RULE)].loops["large"].w == 0.02
    assert decisions == ["T1", "T2"]


@settings(max_examples=60, deadline=None)
@given(large=FRACTIONS, small=FRACTIONS, rate=RATES)
def test_i15_a_healthy_objective_never_lowers_and_a_breaching_one_never_raises(large, small, rate):
    """Adding a vote that is content with everything changes nothing; one that is not only lowers."""

    def w_with(objectives):
        snapshot = Snapshot(
            rules=(target(),),
            objectives=objectives,
            pools={
                "team-a/large": PoolFacts(ready=2, desired=2, capacity=100.0),
                "team-a/small": PoolFacts(ready=2, desired=2, capacity=100.0),
            },
            replicas=(REPLICA,),
            measurement=measurement(
                T0, cell("large", rate, large), cell("small", rate, small), demand=rate
            ),
            acknowledged_at=T0,
        )
        loops = step(snapshot, {}, T0).memory[str(RULE)].loops
        return loops["large"].w if "large" in loops else 1.0

    strict, lenient = objective("strict"), objective("lenient", target=0.5, min_bad=10**6)
    # The lenient one judges the fallback too: a fallback that only it finds bad does not exist.
    assert w_with((strict, lenient)) == w_with((strict,))
    assert w_with((lenient, strict)) <= w_with((lenient,))


@pytest.mark.parametrize("bad", [0.0, 0.1, 0.2])
def test_i15_a_breaching_objective_never_raises_what_another_would(bad):
    """Half is shifted away. One objective sees nothing wrong any more; another does, or does not."""
    away = LoopMemory(
        state=State.SHIFTED,
        w=0.5,
        fallback="small",
        cause="lenient",
        bad_level=1.0,
        changed_at=T0,
        effective_at=T0,
    )

    def w_with(*objectives):
        fleet = Fleet(objectives=objectives, memory={str(RULE): RuleMemory(loops={"large": away})})
        fleet.see(cell("large", 4, bad), cell("small", 4, 0.0), seconds=600)
        return fleet.memory[str(RULE)].loops["large"].w

    strict, lenient = objective("strict"), objective("lenient", target=0.5)

    assert w_with(lenient) > 0.5
    assert (w_with(lenient, strict) > 0.5) == (bad == 0.0)
