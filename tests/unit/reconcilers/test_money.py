"""Money of spend objectives: asked hour by hour, and never twice for an hour that is over."""

from datetime import datetime, timedelta

import pytest

from tests.support.fakes import T0
from tests.unit.domain.fleet.builders import slo
from tokenfleet.domain.slo.observation.measurement import (
    Measurement,
    RuleKey,
    Usage,
    UsageCell,
)
from tokenfleet.domain.slo.observation.spent import HOUR, Cells
from tokenfleet.ports import PortError
from tokenfleet.reconcilers.money import AT_ONCE, FRESH, Money
from tokenfleet.reconcilers.store import Store

NOW = T0 + timedelta(minutes=20)
TICK = timedelta(seconds=15)
CHAT = RuleKey("ns", "chat", "slow")


class Bench:
    def __init__(self, per: str = "Day") -> None:
        self.asked: list[tuple[datetime, timedelta]] = []
        self.failing = False
        self.store = Store(lambda _: None)
        objective = {"type": "Spend", "spend": {"max": "10", "per": per}}
        self.store.put(
            slo(
                "money", objective=objective, targetRef={"name": "chat"}, onBreach={"type": "Alert"}
            )
        )
        self.money = Money(store=self.store, ask=self.ask)

    async def ask(self, end: datetime, span: timedelta) -> Cells:
        if self.failing:
            msg = "down"
            raise PortError(msg)
        self.asked.append((end, span))
        return {CHAT: (UsageCell(pool="large", windows={span: Usage(requests=1)}),)}

    async def looks(self, count: int, start: datetime = NOW) -> None:
        for n in range(count):
            await self.money.look(start + n * TICK)

    def requests(self, at: datetime) -> float | None:
        seen = self.money.added(Measurement(at=at))
        assert seen is not None
        pools = seen.spent.get("ns/money")
        return pools["large"].requests if pools is not None else None


async def test_a_day_is_known_after_a_few_looks() -> None:
    bench = Bench()
    await bench.looks(2)
    early = bench.requests(NOW)
    await bench.looks(2, NOW + 2 * TICK)

    assert early is None
    assert bench.requests(NOW) == 13
    assert max(span for _, span in bench.asked) == HOUR
    assert len(bench.asked) == 13


async def test_hours_that_are_over_are_asked_for_once() -> None:
    bench = Bench()
    await bench.looks(4)
    bench.asked.clear()
    await bench.looks(8, NOW + FRESH)

    assert [end for end, _ in bench.asked] == [NOW + FRESH, NOW + 2 * FRESH]


async def test_the_hour_that_has_just_ended_is_known_until_it_is_asked_for() -> None:
    bench = Bench()
    await bench.looks(4)
    later = T0 + HOUR + timedelta(seconds=2)
    bench.asked.clear()
    await bench.looks(1, later)

    assert bench.asked == [(later, timedelta(seconds=2)), (T0 + HOUR, HOUR)]
    assert bench.requests(later) == 14


async def test_an_hour_needs_one_question() -> None:
    bench = Bench("Hour")
    await bench.looks(1)

    assert bench.asked == [(NOW, timedelta(minutes=20))]
    assert bench.requests(NOW) == 1


async def test_a_new_day_begins_at_nothing() -> None:
    bench = Bench()
    await bench.looks(4)
    midnight = T0 + timedelta(hours=12)
    await bench.looks(1, midnight)

    seen = bench.money.added(Measurement(at=midnight))
    assert seen is not None
    assert seen.spent == {"ns/money": {}}


async def test_a_failure_is_told_and_the_rest_is_asked_for_later() -> None:
    bench = Bench()
    bench.failing = True
    with pytest.raises(PortError):
        await bench.looks(1)
    bench.failing = False
    await bench.looks(1)

    assert len(bench.asked) == 1 + AT_ONCE


async def test_without_spend_objectives_nobody_is_asked() -> None:
    bench = Bench()
    money = Money(store=Store(lambda _: None), ask=bench.ask)
    await money.look(NOW)

    assert bench.asked == []
    seen = Measurement(at=NOW)
    assert money.added(seen) is seen
    assert money.added(None) is None


async def test_a_clock_that_is_set_back_makes_the_running_hour_old() -> None:
    bench = Bench(per="Hour")
    await bench.looks(1)
    before = NOW - timedelta(minutes=10)
    await bench.looks(2, before)

    assert [end for end, _ in bench.asked] == [NOW, before]
