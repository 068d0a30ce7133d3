"""Weeks are asked for slot by slot: few queries a look, each over one slot, none twice."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.unit.domain.slo.builders import T0, level, objective
from tokenfleet.adapters.prometheus.history import FRESH, History
from tokenfleet.adapters.prometheus.lookback import QUERIES
from tokenfleet.domain.slo.objectives.error_budget import SLOTS
from tokenfleet.domain.slo.observation.measurement import NO_THRESHOLD, Signal
from tokenfleet.ports import PortError, Sample

SLO = objective()
TICK = timedelta(seconds=15)
LABELS = {"namespace": "team-a", "route": "chat", "rule": "slow", "pool": "large"}


class Store:
    """Every slot has 95 good and 5 bad attempts of one feature."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, datetime]] = []
        self.fails = self.forgot = False

    async def query(self, promql: str, *, at: datetime) -> Sequence[Sample]:
        self.asked.append((promql, at))
        if self.fails:
            msg = "refused"
            raise PortError(msg)
        if self.forgot:
            return []
        window = re.search(r'"window", "(\d+)"', promql)
        assert window is not None
        labels = {**LABELS, "feature": "agents", "window": window[1]}
        if "late_attempts" in promql:
            return [Sample(labels={**labels, "threshold": "0.5"}, value=5.0, timestamp=at)]
        return [Sample(labels={**labels, "le": "0.5"}, value=95.0, timestamp=at)]


async def looks(history: History, count: int, objectives=(SLO,), start: datetime = T0) -> datetime:
    for i in range(count):
        await history.look(list(objectives), start + i * TICK)
    return start + count * TICK


async def test_a_budget_is_complete_after_as_many_looks_as_there_are_slots() -> None:
    store = Store()
    history = History(store)
    await looks(history, 10)
    early = history.budgets()[SLO.key]
    await looks(history, SLOTS + 5)
    left = history.budgets()[SLO.key]

    assert early.covered == pytest.approx(10 / SLOTS)
    assert left.covered == 1.0
    assert left.remaining == pytest.approx(0.0)  # 5 % bad of 5 % allowed
    assert left.burners[0].feature == "agents"


async def test_no_query_reads_more_than_a_slot_and_no_slot_is_read_twice() -> None:
    store = Store()
    await looks(History(store), SLOTS + 5)
    ranges = {int(found) for text, _ in store.asked for found in re.findall(r"\[(\d+)s\]", text)}
    ends = [at for text, at in store.asked if "late_attempts" in text and at < T0]

    assert max(ranges) == 14 * 3600
    assert len(ends) == len(set(ends)) == SLOTS - 1


async def test_a_complete_budget_costs_two_queries_in_five_minutes() -> None:
    store = Store()
    history = History(store)
    end = await looks(history, 2 * SLOTS)
    before = len(store.asked)
    await looks(history, int(FRESH / TICK), start=end)

    assert len(store.asked) - before == QUERIES


async def test_a_look_asks_few_queries_however_many_objectives_there_are() -> None:
    store = Store()
    many = [
        objective(
            f"slo-{i}",
            signal=list(Signal)[i % 4],
            threshold=NO_THRESHOLD if i % 4 == 3 else timedelta(seconds=1),
            budget_window=timedelta(hours=1 + i % 20),
        )
        for i in range(200)
    ]
    history = History(store)
    for i in range(50):
        before = len(store.asked)
        await history.look(many, T0 + i * TICK)
        assert len(store.asked) - before <= QUERIES


async def test_parts_take_turns() -> None:
    store = Store()
    short = objective("short", budget_window=timedelta(hours=2))
    history = History(store)
    await looks(history, 4, objectives=(SLO, short))

    assert {*history.budgets()} == {SLO.key, short.key}


async def test_what_prometheus_forgot_is_not_covered() -> None:
    store = Store()
    history = History(store)
    store.forgot = True
    await looks(history, SLOTS)

    assert history.budgets() == {}


async def test_a_failure_is_told_and_the_slot_is_asked_again() -> None:
    store = Store()
    history = History(store)
    store.fails = True
    with pytest.raises(PortError):
        await history.look([SLO], T0)
    store.fails = False
    await history.look([SLO], T0 + TICK)

    assert history.budgets()[SLO.key].total == 100


async def test_new_bounds_keep_what_is_known_and_a_new_threshold_does_not() -> None:
    store = Store()
    history = History(store)
    await looks(history, 10)
    await history.look([replace(SLO, min_total=99)], T0 + 10 * TICK)
    kept = history.budgets()[SLO.key].covered
    await history.look([replace(SLO, threshold=timedelta(seconds=1))], T0 + 11 * TICK)

    assert kept == pytest.approx(11 / SLOTS)
    assert history.budgets()[SLO.key].covered == pytest.approx(1 / SLOTS)


def test_levels_have_no_budget() -> None:
    assert not hasattr(level(), "budget_window")


async def test_a_clock_that_is_set_back_makes_the_running_slot_old() -> None:
    store = Store()
    history = History(store)
    await looks(history, 3)
    store.asked.clear()
    before = T0 - timedelta(minutes=10)
    await looks(history, 1, start=before)

    assert [at for _, at in store.asked] == [before] * QUERIES
