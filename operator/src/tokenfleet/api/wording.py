"""What is wrong with a value in the words of this project: what it must be, and what it is.

The models refuse by pydantic's words, which are for programmers ("Input should be ..."). Here are
the words for whoever wrote the value. Types of errors and their `ctx` are those of pydantic's page
"Validation errors".
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tokenfleet.api.conventions import DNS_SUBDOMAIN, LABEL_VALUE
from tokenfleet.api.names import DNS_LABEL, DNS_LABEL_WORDS
from tokenfleet.api.units import format_duration

SHOWN: Final = 40
"""Characters of a wrong value that a message repeats."""

NEAR: Final = 0.75
"""How alike two names must be, 0 to 1, so that one may be meant by the other."""

_FORMS: Final[Mapping[str, str]] = {
    "missing": "must be given",
    "extra_forbidden": "there is no such field",
    "string_type": "must be a text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "decimal_type": "must be a number",
    "decimal_parsing": "must be a number",
    "finite_number": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be fields",
    "model_type": "must be fields",
    "model_attributes_type": "must be fields",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must hold at least {min_length}",
    "too_long": "must hold at most {max_length}",
    "string_pattern_mismatch": "must match {pattern}",
}
"""Type of an error -> what to write."""

_PATTERNS: Final[Mapping[str, str]] = {
    DNS_LABEL: f"must be {DNS_LABEL_WORDS}",
    DNS_SUBDOMAIN: "must be small letters, digits, dashes and dots, with a letter or digit at both"
    " ends",
    LABEL_VALUE: "must be letters, digits and -_., with a letter or digit at both ends",
}
"""Patterns of names -> what to write."""

_UNSHOWN: Final = frozenset(
    {"missing", "extra_forbidden", "too_short", "too_long", "string_too_long"}
)
"""Types of errors where the value itself says nothing."""


def first(error: ValidationError) -> tuple[str, str]:
    """Return the place of the first error, such as `spec.rules.0.name`, and its words."""
    wrong = error.errors()[0]
    return ".".join(str(part) for part in wrong["loc"]), words(wrong)


def words(wrong: ErrorDetails) -> str:
    """Return what a value must be, and what it is."""
    kind, limits = wrong["type"], wrong.get("ctx", {})
    if kind not in _FORMS:
        return wrong["msg"].removeprefix("Value error, ")  # the words of a validator of ours
    if "min_length" in limits and limits["min_length"] == 1:
        return "must not be empty"
    known = _PATTERNS.get(limits.get("pattern", ""))
    text = known or _FORMS[kind].format(**{name: _limit(one) for name, one in limits.items()})
    if kind == "missing":
        return text + instead(str(wrong["loc"][-1]), wrong["input"])
    return text if kind in _UNSHOWN else text + _not(wrong["input"])


def instead(name: str, there: Any) -> str:
    """Say which of the names that are there may be a slip for a name that is not."""
    names = [str(one) for one in there] if isinstance(there, Iterable) else []
    near = get_close_matches(name, names, n=1, cutoff=NEAR)
    return f"; write {name} in place of {near[0]}?" if near else ""


def _limit(value: Any) -> str:
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value).replace("'", "")


def _not(value: Any) -> str:
    """Say what stands there; nothing where it is no single value."""
    if isinstance(value, bool):
        return f", not {str(value).lower()}"
    if isinstance(value, str) and value and value.isprintable():
        return f", not {value[:SHOWN]}"
    if isinstance(value, int | float | timedelta):
        return f", not {_limit(value)[:SHOWN]}"
    return ""
