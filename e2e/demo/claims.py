"""The claims of the story, each a pure check of the record: the demo fails when one does not hold."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from e2e.demo.timeline import BASELINE, Mark, Timeline

WINDOW = 30.0
"""Seconds of client-side evidence for "within the objective": at the demo's rate some 45 controlled
requests, so that the few that the slow pool keeps do not decide by luck."""

LONGEST_LOAD = 720.0
"""Seconds: the load's limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One sentence about the story, and whether the record bears it out."""

    text: str
    holds: bool
    facts: str


Check = Callable[[Timeline], Claim]


def _claim(text: str, holds: bool, facts: str) -> Claim:
    return Claim(text=text, holds=holds, facts=facts)


def _percent(fraction: float | None) -> str:
    return "no requests" if fraction is None else f"{fraction:.1%}"


def _within(story: Timeline, begin: float, end: float) -> tuple[bool, str]:
    fraction = story.good_fraction(begin, end)
    limit = story.objective.threshold
    facts = (
        f"{_percent(fraction)} of {len(story.requests(begin, end, feature=story.feature))}"
        f" requests within {limit * 1000:.0f} ms, target {story.objective.target:.0%}"
    )
    return fraction is not None and fraction >= story.objective.target, facts


def complete(story: Timeline) -> Claim:
    """Every turning point was reached, in order."""
    reached = [mark for mark in Mark if mark in story.marks]
    times = [story.marks[mark] for mark in reached]
    holds = reached == list(Mark) and times == sorted(times) and not story.troubles
    facts = "; ".join((", ".join(reached) or "not begun", *story.troubles))
    return _claim("the story was told to its end", holds, facts)


def steady_span(story: Timeline, end: float) -> tuple[float, float]:
    """Return the window that judges the time before `end`: requests that had time for an answer."""
    decided = end - story.objective.threshold - 1.0
    return decided - WINDOW, decided


def within_objective_before(story: Timeline) -> Claim:
    """Before the cause, clients were served within the objective."""
    holds, facts = _within(story, *steady_span(story, story.marks.get(Mark.CAUSE, 0.0)))
    return _claim("before the cause, the objective is met", holds, facts)


def breach_persists_under_alert(story: Timeline) -> Claim:
    """With `Alert` nothing moves, and the objective stays missed."""
    end = story.marks.get(Mark.SHIFT, 0.0)
    within, facts = _within(story, end - WINDOW, end)
    observed = [seen for seen in story.between(Mark.CAUSE, Mark.SHIFT) if seen.shares]
    moved = [seen for seen in observed if seen.shares.get(story.primary) != BASELINE]
    missed = any(seen.met is False for seen in observed)
    holds = not within and bool(observed) and not moved and missed and "no requests" not in facts
    told = "Met=False seen" if missed else "Met=False never seen"
    return _claim("under Alert the breach persists and no traffic moves", holds, f"{facts}; {told}")


def shadow_is_shown(story: Timeline) -> Claim:
    """With `Alert` the status tells what a shift would have done."""
    shown = [seen for seen in story.between(Mark.CAUSE, Mark.SHIFT) if story.would_shift(seen)]
    facts = shown[-1].shadow_reason or "a shift" if shown else "never shown"
    return _claim("under Alert the status shows what a shift would do", bool(shown), facts)


def first_action(story: Timeline) -> float | None:
    """Return when the primary's share first fell with `ShiftTraffic`."""
    for seen in story.between(Mark.SHIFT, Mark.REMOVED):
        if seen.shares and seen.shares.get(story.primary, 0) < BASELINE:
            return seen.at
    return None


def operator_shifts(story: Timeline) -> Claim:
    """With `ShiftTraffic` the operator moves traffic to the fallback."""
    observed = story.between(Mark.SHIFT, Mark.REMOVED)
    least = min((o.shares.get(story.primary, 0) for o in observed if o.shares), default=BASELINE)
    facts = f"{story.primary} down to {least / 10:.1f} % of conversations"
    return _claim("with ShiftTraffic the operator shifts", first_action(story) is not None, facts)


def within_objective_while_cause_persists(story: Timeline) -> Claim:
    """The objective is met again although the large pool is as slow as before."""
    end = story.marks.get(Mark.REMOVED, 0.0)
    holds, facts = _within(story, end - WINDOW, end)
    shifted = first_action(story) is not None
    return _claim("the objective is met while the cause persists", holds and shifted, facts)


def primary_shares(story: Timeline) -> list[int]:
    """Return the primary's shares after the cause was removed, each change once."""
    seen = [o.shares.get(story.primary, 0) for o in story.between(Mark.REMOVED, Mark.END)
            if o.shares]  # fmt: skip
    return [share for share, before in zip(seen, [None, *seen], strict=False) if share != before]


def recovers_step_by_step(story: Timeline) -> Claim:
    """Traffic comes back in steps, and whole."""
    shares = primary_shares(story)
    steps = shares[shares.index(min(shares)) :] if shares else []
    if BASELINE in steps:
        steps = steps[: steps.index(BASELINE) + 1]
    rises = all(later > earlier for earlier, later in pairwise(steps))
    holds = len(steps) >= 4 and rises and steps[-1] == BASELINE
    facts = " -> ".join(f"{share / 10:g} %" for share in steps)
    return _claim("the cause removed, traffic returns step by step", holds, facts or "nothing seen")


def within_objective_after(story: Timeline) -> Claim:
    """In the end the objective is met as at the start."""
    end = story.marks.get(Mark.END, 0.0)
    holds, facts = _within(story, end - WINDOW, end)
    return _claim("in the end the objective is met by the large pool", holds, facts)


def no_request_failed(story: Timeline) -> Claim:
    """Every request was answered whole."""
    outcomes = [record.outcome for record in story.records]
    bad = len(outcomes) - outcomes.count("ok")
    facts = f"{outcomes.count('failed')} of {len(outcomes)} failed, {bad} not answered"
    return _claim("no request failed", bool(outcomes) and bad == 0, facts)


def speculation_works(story: Timeline) -> Claim:
    """The draft model helps: some of its tokens are accepted, and not all."""
    value = story.acceptance
    holds = value is not None and 0 < value < 1
    return _claim("the draft's tokens are accepted in part", holds, _percent(value))


def load_was_bounded(story: Timeline) -> Claim:
    """The load ended within its limit."""
    span = story.marks.get(Mark.END, 0.0) - story.marks.get(Mark.LOAD, 0.0)
    return _claim("the load took at most 12 minutes", 0 < span <= LONGEST_LOAD, f"{span:.0f} s")


CHECKS: tuple[Check, ...] = (
    complete,
    within_objective_before,
    breach_persists_under_alert,
    shadow_is_shown,
    operator_shifts,
    within_objective_while_cause_persists,
    recovers_step_by_step,
    within_objective_after,
    no_request_failed,
    speculation_works,
    load_was_bounded,
)


def judge(story: Timeline) -> list[Claim]:
    """Check every claim."""
    return [check(story) for check in CHECKS]
