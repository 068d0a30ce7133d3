"""What a loop waits for, in words: the timer or the condition that comes next."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from tokenfleet.domain.slo.control.memory import LoopMemory, State
from tokenfleet.domain.slo.control.timers import PART_OF_HOLD
from tokenfleet.domain.slo.objectives.spec import Policy
from tokenfleet.domain.slo.observation.bounds import HEALTH_WEIGHT, PROBE_WEIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How fast evidence about a primary comes."""

    attempts: float
    """Attempts per second on the primary at its present share."""
    budget: float
    """Largest bad fraction that the objective allows; 0..1."""
    min_bad: int
    """Fewest bad attempts of a proof."""


def next_steps(
    loop: LoopMemory, primary: str, policy: Policy, now: datetime, rate: Rate | None = None
) -> tuple[str, ...]:
    """Return sentences, the nearest cause first; they follow the table of `state_machine`.

    Args:
        loop: what is remembered of the primary.
        primary: its name.
        policy: the clocks of those who vote.
        now: the current time.
        rate: how fast evidence comes; None: not known.
    """
    said = []
    if loop.unknown_since is not None:
        said.append(
            f"holds: nothing can be seen {_since(loop.unknown_since, now)}; its timers stop"
        )
    if loop.awaiting:
        said.append("waits until every ready router replica runs the last change")
    said += _BY_STATE[loop.state](loop, primary, policy, now)
    if loop.shifted and loop.w > 0 and rate is not None:
        said += _evidence(loop, primary, rate)
    if loop.shifted and loop.ceiling_until is not None and now < loop.ceiling_until:
        said.append(
            f"remembers the share that was too much: steps back stay below it"
            f" {_until(loop.ceiling_until, now)}"
        )
    return tuple(said)


def _normal(loop: LoopMemory, primary: str, policy: Policy, now: datetime) -> list[str]:
    said = [f"a breach on {primary} would shift, if a fallback can take it"]
    if loop.stable_since is not None:
        end = loop.stable_since + 2 * policy.max_hold
        if now < end:
            said.append(f"on probation {_until(end, now)}: a breach counts as a failed recovery")
    return said


def _shifted(loop: LoopMemory, primary: str, policy: Policy, now: datetime) -> list[str]:
    if loop.w == 0:
        half = policy.short / 2
        if loop.filled_since is None:
            return [f"first step back when {primary} has had ready endpoints for {_span(half)}"]
        return [
            f"first step back {_at(loop.filled_since + half, now)}: {primary} has endpoints again"
        ]
    said = []
    since = loop.effective_at or loop.changed_at or now
    if now < since + policy.settle:
        said.append(f"the shift settles {_until(since + policy.settle, now)}")
    said.append(
        f"if {primary} is proven still bad, more is shifted, down to {policy.floor:.0%} at most and"
        " as far as fallbacks have room and help"
    )
    wait = min(policy.max_hold, policy.hold * 2 ** min(loop.failures, 16))
    said.append(
        f"first step back {_at(since + wait, now)} at the earliest, when attempts of"
        f" {_span(PART_OF_HOLD * wait)} prove {primary} well; silence proves nothing"
    )
    if loop.capacity_at_breach:
        said.append(
            f"{primary} needs its part of the {loop.capacity_at_breach} ready replicas it had"
            " before each step"
        )
    return said


def _recovering(loop: LoopMemory, primary: str, policy: Policy, now: datetime) -> list[str]:
    said = [f"falls back if {primary} is bad at this share"]
    due = (loop.effective_at or loop.changed_at or now) + policy.dwell
    if now < due:
        said.insert(0, f"next step back {_at(due, now)} if {primary} is proven well")
    else:
        said.insert(
            0, f"next step back as soon as {primary} is proven well and no objective doubts it"
        )
    return said


def _frozen(loop: LoopMemory, _: str, __: Policy, now: datetime) -> list[str]:
    if loop.freeze_until is None:
        return ["frozen"]
    return [f"frozen {_until(loop.freeze_until, now)}: it shifted too often within an hour"]


_BY_STATE = {
    State.NORMAL: _normal,
    State.SHIFTED: _shifted,
    State.RECOVERING: _recovering,
    State.FROZEN: _frozen,
}


def _evidence(loop: LoopMemory, primary: str, rate: Rate) -> list[str]:
    """Say how long a proof takes at the present rate, if every attempt says the same."""
    phi = max(1.0, loop.dispersion or 1.0)
    level = loop.bad_level if loop.bad_level is not None else 1.0
    bad = max(rate.min_bad, math.ceil(phi * PROBE_WEIGHT / -math.log(rate.budget)))
    well = math.ceil(phi * HEALTH_WEIGHT / -math.log1p(-(rate.budget + level) / 2))
    if rate.attempts <= 0:
        return [f"no attempt reaches {primary} now: nothing can be proved about it"]
    long, longer = (_span(timedelta(seconds=n / rate.attempts)) for n in (bad, well))
    text = (
        f"{primary} gets {rate.attempts:.2g} attempts/s now: proving it still bad takes {bad} bad"
        f" ones ({long}), proving it well {well} good ones ({longer})"
    )
    return [text]


def _until(at: datetime, now: datetime) -> str:
    return f"until {at:%H:%M:%S} UTC (for {_span(at - now)})"


def _at(at: datetime, now: datetime) -> str:
    if at <= now:
        return "with the next tick"
    return f"at {at:%H:%M:%S} UTC (in {_span(at - now)})"


def _since(at: datetime, now: datetime) -> str:
    return f"since {at:%H:%M:%S} UTC (for {_span(now - at)})"


def _span(length: timedelta) -> str:
    seconds = max(0, round(length.total_seconds()))
    hours, minutes = divmod(seconds // 60, 60)
    parts = [(hours, "h"), (minutes, "min"), (seconds % 60, "s")]
    return " ".join(f"{n} {unit}" for n, unit in parts if n) or "0 s"
