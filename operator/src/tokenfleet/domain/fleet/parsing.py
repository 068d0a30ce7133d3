"""Reading of stored objects into API models, without exceptions."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from tokenfleet.api.conditions import ACCEPTED
from tokenfleet.api.conventions import Model
from tokenfleet.domain.fleet.problems import Problem

T = TypeVar("T", bound=Model)


def parsed(model: type[T], body: Mapping[str, Any]) -> T | Problem:
    """Read an object; a Problem where the CRD let through what this version cannot read."""
    # Status is never read back: it is always rebuilt, and an old one must not stand in the way.
    try:
        return model.model_validate({k: v for k, v in body.items() if k != "status"})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        why = first["msg"].removeprefix("Value error, ")  # pydantic's word for a validator of ours
        return Problem(
            condition=ACCEPTED,
            reason="InvalidSpec",
            message=f"{where}: {why}; correct the field or upgrade the operator",
        )
