"""Looking back: a little with every tick, bounded, and forgotten when it is old."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from tests.unit.domain.slo.builders import RULE, T0, objective
from tokenfleet.adapters.prometheus.lookback import OLDEST, QUERIES, Lookback
from tokenfleet.adapters.prometheus.queries import BUDGET, MAX_QUERIES
from tokenfleet.domain.slo.observation.measurement import NO_THRESHOLD, Signal
from tokenfleet.domain.slo.reporting.burn_rates import FAR, FARTHEST, NEAR
from tokenfleet.ports import PortError, Sample

WINDOWS = (*NEAR, *FAR, *FARTHEST)
TICK = timedelta(seconds=15)
SLO = objective()
ERRORS = objective("errors", signal=Signal.ERRORS, threshold=NO_THRESHOLD)


class Store:
    """Answers every query with one tenth bad, and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[datetime, str]] = []
        self.failing = False

    async def query(self, promql: str, *, at: datetime) -> Sequence[Sample]:
        self.asked.append((at, promql))
        if self.failing:
            msg = "down"
            raise PortError(msg)
        where = {**RULE._asdict(), "pool": "large"}
        label, good, bad = (
            ("outcome", {"ok": 900.0}, {"server_error": 100.0})
            if "attempts_total" in promql and "late" not in promql
            else ("threshold", {}, {"0.5": 100.0})
            if "late" in promql
            else ("le", {"0.5": 900.0}, {})
        )
        return [
            Sample(
                labels={**where, label: name, "window": str(window // timedelta(milliseconds=1))},
                value=value,
                timestamp=at,
            )
            for window in WINDOWS
            if f"[{int(window.total_seconds())}s]" in promql
            for name, value in {**good, **bad}.items()
        ]


async def ticks(lookback: Lookback, count: int, objectives=(SLO,), start=T0) -> datetime:
    at = start
    for _ in range(count):
        await lookback.look(objectives, at)
        at += TICK
    return at


async def test_every_window_is_known_after_three_ticks() -> None:
    lookback = Lookback(Store())
    await ticks(lookback, 3)

    assert lookback.rates()[SLO.key] == {w: pytest.approx(2.0) for w in WINDOWS}


async def test_a_tick_asks_two_queries_at_most_and_most_ticks_ask_none() -> None:
    store = Store()
    await ticks(Lookback(store), 40)
    per_tick = [sum(1 for at, _ in store.asked if at == T0 + n * TICK) for n in range(40)]

    assert max(per_tick) == QUERIES
    assert per_tick.count(0) >= 25
    far = [at for at, text in store.asked if "[259200s]" in text]
    assert len(set(far)) == 1, "once in half an hour"


def test_control_and_alerts_together_keep_the_promise() -> None:
    assert sum(BUDGET.values()) + QUERIES <= MAX_QUERIES


async def test_signals_take_turns() -> None:
    lookback = Lookback(Store())
    await ticks(lookback, 6, (SLO, ERRORS))

    assert lookback.rates()[ERRORS.key] == {w: pytest.approx(2.0) for w in WINDOWS}


async def test_old_answers_are_kept_for_a_while_and_then_forgotten() -> None:
    store = Store()
    lookback = Lookback(store)
    at = await ticks(lookback, 3)
    store.failing = True
    with pytest.raises(PortError):
        await lookback.look((SLO,), at + timedelta(minutes=2))
    kept = lookback.rates()[SLO.key]
    with pytest.raises(PortError):
        await lookback.look((SLO,), at + OLDEST * timedelta(minutes=1) + TICK)
    later = lookback.rates()[SLO.key]

    assert set(kept) == set(WINDOWS)
    assert set(later) == {*FAR, *FARTHEST}


async def test_a_signal_that_nobody_asks_about_is_forgotten() -> None:
    lookback = Lookback(Store())
    at = await ticks(lookback, 3)
    await lookback.look((), at)

    assert lookback.rates() == {}


async def test_a_clock_that_is_set_back_makes_every_answer_old() -> None:
    store = Store()
    lookback = Lookback(store)
    await ticks(lookback, 3)
    store.asked.clear()
    before = T0 - timedelta(hours=2)
    await ticks(lookback, 3, start=before)

    assert {at for at, _ in store.asked} == {before, before + TICK, before + 2 * TICK}
    assert set(lookback.rates()[SLO.key]) == set(WINDOWS)
