"""Hours become days, the oldest go first, and what cannot be read is left out."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tokenfleet.domain.slo.observation.measurement import Usage
from tokenfleet.domain.spending import user_history
from tokenfleet.domain.spending.summary import Spending, Summary
from tokenfleet.domain.spending.user_history import Window, between, hour_of, read, write

NOW = datetime(2026, 11, 26, 14, 20, tzinfo=UTC)


def summary(cost: float, name: str = "ada") -> Summary:
    return Summary({name: Spending(Usage(requests=2, prompt=10, completion=5), cost)})


def hours(count: int) -> dict[Window, dict[str, Summary]]:
    return {hour_of(NOW - timedelta(hours=n)): {"chat": summary(1)} for n in range(count)}


def test_what_is_written_is_read_again() -> None:
    windows = {hour_of(NOW): {"chat": summary(0.25)}}

    data = write(windows, NOW)

    assert list(data) == ["2026-11-26T14"]
    assert read(data) == windows


def test_a_release_that_knows_no_cache_writes_reads_what_has_none() -> None:
    used = Usage(requests=2, prompt=10, completion=5, written=4)
    windows = {hour_of(NOW): {"chat": Summary({"ada": Spending(used, 1.0), "bob": Spending()})}}

    data = write(windows, NOW)
    entries = {user[0]: user for user in json.loads(data["2026-11-26T14"])["chat"]["users"]}

    assert read(data) == windows
    assert (len(entries["bob"]), len(entries["ada"])) == (8, 9)


def test_old_hours_become_a_day_with_the_same_sum() -> None:
    found = read(write(hours(24 * 5), NOW))

    days = [window for window in found if window.end - window.start == timedelta(days=1)]
    assert sorted(window.key for window in days) == ["2026-11-21", "2026-11-22", "2026-11-23"]
    spent = [found[window]["chat"].names["ada"].cost for window in sorted(days)]
    assert spent == [9, 24, 24], "of the first day the last nine hours were known"
    everything = between(found, NOW - timedelta(days=10), NOW)["chat"].names["ada"]
    assert everything.cost == 24 * 5


def test_folding_again_changes_nothing() -> None:
    once = write(hours(24 * 5), NOW)

    assert write(read(once), NOW) == once


def test_a_quarter_is_kept() -> None:
    old = Window.of("2026-08-01")
    young = Window.of("2026-09-01")
    assert old is not None
    assert young is not None

    found = read(write({old: {"chat": summary(1)}, young: {"chat": summary(1)}}, NOW))

    assert list(found) == [young]


def test_the_oldest_go_where_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_history, "LARGEST", 500)

    found = write(hours(24), NOW)

    assert sum(len(key) + len(value) for key, value in found.items()) <= 500
    assert max(found) == "2026-11-26T14"
    assert 0 < len(found) < 24


def test_only_the_dearest_users_of_a_window_are_kept() -> None:
    names = {f"user-{n}": Spending(Usage(requests=1), cost=n) for n in range(50)}

    kept = read(write({hour_of(NOW): {"chat": Summary(names)}}, NOW))[hour_of(NOW)]["chat"]

    assert len(kept.names) == user_history.KEPT
    assert kept.of("user-49").cost == 49
    assert kept.of("user-3").cost == 0
    assert kept.of("user-3").unseen_cost >= 3, "what was cut can have been that much"


def test_a_report_holds_the_windows_that_begin_in_it() -> None:
    windows = hours(3)

    found = between(windows, hour_of(NOW).start - timedelta(hours=1), hour_of(NOW).start)

    assert found["chat"].names["ada"].cost == 1


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("no JSON", id="no JSON"),
        pytest.param("[]", id="a list"),
        pytest.param('{"chat": {"rest": [0, 0]}}', id="no users"),
        pytest.param('{"chat": {"rest": [0, 0], "users": [["ada", 1]]}}', id="a short row"),
        pytest.param('{"chat": {"rest": [1e999, 0], "users": []}}', id="without end"),
        pytest.param('{"chat": {"rest": [NaN, 0], "users": []}}', id="no number"),
        pytest.param('{"chat": {"rest": [0, -1], "users": []}}', id="less than nothing"),
        pytest.param('{"chat": {"rest": [1e300, 0], "users": []}}', id="more than there is"),
        pytest.param(f'{{"chat": {{"rest": [1{"0" * 400}, 0], "users": []}}}}', id="a long number"),
        pytest.param("[" * 100_000, id="deeper than can be read"),
    ],
)
def test_what_cannot_be_read_is_left_out(text: str) -> None:
    good = write({hour_of(NOW): {"chat": summary(1)}}, NOW)

    assert list(read({**good, "2026-11-26T13": text, "report": "Names"})) == [hour_of(NOW)]


@pytest.mark.parametrize("key", ["9999-12-31", "9999-12-31T23", "0000-01-01", "2026-13-01"])
def test_a_window_that_no_calendar_has_is_left_out(key: str) -> None:
    """Whoever may edit one ConfigMap must not end the operator of all namespaces."""
    data = {key: json.dumps({"chat": {"rest": [0, 0], "users": []}})}

    assert read(data) == {}
    assert write(read({**data, "9999-12-30": data[key]}), NOW)
