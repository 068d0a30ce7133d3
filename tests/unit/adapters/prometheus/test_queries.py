"""The text of one tick's queries is pinned: Prometheus' owners review it once."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.domain.slo.builders import REPLICA, SECOND, level, objective
from tokenfleet.adapters.prometheus.lookback import QUERIES
from tokenfleet.adapters.prometheus.queries import BUDGET, MAX_QUERIES, USAGE, Family, queries
from tokenfleet.domain.slo.objectives.spec import Level, Windows
from tokenfleet.domain.slo.observation.measurement import NO_THRESHOLD, Signal

LOOKBACK = HISTORY = QUERIES
"""Queries beside the tick: one part of the burn rates, one slot of the error budgets."""
GOLDEN = Path(__file__).parent / "testdata" / "queries.promql"


def test_the_queries_of_a_tick_are_the_golden_ones(update_golden) -> None:
    slos = [
        objective("one"),
        objective(
            "two",
            threshold=timedelta(seconds=1),
            windows=Windows(short=timedelta(seconds=5), long=timedelta(milliseconds=15500)),
        ),
        objective("three", signal=Signal.ERRORS, threshold=NO_THRESHOLD),
        objective("four", signal=Signal.END_TO_END, threshold=timedelta(seconds=30)),
        objective("five", signal=Signal.TPOT, threshold=timedelta(milliseconds=50)),
        level("six"),
        level("seven", Level.CACHE, windows=Windows(short=5 * SECOND, long=10 * SECOND)),
    ]
    replicas = [REPLICA, replace(REPLICA, pod="router-2.a")]
    text = "".join(f"# {q.family}\n{q.text}\n" for q in queries(slos, replicas))
    if update_golden:
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(text)

    assert text == GOLDEN.read_text()
    assert queries(slos[::-1], replicas[::-1]) == queries(slos, replicas)


@pytest.mark.parametrize(
    "count",
    [pytest.param(1, id="one"), pytest.param(60, id="sixty"), pytest.param(1000, id="a thousand")],
)
def test_thirty_queries_are_enough_for_any_number_of_objectives(count: int) -> None:
    kinds = list(Signal)
    slos = [
        objective(
            f"slo-{i}",
            signal=kinds[i % len(kinds)],
            windows=Windows(short=timedelta(seconds=5 + i), long=timedelta(seconds=20 + i)),
            features=frozenset({"chat"}),
        )
        for i in range(count)
    ]
    levels = [
        level(
            f"level-{i}",
            list(Level)[i % len(Level)],
            windows=Windows(short=timedelta(seconds=5 + i), long=timedelta(seconds=20 + i)),
        )
        for i in range(count)
    ]

    asked = queries([*slos, *levels], [REPLICA])

    assert len(asked) + LOOKBACK + HISTORY <= MAX_QUERIES
    assert {query.family for query in asked} >= ({*Family} if count > len(kinds) else set())


def test_a_limit_of_what_shifts_cost_asks_for_tokens_in_the_window_of_a_level() -> None:
    plain, limited = objective("one"), objective("one", max_cost_per_hour=40.0)
    before = queries([plain], [REPLICA])
    asked = [query for query in queries([limited], [REPLICA]) if query not in before]

    assert [query.family for query in asked] == [Family.USAGE]
    for series in USAGE.values():
        assert f"sum by (namespace, route, rule, pool) (increase({series}[900s]))" in asked[0].text
    assert asked[0].text.count("increase(") == len(USAGE)
    assert len(before) + 1 == len(queries([limited], [REPLICA]))


def test_a_level_with_a_limit_asks_for_no_more_than_without() -> None:
    assert queries([level(max_cost_per_hour=40.0)], []) == queries([level()], [])


def test_what_speculation_is_worth_is_asked_without_objectives() -> None:
    (asked,) = [one for one in queries([], []) if one.family is Family.ENGINE_LOAD]

    assert "vllm:spec_decode_num_accepted_tokens_total" in asked.text


def test_the_promise_holds_with_what_is_asked_beside_the_tick() -> None:
    assert sum(BUDGET.values()) + LOOKBACK + HISTORY <= MAX_QUERIES


def test_a_family_is_asked_for_only_where_an_objective_needs_it() -> None:
    errors = objective(signal=Signal.ERRORS, threshold=NO_THRESHOLD)
    asked = {query.family for query in queries([errors], [])}

    assert asked == {"outcomes", "demand", "engine-load"}


def test_labels_are_asked_for_only_where_an_objective_selects_by_them() -> None:
    plain = queries([objective()], [REPLICA])
    narrow = queries([objective(features=frozenset({"chat"}))], [REPLICA])

    assert not any("feature" in query.text for query in plain)
    assert any("feature, request_type, le" in query.text for query in narrow)


def test_without_objectives_only_demand_engines_and_scrapes_are_asked_for() -> None:
    found = [query.family for query in queries([], [REPLICA])]

    assert found == ["engine-load", "scrapes", "demand", "newest"]
