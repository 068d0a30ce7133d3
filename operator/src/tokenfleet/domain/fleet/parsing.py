"""Reading of stored objects into API models, without exceptions."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from tokenfleet.api import wording
from tokenfleet.api.conditions import ACCEPTED
from tokenfleet.api.conventions import Model
from tokenfleet.domain.fleet.problems import Problem

T = TypeVar("T", bound=Model)

REMEDY: Final = "; correct the field or upgrade the operator"
"""How messages about objects in a cluster end."""


def parsed(model: type[T], body: Mapping[str, Any]) -> T | Problem:
    """Read an object; a Problem where the CRD let through what this version cannot read."""
    # Status is never read back: it is always rebuilt, and an old one must not stand in the way.
    try:
        return model.model_validate({k: v for k, v in body.items() if k != "status"})
    except ValidationError as error:
        where, why = wording.first(error)
        return Problem(
            condition=ACCEPTED,
            reason="InvalidSpec",
            message=f"{where}: {why}{REMEDY}",
        )
