"""Money by the hour or day: what was spent, what it comes to, and what is done about it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.domain.slo.builders import RULE, T0, WINDOWS, Fleet, level, used
from tests.unit.domain.slo.test_levels import CHEAP, DEAR, pools
from tokenfleet.domain.slo.objectives.spec import Level, LevelObjective
from tokenfleet.domain.slo.observation.data_state import Kind
from tokenfleet.domain.slo.observation.measurement import Measurement, RuleKey, Usage, UsageCell
from tokenfleet.domain.slo.observation.spent import hours_of, spent

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
RATE, COMPLETION = 0.1, 1000
"""0.02 for a request at the large pool, 0.002 for a second, 86.4 for the twelve hours from noon."""


def spend(limit: float, period: timedelta = DAY, **changes) -> LevelObjective:
    return level("spend", Level.SPEND, limit, period=period, **changes)


class Wallet(Fleet):
    """A fleet at noon whose large pool has answered so many tokens since midnight."""

    def __init__(self, limit: float, *, since: float | None = 0.0, **changes) -> None:
        super().__init__(objectives=(), levels=(spend(limit),), pools=pools(), **changes)
        self.usage = (used("large", RATE, completion=COMPLETION),)
        self.since = since

    def measured(self, *cells, **changes) -> Measurement:
        seen = super().measured(*cells, **changes)
        if self.since is None:
            return seen
        return replace(seen, spent={"team-a/spend": {"large": Usage(completion=self.since)}})


def test_the_forecast_is_what_was_spent_and_the_rate_for_the_rest() -> None:
    """5 million tokens are 100; noon and a tick later 86.4 are to come."""
    view = Wallet(limit=200, since=5_000_000).see(demand=RATE).slos["team-a/spend"]

    assert view.spend is not None
    assert view.spend.spent == pytest.approx(100)
    assert view.spend.forecast == pytest.approx(186.4, rel=0.001)
    assert view.spend.ends == T0 + timedelta(hours=12)
    assert (view.met, float(view.value)) == (True, pytest.approx(186.4, rel=0.001))
    assert view.burn_rate == pytest.approx(186.4 / 200, rel=0.001)


def test_a_forecast_above_the_limit_shifts_to_the_cheaper_pool() -> None:
    fleet = Wallet(limit=150, since=5_000_000)
    fleet.see(demand=RATE)

    assert fleet.transitions == ["L5"]
    assert "forecast of the day 186.3" in fleet.decisions[0].message
    assert fleet.shares() == {"large": 900, "small": 100}


def test_a_busy_hour_of_a_day_that_stays_within_its_money_moves_nothing() -> None:
    fleet = Wallet(limit=150, since=0)
    fleet.see(seconds=3600, demand=RATE)

    assert fleet.transitions == []


def test_what_is_overspent_stays_away_until_the_day_ends() -> None:
    fleet = Wallet(limit=50, since=5_000_000)
    fleet.see(seconds=3 * 3600, demand=RATE)
    away = fleet.shares()["large"]
    fleet.now, fleet.since = T0 + timedelta(hours=12), 0.0
    fleet.usage = (used("large", RATE, completion=10),)
    fleet.see(seconds=3600, demand=RATE)

    assert away < 300
    assert fleet.shares()["large"] > away
    assert "L6" in fleet.transitions


def test_without_knowing_what_was_spent_nothing_is_said_and_nothing_moves() -> None:
    fleet = Wallet(limit=1, since=None)
    view = fleet.see(demand=RATE).slos["team-a/spend"]

    assert (view.data.kind, view.data.reason) == (Kind.UNKNOWN, "SpendUnknown")
    assert (view.spend, view.met, fleet.transitions) == (None, None, [])


def test_money_needs_token_prices() -> None:
    fleet = Wallet(limit=1, since=100)
    fleet.pools = {name: replace(p, tokens=None, hourly=2.0) for name, p in fleet.pools.items()}
    view = fleet.see(demand=RATE).slos["team-a/spend"]

    assert (view.data.kind, view.data.reason) == (Kind.UNKNOWN, "TokenPricesMissing")
    assert view.refused is not None
    assert view.refused.reason == "TokenPricesMissing"


def test_a_step_that_does_not_help_is_not_taken() -> None:
    fleet = Wallet(limit=1, since=100)
    fleet.pools = pools(large=CHEAP, small=DEAR)
    fleet.see(demand=RATE)

    assert fleet.transitions == []


@pytest.mark.parametrize(
    ("period", "hours"),
    [pytest.param(HOUR, [12], id="an hour"), pytest.param(DAY, range(13), id="a day")],
)
def test_a_period_has_whole_hours_and_the_one_that_runs(period: timedelta, hours) -> None:
    now = T0 + timedelta(minutes=20)

    assert [hour.hour for hour in hours_of(spend(1, period), now)] == list(hours)


def cells(tokens: float, rule: RuleKey = RULE, **labels: str):
    cell = UsageCell(pool="large", windows={HOUR: Usage(completion=tokens)}, **labels)
    return {rule: (cell,)}


def test_hours_add_up_and_a_missing_one_is_unknown() -> None:
    slo, now = spend(1), T0 + timedelta(minutes=20)
    hours = {hour: cells(10) for hour in hours_of(slo, now)}

    assert spent(slo, hours, now) == {"large": Usage(completion=130)}
    del hours[T0 - HOUR]
    assert spent(slo, hours, now) is None


def test_only_what_the_objective_is_about_counts() -> None:
    slo = spend(1, HOUR, rule="slow", features=frozenset({"search"}))
    found = [
        cells(1, feature="search"),
        cells(2, feature="other"),
        cells(4, RULE._replace(rule="fast"), feature="search"),
        cells(8, RULE._replace(namespace="team-b"), feature="search"),
    ]

    counted = [spent(slo, {T0: one}, T0 + WINDOWS.short) for one in found]

    assert counted == [{"large": Usage(completion=1)}, {}, {}, {}]
