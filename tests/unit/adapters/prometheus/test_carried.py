"""What routers of other namespaces count of a route is the route's."""

import math

from tests.unit.domain.slo.builders import T0
from tokenfleet.adapters.prometheus.carried import at_home
from tokenfleet.ports import Sample


def row(value: float, namespace: str, route: str, **labels: str) -> Sample:
    named = {"namespace": namespace, "route": route, "rule": "slow", **labels}
    return Sample(labels=named, value=value, timestamp=T0)


def test_rows_of_a_router_elsewhere_are_read_as_the_routes_own() -> None:
    (found,) = at_home([row(3.0, "platform", "team-a/chat", pool="team-a/large")])

    assert found.labels == {
        "namespace": "team-a",
        "route": "chat",
        "rule": "slow",
        "pool": "large",
    }


def test_what_several_routers_count_is_added_up() -> None:
    rows = [
        row(3.0, "platform", "team-a/chat"),
        row(4.0, "team-a", "chat"),
        row(5.0, "edge", "team-a/chat"),
    ]

    (found,) = at_home(rows)
    assert found.value == 12.0


def test_equal_names_in_two_namespaces_stay_apart() -> None:
    rows = [row(3.0, "platform", "team-a/chat"), row(4.0, "platform", "team-b/chat")]

    assert {one.labels["namespace"]: one.value for one in at_home(rows)} == {
        "team-a": 3.0,
        "team-b": 4.0,
    }


def test_rows_that_contradict_each_other_are_not_reconciled() -> None:
    rows = [row(3.0, "platform", "team-a/chat"), row(4.0, "platform", "team-a/chat")]

    assert sorted(one.value for one in at_home(rows)) == [3.0, 4.0]


def test_what_is_no_number_stays_none() -> None:
    rows = [row(math.nan, "platform", "team-a/chat"), row(4.0, "team-a", "chat")]

    (found,) = at_home(rows)
    assert math.isnan(found.value)
