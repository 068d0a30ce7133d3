"""The numbers of the story, from its record. Pure."""

from collections import Counter

from e2e.demo.claims import WINDOW, first_action
from e2e.demo.timeline import BASELINE, Mark, Timeline
from e2e.load.records import quantile, summarise

STEP = 1.0
"""Seconds between the moments at which "back within the objective" is looked for."""


def back_within(story: Timeline) -> float | None:
    """Return when the last `WINDOW` seconds of requests first met the objective after the shift."""
    action = first_action(story)
    if action is None:
        return None
    at, end = action + STEP, story.marks.get(Mark.REMOVED, action)
    while at <= end:
        fraction = story.good_fraction(max(at - WINDOW, action), at)
        if (
            fraction is not None
            and fraction >= story.objective.target
            and at - action >= WINDOW / 2
        ):
            return at
        at += STEP
    return None


def first_shadow(story: Timeline) -> float | None:
    """Return when the status first showed a shift that was not made."""
    for seen in story.between(Mark.CAUSE, Mark.SHIFT):
        if seen.shadow.get(story.primary, BASELINE) < BASELINE:
            return seen.at
    return None


def baseline_again(story: Timeline) -> float | None:
    """Return when all conversations were back on the primary."""
    for seen in story.between(Mark.REMOVED, Mark.END):
        if seen.shares.get(story.primary) == BASELINE:
            return seen.at
    return None


def rows(story: Timeline) -> list[tuple[str, str]]:
    """Return the table at the end: what, and how much."""
    total = summarise(story.records)
    rules = Counter(r.rule for r in story.records if r.outcome == "ok")
    answered = sum(rules.values()) or 1
    phases = (
        ("before the cause", Mark.LOAD, Mark.CAUSE),
        ("slowed, Alert", Mark.CAUSE, Mark.SHIFT),
        ("slowed, ShiftTraffic", Mark.SHIFT, Mark.REMOVED),
        ("recovery", Mark.REMOVED, Mark.END),
    )
    return [
        ("requests sent / failed / cancelled", f"{total.sent} / {total.failed} / {total.cancelled}"),
        *[(f"TTFT p50 / p99, {name}", _waits(story, a, b)) for name, a, b in phases],
        ("cause to the shift it would have made (Alert)", _span(story, Mark.CAUSE, first_shadow(story))),
        ("cause to first action (Alert phase included)", _span(story, Mark.CAUSE, first_action(story))),
        ("ShiftTraffic to first action", _span(story, Mark.SHIFT, first_action(story))),
        ("cause to back within objective", _span(story, Mark.CAUSE, back_within(story))),
        ("ShiftTraffic to back within objective", _span(story, Mark.SHIFT, back_within(story))),
        ("cause removed to all traffic back", _span(story, Mark.REMOVED, baseline_again(story))),
        ("fast-path share of requests", f"{rules['fast'] / answered:.1%}"),
        ("answered by pool", ", ".join(f"{p} {n}" for p, n in total.by_pool.items())),
        ("drafted tokens accepted", "unknown" if story.acceptance is None else f"{story.acceptance:.1%}"),
    ]  # fmt: skip


def _waits(story: Timeline, first: Mark, last: Mark) -> str:
    if first not in story.marks or last not in story.marks:
        return "-"
    seen = story.requests(story.marks[first], story.marks[last], feature=story.feature)
    waits = [r.ttft for r in seen if r.ttft is not None]
    return f"{milliseconds(quantile(waits, 0.5))} / {milliseconds(quantile(waits, 0.99))}"


def milliseconds(seconds: float | None) -> str:
    """Write a wait."""
    return "-" if seconds is None else f"{seconds * 1000:.0f} ms"


def _span(story: Timeline, mark: Mark, end: float | None) -> str:
    return "-" if end is None or mark not in story.marks else f"{end - story.marks[mark]:.0f} s"
