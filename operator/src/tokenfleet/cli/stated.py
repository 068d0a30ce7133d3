"""What people state of a load and of faults, read with words that say what to write.

The model's own reader is for scenarios of this project; its words are pydantic's.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from difflib import get_close_matches
from types import NoneType
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from tokenfleet.api.units import format_duration
from tokenfleet.api.wording import NEAR, words
from tokenfleet.simulation.written import Seconds, Written, WrittenError

W = TypeVar("W", bound=Written)

_IS_TIME: Final = get_args(Seconds)[1]
"""Mark of a field that is a time: it reads durations."""
_LIMITS: Final = ("gt", "ge", "lt", "le")


def stated(model: type[W], body: Mapping[str, Any], what: str) -> W:
    """Read what was stated.

    Args:
        model: of what.
        body: its fields.
        what: what a message calls it, such as the name of a file.

    Raises:
        WrittenError: it is not of the model; the message names the field and what to write.
    """
    try:
        return model.model_validate(body)
    except ValidationError as error:
        wrong = error.errors()[0]
        place = ".".join(str(part) for part in wrong["loc"])
        msg = f"{what}: {place}: {_said(wrong, model)}" if place else f"{what}: {words(wrong)}"
        raise WrittenError(msg) from error


def _said(wrong: ErrorDetails, model: type[Written]) -> str:
    *above, last = wrong["loc"]
    if wrong["type"] == "extra_forbidden":
        known = sorted(_fields(_model_at(model, above)))
        near = get_close_matches(str(last), known, n=1, cutoff=NEAR)
        hint = f"write {near[0]}?" if near else f"there are {', '.join(known)}"
        return f"{words(wrong)}; {hint}"
    field = _fields(_model_at(model, above)).get(str(last))
    return _of_time(wrong) if field is not None and _is_time(field) else words(wrong)


def _of_time(wrong: ErrorDetails) -> str:
    """Say of a time what it must be, in durations: the model counts seconds."""
    if wrong["type"] == "value_error":
        return words(wrong)
    context = wrong.get("ctx", {})
    limits: dict[str, Any] = {name: _length(context[name]) for name in _LIMITS if name in context}
    if not limits:
        return "must be a duration such as 90s, 30m or 2h"
    return words({**wrong, "ctx": {**context, **limits}, "input": _length(wrong["input"])})


def _length(seconds: Any) -> Any:
    """Return a number of seconds as a duration, where it is one."""
    whole = isinstance(seconds, int | float) and 0 < seconds < timedelta.max.total_seconds()
    return format_duration(timedelta(seconds=seconds)) if whole else seconds


def _model_at(model: type[BaseModel], place: list[int | str]) -> type[BaseModel]:
    """Return the model of the fields at a place below another one."""
    at: Any = model
    for part in place:
        if isinstance(at, type) and issubclass(at, BaseModel):
            at = _fields(at)[str(part)].annotation
        else:  # a list or a mapping: the type of what it holds
            at = [one for one in get_args(at) if one is not Ellipsis][-1]
        at = next(iter(_without_none(at)), at)
    return at if isinstance(at, type) and issubclass(at, BaseModel) else Written


def _without_none(annotation: Any) -> Iterator[Any]:
    """Yield the alternatives of an optional type; nothing for any other."""
    options = get_args(annotation)
    if NoneType in options:
        yield from (one for one in options if one is not NoneType)


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return fields by the names that people write."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _is_time(field: FieldInfo) -> bool:
    optional = (get_args(one) for one in _without_none(field.annotation))
    return _IS_TIME in (*field.metadata, *(mark for marks in optional for mark in marks[1:]))
