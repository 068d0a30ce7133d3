"""What all models of the API have in common."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from tokenfleet.api.conventions import Model
from tokenfleet.api.ladder import LADDER, LADDER_MILLISECONDS
from tokenfleet.api.v1alpha1.kinds import KINDS
from tokenfleet.api.v1alpha1.modelroute import RuleMatch
from tokenfleet.api.v1alpha1.servingpool import ServingPool


def _below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        yield from _in(field.annotation)


def _in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from _below(annotation)
    for argument in get_args(annotation):
        yield from _in(argument)


MODELS = sorted({one for _, kind in KINDS for one in _below(kind)}, key=lambda one: one.__name__)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_model_is_immutable_and_tolerant_of_newer_fields(model: type[BaseModel]) -> None:
    assert issubclass(model, Model)
    assert model.model_config["frozen"] is True
    assert model.model_config["extra"] == "ignore"


def test_an_older_operator_reads_an_object_of_a_newer_crd() -> None:
    body = {
        "metadata": {"name": "pool", "managedFields": []},
        "spec": {
            "type": "Existing",
            "served": {"modelName": "m", "newer": 1},
            "existing": {"serviceRef": {"name": "s", "port": 1}},
        },
    }

    assert ServingPool.model_validate(body).spec.served.model_name == "m"


def test_a_model_checks_what_its_schema_checks() -> None:
    with pytest.raises(ValidationError):
        ServingPool.model_validate(
            {"metadata": {"name": "p"}, "spec": {"served": {"modelName": ""}, "type": "Existing"}}
        )


def test_short_names_are_unique() -> None:
    assert len({kind.short_name for kind, _ in KINDS}) == len(KINDS)


def test_the_ladder_ascends() -> None:
    assert list(LADDER) == sorted(set(LADDER))
    assert LADDER_MILLISECONDS[0] == 5
    assert LADDER_MILLISECONDS[-1] == 600_000


def test_whatever_a_match_can_ask_for_is_something() -> None:
    """A field that the rule forgets would be refused where it stands alone."""
    (something,) = (
        rule for rule in RuleMatch.validations if "must ask for something" in rule.message
    )
    asked = {field.alias for field in RuleMatch.model_fields.values()}

    assert {name for name in asked if f"has(self.{name})" not in something.rule} == set()
