"""The step of one rule: its loops, its pin, its shadows, its shares."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tokenfleet.domain.slo.control.capacity_ledger import Ledger
from tokenfleet.domain.slo.control.cost_bound import spent_words
from tokenfleet.domain.slo.control.cost_ledger import Purse
from tokenfleet.domain.slo.control.eligibility import blind_since_of, muted
from tokenfleet.domain.slo.control.fallbacks import Fallbacks
from tokenfleet.domain.slo.control.flows import arriving, enter, flow_of
from tokenfleet.domain.slo.control.helpless import helpless_for
from tokenfleet.domain.slo.control.level_step import LevelStep, refusal
from tokenfleet.domain.slo.control.load_ceilings import believed
from tokenfleet.domain.slo.control.memory import (
    NO_OBJECTIVE,
    REST,
    Decision,
    LoopMemory,
    RuleMemory,
    State,
)
from tokenfleet.domain.slo.control.shares import apportion, baseline, shifted
from tokenfleet.domain.slo.control.state_machine import advance
from tokenfleet.domain.slo.control.timers import age, reach, suspected
from tokenfleet.domain.slo.control.transition import LoopInput
from tokenfleet.domain.slo.control.votes import Ballot, Coverages, ballot
from tokenfleet.domain.slo.objectives.spec import (
    DOUBLINGS,
    LevelObjective,
    ObjectiveSpec,
    Policy,
    combined,
)
from tokenfleet.domain.slo.observation.evidence import EVER
from tokenfleet.domain.slo.observation.measurement import Failure, Pin, RuleMeasurement, RuleTarget
from tokenfleet.domain.slo.observation.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What the step of one rule gave."""

    rule: RuleTarget
    memory: RuleMemory
    shares: Mapping[str, int]
    taken: tuple[tuple[str, Decision], ...]
    """(primary pool, transition of its loop or level)."""
    pinned: bool
    held: bool
    """Votes exist and none of them can see."""
    muted: Mapping[str, Failure]
    """TokenSLO name -> why it is not heard although it asks for shifts."""
    saturated: bool
    """A primary is bad and no fallback can take more, or there is none."""
    full: str
    """Why a fallback can take no more, by its engines' own word or by its cost; empty: unknown."""
    shadow_shares: Mapping[str, Mapping[str, int]]
    """TokenSLO name -> the shares that its vote alone would have led to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleStep:
    """All that the loops of one rule share."""

    snapshot: Snapshot
    rule: RuleTarget
    memory: RuleMemory
    ledger: Ledger
    now: datetime
    objectives: tuple[ObjectiveSpec, ...]
    """Those about this rule, by name."""
    level_objectives: tuple[LevelObjective, ...]
    """Cost and cache objectives that name it, by name."""
    ballots: Mapping[str, Ballot]

    def run(self) -> Done:
        """Advance the loop of each backend, and the shadow of each objective that only alerts."""
        objectives = self.objectives
        pin = pin_of(self.rule, self.now)
        controlled = self.rule.control == "Auto" and self.snapshot.actuation and pin is None
        voters = {slo.name for slo in objectives if slo.shifts and controlled}
        before = shares_of(self.rule, self.memory)
        blind_since = blind_since_of(
            self.memory.blind_since, self.ballots.values(), voters, self.now
        )
        silent = muted(voters, blind_since, self.memory.loops.values(), self.now)
        heard = voters - silent.keys()
        inputs, loops, taken = {}, {}, []
        for pool in self.rule.backends:
            loop = self.memory.loops.get(pool, REST)
            if pin is not None:
                loop, decision = under_pin(self.rule, pin, pool, loop, self.now)
            else:
                inputs[pool] = self.loop_input(pool, loop, heard, asking=voters)
                loop, decision = advance(loop, inputs[pool])
                helpless = helpless_for(loop, inputs[pool])
                if helpless != loop.helpless:
                    loop = replace(loop, helpless=helpless)
                enter(self.ledger, self.rule, pool, loop, self.snapshot.measured(self.rule.key))
            loops[pool] = loop
            taken += [(pool, decision)] if decision is not None else []
        levels = {} if pin is not None else self.levels(loops, heard, controlled=controlled)
        taken += [(pool, step) for pool, (_, step) in levels.items() if step is not None]
        held = {pool: level for pool, (level, _) in levels.items()}
        kept = RuleMemory(loops=loops, levels=held)
        shares = pinned(self.rule, pin) if pin is not None else shares_of(self.rule, kept)
        if shares == before:
            loops = {pool: self.unmoved(pool, loop) for pool, loop in loops.items()}
        shadows = {
            slo.name: self.shadow(slo.name)
            for slo in objectives
            if slo.rule is not None and slo.name not in voters
        }
        return Done(
            rule=self.rule,
            memory=RuleMemory(loops=loops, shadows=shadows, levels=held, blind_since=blind_since),
            shares=shares,
            taken=tuple(taken),
            pinned=pin is not None,
            muted=silent,
            held=any(seen.voting and not seen.known for seen in inputs.values()),
            saturated=any(loops[pool].helpless for pool in inputs),
            full=next((s.full for seen in inputs.values() for s in seen.chain if s.full), "")
            or next(filter(None, map(spent_words, inputs.values())), ""),
            shadow_shares={
                name: shares_of(self.rule, RuleMemory(loops=loops))
                for name, loops in shadows.items()
            },
        )

    def levels(
        self, loops: Mapping[str, LoopMemory], voters: AbstractSet[str], *, controlled: bool
    ) -> dict[str, tuple[LoopMemory, Decision | None]]:
        """Advance the levels, which yield to the loops."""
        asking = tuple(
            slo
            for slo in self.level_objectives
            if slo.shifts and controlled and not refusal(self.snapshot, self.rule, slo)
        )
        if not asking and not any(level.shifted for level in self.memory.levels.values()):
            return {}
        done = LevelStep(
            snapshot=self.snapshot,
            rule=self.rule,
            levels=self.memory.levels,
            loops=loops,
            ledger=self.ledger,
            now=self.now,
            objectives=asking,
            ballots={name: ballot.of(voters) for name, ballot in self.ballots.items()},
            policy=combined(
                [slo.policy for slo in asking]
                + [slo.policy for slo in self.objectives if slo.name in voters]
            ),
        ).run()
        kept = RuleMemory(loops=loops, levels={pool: level for pool, (level, _) in done.items()})
        for pool in self.rule.backends:
            measured = self.snapshot.measured(self.rule.key)
            enter(self.ledger, self.rule, pool, kept.kept(pool), measured)
        return done

    def shadow(self, name: str) -> dict[str, LoopMemory]:
        """Advance the loops by the first step that this objective's vote would have led to.

        Nothing is moved, so nobody can say what would have come next: the step is shown until the
        primary has shown no fault for a hold, or has endpoints again where it had none.
        """
        loops = self.memory.shadows.get(name, {})
        return {
            pool: self.first_step(pool, loops.get(pool, REST), name) for pool in self.rule.backends
        }

    def first_step(self, pool: str, loop: LoopMemory, name: str) -> LoopMemory:
        """Advance one loop of a shadow."""
        if not loop.shifted:
            return advance(loop, self.loop_input(pool, loop, {name}))[0]
        if loop.cause == NO_OBJECTIVE and self.snapshot.facts(self.rule.key.namespace, pool).ready:
            # Nothing was wrong but that no endpoint was there (T1h): the step would be taken back.
            return replace(REST, last=loop.last)
        votes, policy = self.ballots[pool].of({name}), self.policy({name})
        bad = not votes.known or votes.still_bad(EVER, phi=None) is not None
        since = loop.changed_at if loop.changed_at is not None else self.now
        # The clock of the hold: a moment, and so nothing that changes with every tick.
        if bad:
            return replace(loop, idle_since=None)
        calm = loop.idle_since or max(since, self.now)
        if self.now - calm >= policy.hold:
            return replace(REST, last=loop.last)
        return replace(loop, idle_since=calm)

    def loop_input(
        self,
        pool: str,
        loop: LoopMemory,
        voters: AbstractSet[str],
        *,
        asking: AbstractSet[str] | None = None,
    ) -> LoopInput:
        """Gather what the decision of one loop depends on.

        Args:
            pool: the primary.
            loop: what its loop remembers.
            voters: the objectives that are heard.
            asking: those that ask for shifts, heard or not; None: the loop is a shadow's.
        """
        shadow = asking is None
        asking = voters if asking is None else asking
        policy, ballots = self.policy(asking), {p: b.of(voters) for p, b in self.ballots.items()}
        votes, measured = ballots[pool], self.snapshot.measured(self.rule.key)
        flow, since = flow_of(self.rule, pool, measured), age(loop, self.now, policy.settle)
        lately = since if since == EVER else since + reach(loop, policy)
        ready = self.snapshot.facts(self.rule.key.namespace, pool).ready
        normal = loop.state is State.NORMAL
        phi: float | None = max(1.0, loop.dispersion or 1.0)
        if normal and not suspected(loop, self.now, flow / max(1, ready), policy):
            phi = None
        seen = LoopInput(
            now=self.now,
            policy=policy,
            asked=bool(asking),
            voting=bool(voters),
            known=votes.known,
            all_known=votes.all_known,
            acknowledged_at=self.now if shadow else self.snapshot.acknowledged_at,
            ready=ready,
            flow=flow,
            age=since,
            breach=votes.breach(lately) if normal else None,
            still_bad=votes.still_bad(lately, phi=phi),
            longest=policy.short * 2**DOUBLINGS,
        )
        if resting(loop, seen):
            return seen
        level = loop.bad_level if loop.bad_level is not None else 1.0
        # A surge is seen by the short window long before the mean over the long one follows.
        fresh = max(flow, arriving(pool, measured))
        chain = Fallbacks(
            snapshot=self.snapshot,
            rule=self.rule,
            ledger=self.ledger,
            primary=pool,
            ballots=ballots,
            utilization=policy.utilization,
            flow=fresh,
            now=self.now,
            loop=loop,
            age=since,
            costs=None if shadow else self.ledger.costs,
        ).chain()
        return replace(
            seen,
            chain=chain,
            judged=votes.judged(lately),
            well_for=timedelta(0)
            if normal
            else votes.well_for(since, cause=loop.cause, level=level, phi=phi or 1.0),
            doubtful=votes.doubtful(since, cause=loop.cause, phi=phi or 1.0),
            fallback_helps=all(
                ballots[s.pool].better_than(
                    votes, since, loop.cause, found_bad=believed(loop.limits.get(s.pool), self.now)
                )
                for s in chain
                if s.used > 0
            ),
            idle=all(b.no_traffic for b in ballots.values()),
            purse=None if shadow else self.purse(pool, loop, fresh),
        )

    def purse(self, pool: str, loop: LoopMemory, flow: float) -> Purse | None:
        """Return what one loop may spend."""
        costs, key = self.ledger.costs, self.rule.key
        return costs.purse(key, f"{key}/{pool}", costs.money(self.rule, flow, loop.spread))

    def policy(self, voters: AbstractSet[str]) -> Policy:
        """Return the strictest policy of the voters."""
        return combined(slo.policy for slo in self.objectives if slo.name in voters)

    def unmoved(self, pool: str, loop: LoopMemory) -> LoopMemory:
        """Start the clocks at once where less than a bucket moved: nobody will acknowledge it."""
        old = self.memory.loops.get(pool, REST)
        if not loop.awaiting or loop.changed_at == old.changed_at:
            return loop
        return replace(loop, awaiting=False, effective_at=self.now)


def resting(loop: LoopMemory, seen: LoopInput) -> bool:
    """Tell whether nothing can come of a tick whatever else is seen: no transition asks more.

    A loop at home, whose pool has endpoints, and against which nothing is proved. So it is with
    nearly all loops in nearly all ticks, and what fallbacks can take is not asked for those.
    """
    at_home = loop.state is State.NORMAL and not loop.shifted and not loop.helpless
    return at_home and seen.ready > 0 and seen.breach is None and seen.still_bad is None


def ballots_of(
    rule: RuleTarget,
    objectives: tuple[ObjectiveSpec, ...],
    measured: RuleMeasurement,
    seen: Coverages,
) -> dict[str, Ballot]:
    """Ask every objective of a rule about every pool of it."""
    by_name = sorted(objectives, key=lambda objective: objective.name)
    coverages = [(slo, seen.of(slo)) for slo in by_name]
    pools = dict.fromkeys((*rule.backends, *rule.fallbacks))
    return {pool: ballot(coverages, pool=pool, measured=measured) for pool in pools}


def shares_of(rule: RuleTarget, memory: RuleMemory) -> dict[str, int]:
    """Return the shares that the memory of a rule stands for."""
    loops = {pool: memory.kept(pool) for pool in rule.backends}
    kept = {
        pool: (loop.w, parts)
        for pool, loop in loops.items()
        if (parts := {p: n for p, n in loop.spread.items() if p in rule.fallbacks})
    }
    return shifted(rule.backends, kept, rule.fallbacks)


def pin_of(rule: RuleTarget, now: datetime) -> Pin | None:
    """Return the pin of a rule unless it has ended."""
    return rule.pin if rule.pin is not None and now < rule.pin.until else None


def pinned(rule: RuleTarget, pin: Pin) -> dict[str, int]:
    """Return the shares of a pin; pools that the rule does not have are ignored."""
    pools = dict.fromkeys((*rule.backends, *rule.fallbacks), 0)
    weights = {pool: float(pin.weights.get(pool, 0)) for pool in pools}
    return apportion(weights) if any(weights.values()) else pools | baseline(rule.backends)


def under_pin(
    rule: RuleTarget, pin: Pin, pool: str, loop: LoopMemory, now: datetime
) -> tuple[LoopMemory, Decision | None]:
    """P0: follow the pin at once, and remember it as the place to ramp back from."""
    shares, written = pinned(rule, pin), baseline(rule.backends)
    w = round(min(1.0, shares[pool] / written[pool]), 3) if written[pool] else 1.0
    others = {name: share for name, share in shares.items() if name in rule.fallbacks and share}
    fallback = max(others, key=lambda name: (others[name], name), default="") if w < 1 else ""
    if not fallback:
        w = 1.0
    if w == loop.w and fallback == loop.fallback:
        return loop, None
    decision = Decision(
        transition="P0",
        at=now,
        from_w=round(loop.w * 1000),
        to_w=round(w * 1000),
        pool=fallback,
    )
    state = State.RECOVERING if w < 1 else State.NORMAL
    dwell = loop.dwell or round(Policy().dwell.total_seconds())
    return LoopMemory(
        state=state,
        w=w,
        fallback=fallback,
        dwell=dwell if w < 1 else 0,
        changed_at=now,
        cause=NO_OBJECTIVE if w < 1 else "",
        failures=loop.failures,
        episodes=loop.episodes,
        last=decision,
    ), decision
