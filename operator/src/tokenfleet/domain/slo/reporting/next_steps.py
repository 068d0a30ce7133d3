"""What a loop waits for, in words: the timer or the condition that comes next."""

from datetime import datetime, timedelta

from tokenfleet.domain.slo.control.memory import LoopMemory, State
from tokenfleet.domain.slo.objectives.spec import Policy


def next_steps(loop: LoopMemory, primary: str, policy: Policy, now: datetime) -> tuple[str, ...]:
    """Return sentences, the nearest cause first; they follow the table of `state_machine`."""
    said = []
    if loop.unknown_since is not None:
        said.append(
            f"holds: nothing can be seen {_since(loop.unknown_since, now)}; clocks stand still"
        )
    if loop.awaiting:
        said.append("waits until every ready router replica runs the last change")
    said += _BY_STATE[loop.state](loop, primary, policy, now)
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
    if loop.settle_until is not None and now < loop.settle_until:
        said.append(f"the shift settles {_until(loop.settle_until, now)}")
    said.append(f"if {primary} is still bad then, more is shifted, down to {policy.floor:.0%}")
    wait = min(policy.max_hold, policy.hold * 2 ** min(loop.failures, 16))
    if loop.healthy_since is None:
        said.append(
            f"first step back when {primary} has been healthy for {_span(wait)}; it is not now"
        )
    else:
        said.append(
            f"first step back {_at(loop.healthy_since + wait, now)} if {primary} stays healthy"
            f" ({_since(loop.healthy_since, now)})"
        )
    if loop.capacity_at_breach:
        said.append(
            f"{primary} needs its part of the {loop.capacity_at_breach} ready replicas it had"
            " before each step"
        )
    return said


def _recovering(loop: LoopMemory, primary: str, _: Policy, now: datetime) -> list[str]:
    said = [f"falls back if {primary} is bad at this share"]
    if loop.dwell_until is not None and now < loop.dwell_until:
        said.insert(0, f"next step back {_at(loop.dwell_until, now)} if {primary} is healthy")
    else:
        said.insert(
            0, f"next step back as soon as every objective agrees that {primary} is healthy"
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
