"""What the models refuse is said in words of what to write."""

from datetime import timedelta
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from tokenfleet.api.conventions import MetricLabel, Model, ObjectName
from tokenfleet.api.v1alpha1.modelroute import ModelRoute
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.api.wording import first


class Rule(Model):
    """Something with a required field."""

    rules: list[int]


def refused(type_: Any, value: Any) -> str:
    with pytest.raises(ValidationError) as error:
        TypeAdapter(type_).validate_python(value)
    return first(error.value)[1]


@pytest.mark.parametrize(
    ("type_", "value", "said"),
    [
        (Annotated[int, Field(le=1000)], 5000, "must be at most 1000, not 5000"),
        (Annotated[int, Field(ge=0)], -1, "must be at least 0, not -1"),
        (Annotated[float, Field(gt=0)], 0.0, "must be more than 0, not 0"),
        (Annotated[timedelta, Field(ge=timedelta(seconds=90))], timedelta(seconds=5),
         "must be at least 1 minute and 30 seconds, not 5s"),
        (Literal["GPU", "CPU"], "Cpu", "must be GPU or CPU, not Cpu"),
        (int, "many", "must be a whole number, not many"),
        (int, 1.5, "must be a whole number, not 1.5"),
        (bool, "maybe", "must be true or false, not maybe"),
        (str, True, "must be a text, not true"),
        (Annotated[str, Field(min_length=1)], "", "must not be empty"),
        (Annotated[str, Field(max_length=3)], "long", "must have at most 3 characters"),
        (Annotated[list[int], Field(min_length=1)], [], "must not be empty"),
        (Annotated[list[int], Field(max_length=1)], [1, 2], "must hold at most 1"),
        (list[int], "x", "must be a list, not x"),
        (Rule, 5, "must be fields, not 5"),
        (Rule, {}, "must be given"),
        (Rule, {"rule": [1]}, "must be given; write rules in place of rule?"),
        (ObjectName, "A_B",
         "must be small letters, digits and dashes, with a letter or digit at both ends, not A_B"),
        (MetricLabel, "a b",
         "must be letters, digits and -_., with a letter or digit at both ends, not a b"),
        (Annotated[str, Field(pattern="^a+$")], "b", "must match ^a+$, not b"),
        (int, "\x1b[2J", "must be a whole number"),
        (Annotated[int, Field(le=3)], 10**60, "must be at most 3, not " + "1" + "0" * 39),
    ],
)  # fmt: skip
def test_a_refusal_says_what_to_write(type_: Any, value: Any, said: str) -> None:
    assert refused(type_, value) == said


@pytest.mark.parametrize(
    ("model", "body", "said"),
    [
        (ServingPool, {"served": {"modelName": "a b"}}, ("spec.served.modelName", "must match ")),
        (ModelRoute, {"modelNames": []}, ("spec.modelNames", "must not be empty")),
        (ModelRoute, {"modelNames": "chat"}, ("spec.modelNames", "must be a list, not chat")),
    ],
    ids=["a pattern", "nothing", "a type"],
)
def test_the_place_is_named_as_it_is_written(
    model: type[Model], body: dict[str, Any], said: tuple[str, str]
) -> None:
    spec = {"parentRefs": [{"name": "default"}], "rules": [], **body}
    with pytest.raises(ValidationError) as error:
        model.model_validate({"metadata": {"name": "x"}, "spec": spec})
    place, words = first(error.value)

    assert place == said[0]
    assert words.startswith(said[1])
