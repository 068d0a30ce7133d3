"""The numbers of the story, from its record. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from e2e.demo.claims import WINDOW, first_action
from e2e.demo.timeline import BASELINE, Mark, Timeline
from e2e.load.records import quantile, summarise

STEP = 1.0
"""Seconds between the moments at which "back within the objective" is looked for."""
RECENT = 15.0
"""Seconds of requests that "lately" is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lately:
    """How clients of the controlled rule fare at one moment."""

    p50: float | None
    """Seconds to the first token of the requests sent lately that have one; None: none has."""
    p99: float | None
    late: int
    """Requests sent lately that had no first token in time."""
    judged: int
    """Requests sent lately of which it is known: answered, or waiting longer than promised."""
    oldest: float
    """Seconds that the oldest request under way has waited for its end; 0: none is under way."""


def lately(story: Timeline, now: float) -> Lately:
    """Look at the requests sent in the last `RECENT` seconds."""
    limit = story.objective.threshold
    ended = story.requests(now - RECENT, now, feature=story.feature)
    waits = [record.ttft for record in ended if record.ttft is not None]
    waiting = len(story.waiting(now - RECENT, now - limit))
    under_way = [sent.at for sent in story.waiting(0.0, now)]
    in_time = sum(wait <= limit for wait in waits)
    return Lately(
        p50=quantile(waits, 0.5),
        p99=quantile(waits, 0.99),
        late=len(ended) - in_time + waiting,
        judged=len(ended) + waiting,
        oldest=now - min(under_way) if under_way else 0.0,
    )


def shares_text(shares: Mapping[str, int]) -> str:
    """Write shares of 0..1000 for people."""
    return (
        ", ".join(f"{pool} {share / 10:g} %" for pool, share in shares.items()) or "not known yet"
    )


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
        if story.would_shift(seen):
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
        ("requests failed", f"{total.failed} of {total.sent}"),
        ("requests cut off by the end of the load", str(total.cancelled)),
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


def comparison(story: Timeline) -> list[tuple[str, str, str]]:
    """Return the same slow pool without and with the shift: what, without, with.

    Without is the time under Alert; with is the time from the operator's first action to the removal of
    the cause. Empty where the story did not come that far.
    """
    action, end = first_action(story), story.marks.get(Mark.REMOVED)
    cause, shift = story.marks.get(Mark.CAUSE), story.marks.get(Mark.SHIFT)
    if action is None or end is None or cause is None or shift is None:
        return []
    columns = (_span_facts(story, cause, shift), _span_facts(story, action, end))
    return [(name, *values) for name, *values in zip(_FACTS, *columns, strict=True)]


_FACTS = ("requests of the slow rule", "first token in time", "first token p50", "first token p99",
          "failed")  # fmt: skip


def _span_facts(story: Timeline, begin: float, end: float) -> tuple[str, ...]:
    seen = story.requests(begin, end, feature=story.feature)
    waits = [record.ttft for record in seen if record.ttft is not None]
    good = story.good_fraction(begin, end)
    failed = sum(record.outcome == "failed" for record in seen)
    return (
        str(len(seen)),
        "-" if good is None else f"{good:.0%}",
        duration(quantile(waits, 0.5)),
        duration(quantile(waits, 0.99)),
        f"{failed} of {len(seen)}",
    )


def _waits(story: Timeline, first: Mark, last: Mark) -> str:
    if first not in story.marks or last not in story.marks:
        return "-"
    seen = story.requests(story.marks[first], story.marks[last], feature=story.feature)
    waits = [r.ttft for r in seen if r.ttft is not None]
    return f"{duration(quantile(waits, 0.5))} / {duration(quantile(waits, 0.99))}"


def duration(seconds: float | None) -> str:
    """Write a wait: milliseconds below a second."""
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _span(story: Timeline, mark: Mark, end: float | None) -> str:
    return "-" if end is None or mark not in story.marks else f"{end - story.marks[mark]:.0f} s"
