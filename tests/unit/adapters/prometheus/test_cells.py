"""Every signal calls the same attempts good or bad by what it looks at."""

from datetime import timedelta

import pytest

from tests.unit.domain.slo.builders import RULE, T0
from tokenfleet.adapters.prometheus.cells import cells_of
from tokenfleet.adapters.prometheus.queries import Family
from tokenfleet.domain.slo.observation.measurement import NO_THRESHOLD, Cell, Signal, Tally
from tokenfleet.ports import Sample

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def row(value: float, **labels: str) -> Sample:
    named = {"namespace": "team-a", "route": "chat", "rule": "slow", "pool": "a", **labels}
    return Sample(labels={"window": "60000", **named}, value=value, timestamp=T0)


def outcomes(**counts: float) -> list[Sample]:
    return [row(count, outcome=name) for name, count in counts.items()]


def buckets(**counts: float) -> list[Sample]:
    """`le1=60, inf=100`: 60 within 1 s, 100 in all."""
    return [row(n, le={"le1": "1.0", "inf": "+Inf"}[name]) for name, n in counts.items()]


def only(rows: dict[Family, list[Sample]], signal: Signal) -> Cell:
    return next(cell for cell in cells_of(rows)[RULE] if cell.signal is signal)


def tally(rows: dict[Family, list[Sample]], signal: Signal) -> Tally:
    return only(rows, signal).windows[MINUTE]


def test_an_error_is_the_fault_of_the_pool_and_nobody_else() -> None:
    rows = {
        Family.OUTCOMES: outcomes(
            ok=80,
            client_error=50,
            server_error=1,
            throttled=2,
            connect=3,
            timeout=4,
            broken_stream=5,
        )
    }

    assert tally(rows, Signal.ERRORS) == Tally({NO_THRESHOLD: 80}, {NO_THRESHOLD: 15})


@pytest.mark.parametrize(
    ("ended", "good", "bad"),
    [
        pytest.param({"ok": 100}, 60, 40, id="all answered: the histogram is exact"),
        pytest.param(
            {"ok": 40, "server_error": 60}, 0, 100, id="fast errors do not pass for fast answers"
        ),
        pytest.param(
            {"ok": 60, "timeout": 40}, 60, 40, id="slow errors are bad once and not twice"
        ),
        pytest.param(
            {"ok": 70, "client_error": 30}, 30, 40, id="refusals of bad requests are not counted"
        ),
        pytest.param(
            {"ok": 70, "server_error": 30}, 30, 70, id="fast errors do not hide slow answers"
        ),
        pytest.param({"ok": 40}, 40, 0, id="who gave up is neither good nor bad"),
        pytest.param({"client_error": 100}, 0, 0, id="nothing but bad requests"),
    ],
)
def test_of_a_hundred_attempts_sixty_ended_within_the_threshold(ended, good, bad) -> None:
    rows = {Family.DURATIONS: buckets(le1=60, inf=100), Family.OUTCOMES: outcomes(**ended)}

    assert tally(rows, Signal.END_TO_END) == Tally({SECOND: good}, {SECOND: bad})


def test_a_slow_stream_and_a_failed_one_are_bad_tokens_and_a_failed_whole_answer_is_not() -> None:
    """The router puts failed streams above every boundary."""
    rows = {
        Family.TPOT: buckets(le1=60, inf=100),
        Family.OUTCOMES: outcomes(ok=90, server_error=30),
    }

    assert tally(rows, Signal.TPOT) == Tally({SECOND: 60}, {SECOND: 40})


def test_a_broken_series_blinds_only_the_signals_that_are_made_of_it() -> None:
    rows = {
        Family.DURATIONS: buckets(le1=float("nan"), inf=1),
        Family.OUTCOMES: outcomes(ok=1),
        Family.GOOD: [row(1, le="1.0")],
    }
    broken = {cell.signal: cell.broken for cell in cells_of(rows)[RULE]}

    assert broken == {Signal.TTFT: False, Signal.ERRORS: False, Signal.END_TO_END: True}
