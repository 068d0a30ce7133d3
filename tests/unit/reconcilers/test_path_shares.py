"""Shares of paths: asked for every few minutes, believed for a while, told to whom they concern."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.fakes import T0
from tests.unit.domain.fleet.builders import slo
from tokenfleet.domain.fleet.keys import ROUTE, SLO, ObjectKey
from tokenfleet.domain.slo.objectives.path_share import Taken
from tokenfleet.domain.slo.observation.measurement import RuleKey
from tokenfleet.ports import PortError
from tokenfleet.reconcilers.path_shares import PathShares
from tokenfleet.reconcilers.renewed import EVERY, OLDEST
from tokenfleet.reconcilers.store import Store

FAST, SLOW = RuleKey("ns", "chat", "fast"), RuleKey("ns", "chat", "slow")


class Bench:
    def __init__(self, **spec: Any) -> None:
        self.fast, self.failing = 80.0, False
        self.asked: list[tuple[datetime, bool]] = []
        self.woken: list[ObjectKey] = []
        store = Store(lambda _: None)
        promise = {"type": "FastPathShare", "fastPathShare": {"min": "0.80"}}
        target = {"name": "chat", "sectionName": "fast"}
        store.put(
            slo("fast", objective=promise, targetRef=target, onBreach={"type": "Alert"}, **spec)
        )
        store.put(slo())
        self.shares = PathShares(store=store, ask=self.ask, wake=self.woken.append)

    async def ask(self, at: datetime, *, split: bool) -> tuple[Taken, ...]:
        self.asked.append((at, split))
        if self.failing:
            msg = "down"
            raise PortError(msg)
        return (Taken(FAST, "", "", self.fast), Taken(SLOW, "", "", 100 - self.fast))

    def told(self) -> tuple[str, bool | None]:
        view = self.shares.views()["ns/fast"]
        return view.data.kind.value, view.met


async def test_one_question_in_five_minutes_however_often_it_looks() -> None:
    bench = Bench()
    for tick in range(41):
        await bench.shares.look(T0 + tick * timedelta(seconds=15))

    assert [at for at, _ in bench.asked] == [T0, T0 + EVERY, T0 + 2 * EVERY]
    assert bench.shares.shares() == {FAST: 0.8, SLOW: 0.2}


async def test_it_asks_by_label_only_where_somebody_selects() -> None:
    plain, narrow = Bench(), Bench(selector={"features": ["search"]})
    await plain.shares.look(T0)
    await narrow.shares.look(T0)

    assert (plain.asked, narrow.asked) == ([(T0, False)], [(T0, True)])


async def test_whom_a_change_concerns_is_woken_and_nobody_else() -> None:
    bench = Bench()
    await bench.shares.look(T0)
    first = set(bench.woken)
    bench.woken.clear()
    await bench.shares.look(T0 + EVERY)
    same = list(bench.woken)
    bench.fast = 70.0
    await bench.shares.look(T0 + 2 * EVERY)

    concerned = {ObjectKey(ROUTE, "ns", "chat"), ObjectKey(SLO, "ns", "fast")}
    assert (first, same, set(bench.woken)) == (concerned, [], concerned)
    assert bench.told() == ("OK", False)


async def test_an_old_answer_is_believed_for_a_while() -> None:
    bench = Bench()
    await bench.shares.look(T0)
    bench.failing = True
    with pytest.raises(PortError):
        await bench.shares.look(T0 + EVERY)
    kept = bench.told()
    with pytest.raises(PortError):
        await bench.shares.look(T0 + OLDEST + EVERY)

    assert (kept, bench.told()) == (("OK", True), ("Unknown", None))
    assert bench.shares.shares() == {}


async def test_without_a_prometheus_it_says_so() -> None:
    bench = Bench()
    bench.shares.ask = None
    await bench.shares.look(T0)

    assert bench.told() == ("Unknown", None)
    assert bench.shares.views()["ns/fast"].data.message == (
        "the operator runs without --prometheus-url"
    )


async def test_a_clock_that_is_set_back_makes_an_answer_old() -> None:
    bench = Bench()
    before = T0 - timedelta(hours=2)
    await bench.shares.look(T0)
    await bench.shares.look(before)
    await bench.shares.look(before + timedelta(seconds=15))

    assert [at for at, _ in bench.asked] == [T0, before]
