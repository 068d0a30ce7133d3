"""What `kubectl get` prints of each kind."""

import re
from typing import Any

import pytest

from tokenfleet.api.conventions import Kind
from tokenfleet.api.crdgen import schema_of
from tokenfleet.api.v1alpha1.kinds import KINDS

READY = ".status.conditions[?(@.type=='Ready')].reason"


@pytest.fixture(params=KINDS, ids=lambda pair: pair[0].kind)
def kind(request: pytest.FixtureRequest) -> tuple[Kind, Any]:
    found: tuple[Kind, Any] = request.param
    return found


def test_what_is_wrong_stands_before_the_age_which_is_last(kind: tuple[Kind, Any]) -> None:
    """An objective whose route is not there would look like one that waits for its first look."""
    columns = [column for column in kind[0].columns if not column.priority]

    assert [column.name for column in columns[-2:]] == ["Status", "Age"]
    assert columns[-2].json_path == READY
    assert kind[0].columns[-1] == columns[-1]


def test_every_column_shows_a_field_of_the_schema(kind: tuple[Kind, Any]) -> None:
    for column in kind[0].columns:
        path = re.sub(r"\[[^\]]*\]", "", column.json_path).strip(".").split(".")
        place = schema_of(kind[1])
        if path[0] == "metadata":
            continue
        for name in path:
            place = place["properties"][name]
            place = place.get("items", place)
        assert place["type"] in {column.type, "string"}


def test_replicas_are_counted_not_wished_for() -> None:
    """`.spec.replicas` is a default of 1 that Existing pools do not follow."""
    columns = {kind.kind: [one.json_path for one in kind.columns] for kind, _ in KINDS}

    assert ".status.replicas" in columns["ServingPool"]
    assert ".spec.replicas" not in columns["ServingPool"]
