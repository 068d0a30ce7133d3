"""From rows to cells: the attempts of one pool under one pair of labels, by each signal.

    signal              good                                   bad
    ==================  =====================================  ==================================
    TimeToFirstToken    first token within T                   `late` at T, as the router counts;
                                                               given up, on a pool that hangs
    Errors              ok                                     failed
    EndToEnd            ok within T                            every other attempt that was ok or
                                                               failed
    TimePerOutputToken  within T                               beyond T, or failed

Failed is a server error, throttling, a refused connection, a timeout or a broken stream. The
lengths of attempts are not split by outcome. Thresholds of whole answers are long, so refusals and
errors are taken to have come within T and are taken away; timeouts and broken streams are taken to
have come after it; and never more are good than were ok. What remains of the doubt: a stream that
broke, or was given up, within T may hide one answer that was too long.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from tokenfleet.adapters.prometheus.queries import Family
from tokenfleet.adapters.prometheus.rows import number, rule_of, seconds, sound, window_of
from tokenfleet.domain.slo.observation.measurement import NO_THRESHOLD, Cell, RuleKey, Signal, Tally
from tokenfleet.ports import Sample

FAILED: Final = frozenset({"server_error", "throttled", "connect", "timeout", "broken_stream"})
"""Outcomes that are the pool's fault."""
_AT_ONCE: Final = frozenset({"client_error", "server_error", "throttled", "connect"})
"""Outcomes that come within any threshold of whole answers."""

_BOUNDARY: Final = {
    Family.GOOD: "le",
    Family.BAD: "threshold",
    Family.ABANDONED: "",
    Family.OUTCOMES: "outcome",
    Family.DURATIONS: "le",
    Family.TPOT: "le",
}
"""Families of rows that cells are made of -> the label that divides them."""

_NAMED: Final = frozenset({Family.OUTCOMES, Family.ABANDONED})
"""Families that no boundary divides."""

_MADE_OF: Final[Mapping[Signal, tuple[Family, ...]]] = {
    Signal.TTFT: (Family.GOOD, Family.BAD, Family.ABANDONED),
    Signal.ERRORS: (Family.OUTCOMES,),
    Signal.END_TO_END: (Family.DURATIONS, Family.OUTCOMES),
    Signal.TPOT: (Family.TPOT,),
}

_Steps = dict[timedelta, float]


@dataclass(slots=True)
class _Draft:
    """A place while its rows come in: family -> window -> boundary as text -> attempts."""

    counts: dict[Family, dict[timedelta, dict[str, float]]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    broken: set[Family] = field(default_factory=set)

    def enter(self, family: Family, window: timedelta, boundary: str, value: float) -> None:
        counts = self.counts[family].setdefault(window, {})
        if not sound(value) or counts.setdefault(boundary, value) != value:
            self.broken.add(family)

    def steps(self, family: Family, window: timedelta) -> _Steps:
        """Add up boundaries that are written differently, such as `1` and `1.0` of two replicas."""
        sums: _Steps = {}
        for text, value in self.counts[family].get(window, {}).items():
            threshold = seconds(text)
            if threshold is not None:
                sums[threshold] = sums.get(threshold, 0.0) + value
        return sums

    def outcome(self, window: timedelta, names: Collection[str]) -> float:
        counts = self.counts[Family.OUTCOMES].get(window, {})
        return sum(value for name, value in counts.items() if name in names)


def cells_of(rows: Mapping[Family, Iterable[Sample]]) -> dict[RuleKey, list[Cell]]:
    """Return the cells of every rule; a family without rows makes none."""
    drafts: dict[tuple[RuleKey, str, str, str], _Draft] = defaultdict(_Draft)
    for family, boundary in _BOUNDARY.items():
        for row in rows.get(family, ()):
            key, window = rule_of(row), window_of(row)
            text = row.labels.get(boundary, "")
            if key is None or window is None:
                continue
            if family not in _NAMED and number(text) is None:
                continue
            place = (row.labels.get("pool", ""), row.labels.get("feature", ""))
            draft = drafts[(key, *place, row.labels.get("request_type", ""))]
            draft.enter(family, window, text, row.value)
    cells: dict[RuleKey, list[Cell]] = defaultdict(list)
    for (key, pool, feature, request_type), draft in sorted(drafts.items()):
        for signal, windows in _signals(draft):
            cells[key].append(
                Cell(
                    pool=pool,
                    signal=signal,
                    feature=feature,
                    request_type=request_type,
                    windows=windows,
                    broken=not draft.broken.isdisjoint(_MADE_OF[signal]),
                )
            )
    return cells


def _signals(draft: _Draft) -> Iterator[tuple[Signal, dict[timedelta, Tally]]]:
    """Yield the tallies of every signal that there are rows of."""
    for signal, families in _MADE_OF.items():
        own = families if signal is Signal.TTFT else families[:1]
        windows = sorted({w for family in own for w in draft.counts.get(family, {})})
        if windows:
            yield signal, {window: _TALLY[signal](draft, window) for window in windows}


def _first_tokens(draft: _Draft, window: timedelta) -> Tally:
    given_up = draft.counts.get(Family.ABANDONED, {}).get(window, {})
    good, bad = draft.steps(Family.GOOD, window), draft.steps(Family.BAD, window)
    return Tally(good, bad, sum(given_up.values()))


def _errors(draft: _Draft, window: timedelta) -> Tally:
    good, bad = draft.outcome(window, ("ok",)), draft.outcome(window, FAILED)
    return Tally({NO_THRESHOLD: good}, {NO_THRESHOLD: bad})


def _durations(draft: _Draft, window: timedelta) -> Tally:
    ok, failed = draft.outcome(window, ("ok",)), draft.outcome(window, FAILED)
    refused = draft.outcome(window, _AT_ONCE)
    good = {
        threshold: max(0.0, min(count - refused, ok))
        for threshold, count in draft.steps(Family.DURATIONS, window).items()
    }
    return Tally(good, {threshold: ok + failed - count for threshold, count in good.items()})


def _per_token(draft: _Draft, window: timedelta) -> Tally:
    # The router counts streams that failed above every boundary; whole answers never.
    good = draft.steps(Family.TPOT, window)
    counts = draft.counts[Family.TPOT].get(window, {})
    total = sum(value for text, value in counts.items() if number(text) == float("inf"))
    return Tally(good, {threshold: max(0.0, total - count) for threshold, count in good.items()})


_TALLY: Final = {
    Signal.TTFT: _first_tokens,
    Signal.ERRORS: _errors,
    Signal.END_TO_END: _durations,
    Signal.TPOT: _per_token,
}
