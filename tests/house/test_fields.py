"""A field exists only when code reads it, or passes it on whole."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel

from tests.house.repository import files, text
from tokenfleet.api.v1alpha1.kinds import KINDS
from tokenfleet.api.v1alpha1.placement import Verbatim

SOURCE = Path("operator/src/tokenfleet")
READERS = [
    path
    for path in files()
    if path.suffix == ".py" and SOURCE in path.parents and SOURCE / "api" not in path.parents
]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from _models(field.annotation)
    for argument in get_args(annotation):
        yield from _models(argument)


def _choice_of_one(annotation: Any) -> bool:
    """Hold for a field that can have one value only so far: there is nothing to read."""
    return get_origin(annotation) is Literal and len(get_args(annotation)) == 1


FIELDS = sorted(
    {
        f"{model.__name__}.{name}"
        for _, kind in KINDS
        for model in _models(kind.model_fields["spec"].annotation)
        for name, field in model.model_fields.items()
        if not issubclass(model, Verbatim)
        if not _choice_of_one(field.annotation)
    }
)


@pytest.fixture(scope="module")
def code() -> str:
    return "\n".join(text(path) for path in READERS)


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_of_a_spec_is_read(code: str, field: str) -> None:
    name = field.rpartition(".")[2]

    assert re.search(rf"\.{name}\b", code), f"no code reads {field}: remove the field"
