"""Where one field chooses another, what is left over of an earlier choice is never looked at."""

from typing import Any

import pytest

from tests.support.unions import Place, looks_like_a_union, objects, places
from tokenfleet.api.crdgen import schema_of
from tokenfleet.api.v1alpha1.kinds import KINDS
from tokenfleet.api.v1alpha1.modelroute import TrafficControl

PLACES = places()
CASES = [
    pytest.param(place, value, id=f"{place.kind}.{place.path}={value}")
    for place in PLACES
    for value in place.values
]
REST: dict[str, dict[str, Any]] = {
    "Speculative": {"tokens": 3},
    "ServingPoolSpec": {"served": {"modelName": "m"}},
    "Managed": {
        "engine": {"image": "vllm"},
        "model": {"source": {"type": "HuggingFace", "huggingFace": {"repo": "o/m"}}},
    },
}
"""What an object needs besides the union."""


@pytest.mark.parametrize(("place", "value"), CASES)
def test_only_the_member_that_is_chosen_is_read(place: Place, value: str) -> None:
    body = {**REST.get(place.model.__name__, {}), place.model.discriminator: value}
    read = place.model.model_validate({**body, **place.members()})
    without = place.model.model_validate(
        body
        | {
            name: one
            for name, one in place.members().items()
            if value in place.model.members[name].chosen_by
        }
    )

    assert read == without


def test_every_field_that_chooses_another_one_is_a_union() -> None:
    """Found in the schema by names: a field that is called like a value of its neighbour."""
    known = {
        (place.kind, place.path, place.model.discriminator, name)
        for place in PLACES
        for name in place.model.members
    }
    found = {
        (kind.kind, path, chooser, name)
        for kind, model in KINDS
        for path, schema in objects(schema_of(model))
        for chooser, name in looks_like_a_union(schema)
    }

    assert len(found) > 15
    assert found <= known


def test_no_rule_refuses_what_is_left_over() -> None:
    refusing = [
        (place.path, rule["rule"])
        for place in PLACES
        for rule in place.model.model_json_schema().get("x-kubernetes-validations", ())
        for name in place.model.members
        if f"!has(self.{name})" in rule["rule"]
    ]

    assert refusing == []


def test_a_default_choice_counts_where_none_is_written() -> None:
    pinned = {"rules": [{"name": "a", "pools": [{"name": "b"}]}], "until": "2036-01-01T00:00:00Z"}

    assert TrafficControl.model_validate({"pinned": pinned}).pinned is None
