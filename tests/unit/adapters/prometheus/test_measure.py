"""Rows become a measurement whatever their order, and what cannot be believed is marked."""

import math
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.domain.slo.builders import RULE, T0, THRESHOLD, objective
from tokenfleet.adapters.prometheus.measure import measure, read
from tokenfleet.adapters.prometheus.queries import Family, Query
from tokenfleet.adapters.prometheus.source import PartialError
from tokenfleet.ports import PortError, Sample

MINUTE = timedelta(minutes=1)


def row(family: str, value: float, **labels: str) -> tuple[Query, list[Sample]]:
    named = {"namespace": "team-a", "route": "chat", "rule": "slow", "window": "60000", **labels}
    return Query(Family(family), ""), [Sample(labels=named, value=value, timestamp=T0)]


def measured(*rows: tuple[Query, list[Sample]]):
    return read(rows, at=T0, scrape_interval=timedelta(seconds=15))


def test_boundaries_that_are_written_differently_add_up() -> None:
    found = measured(
        row("good", 3, pool="a", le="0.5"),
        row("good", 4, pool="a", le="0.50"),
        row("bad", 2, pool="a", threshold="0.5"),
    )
    tally = found.rule(RULE).cells[0].windows[MINUTE]

    assert tally.good == {THRESHOLD: 7.0}
    assert tally.bad == {THRESHOLD: 2.0}
    assert not found.rule(RULE).cells[0].broken


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1.0])
def test_what_is_no_count_breaks_its_cell_only(value: float) -> None:
    found = measured(row("good", value, pool="a", le="0.5"), row("good", 3, pool="b", le="0.5"))

    assert {cell.pool: cell.broken for cell in found.rule(RULE).cells} == {"a": True, "b": False}


def test_two_rows_that_contradict_each_other_break_their_cell() -> None:
    found = measured(row("good", 3, pool="a", le="0.5"), row("good", 4, pool="a", le="0.5"))

    assert found.rule(RULE).cells[0].broken


def test_a_row_given_twice_counts_once() -> None:
    found = measured(row("good", 3, pool="a", le="0.5"), row("good", 3, pool="a", le="0.5"))

    assert found.rule(RULE).cells[0].windows[MINUTE].good == {THRESHOLD: 3.0}


@settings(max_examples=50)
@given(st.permutations(range(6)))
def test_the_order_of_rows_does_not_matter(order: list[int]) -> None:
    rows = [
        row("good", 3, pool="a", le="0.5"),
        row("bad", 1, pool="a", threshold="0.5"),
        row("good", 9, pool="b", le="0.5"),
        row("ladder", 9, le="+Inf"),
        row("demand", 0.2),
        row("scrapes", 4, pod="router-1"),
    ]

    assert measured(*(rows[i] for i in order)) == measured(*rows)


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(Family)),
            st.floats(),
            st.dictionaries(
                st.sampled_from(
                    ["namespace", "route", "rule", "pool", "le", "threshold", "window", "pod"]
                ),
                st.sampled_from(["", "a", "0.5", "NaN", "+Inf", "60000", "chat"]),
            ),
        ),
        max_size=12,
    )
)
def test_any_rows_can_be_read(rows: list) -> None:
    """A store that answers nonsense must not stop the tick."""
    answers = [
        (Query(family, ""), [Sample(labels=labels, value=value, timestamp=T0)])
        for family, value, labels in rows
    ]

    assert read(answers, at=T0, scrape_interval=timedelta(seconds=15)).at == T0


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(PortError("refused"), "SourceError", id="an error of the source"),
        pytest.param(PartialError("store gateway down"), "Partial", id="a partial answer"),
    ],
)
async def test_what_the_source_cannot_say_is_a_named_failure(error, reason: str) -> None:
    class Failing:
        async def query(self, promql, *, at):
            raise error

    found = await measure(
        Failing(), objectives=[objective()], replicas=[], at=T0, scrape_interval=MINUTE
    )

    assert found.failure is not None
    assert found.failure.reason == reason
