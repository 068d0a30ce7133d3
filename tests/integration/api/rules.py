"""How a rule of the API is shown: with what it refuses, and the nearest thing it accepts.

A rule is known by its kind, the place where it stands and its message. The completeness test
compares the tables with the generated CRDs: a rule that is in none fails it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from e2e.kit.yamls import merged
from tests.integration.api.subjects import at
from tokenfleet.api.quantities import DURATION_FORM, FRACTION_FORM, FRACTION_PATTERN
from tokenfleet.api.units import DURATION_PATTERN

FORMS = (
    (DURATION_PATTERN, DURATION_FORM.message, ("30d", "1.5s", "90")),
    (FRACTION_PATTERN, FRACTION_FORM.message, ("95%", ".95")),
)
"""Pattern of a limit, what is said of a value that has not its form, and such values."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule of the CRD and two objects on its two sides."""

    kind: str
    place: str
    """Where the rule stands in the schema, as `.spec.rules[].matches[]`."""
    message: str
    refused: dict[str, Any]
    accepted: dict[str, Any]

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what the rule is known by."""
        return self.kind, self.place, self.message


def rule(place: str, message: str, base: dict[str, Any], *, refused: Any, accepted: Any) -> Rule:
    """Make a rule from two merge patches on the same object."""
    return Rule(
        kind=base["kind"],
        place=place,
        message=message,
        refused=merged(base, refused),
        accepted=merged(base, accepted),
    )


def between(
    base: dict[str, Any],
    path: str,
    limits: tuple[str, str],
    *outside: str,
    inside: str = "",
    write: Callable[[str, Any], dict[str, Any]] = at,
) -> list[Rule]:
    """Make the rules of one bounded value: both limits are accepted, what is beyond is not.

    Args:
        base: an object that is accepted.
        path: of the value, as the rule's place says it: `spec.rules[].weight`.
        limits: least and most.
        outside: values beyond them.
        inside: a value that is accepted in place of the limits.
        write: makes the merge patch that sets the value, where the path leads through a list.
    """
    least, most = limits
    accepted = (inside,) if inside else limits
    forms = [
        rule(
            f".{path}", message, base, refused=write(path, value), accepted=write(path, accepted[0])
        )
        for pattern, message, values in FORMS
        if re.fullmatch(pattern, least)
        for value in values
    ]
    return forms + [
        rule(
            f".{path}",
            f"must be between {least} and {most}",
            base,
            refused=write(path, value),
            accepted=write(path, accepted[number % len(accepted)]),
        )
        for number, value in enumerate(outside)
    ]


def named(base: dict[str, Any], longest: int, reason: str) -> list[Rule]:
    message = (
        f"metadata.name must be at most {longest} lower-case letters, digits and dashes,"
        f" and begin with a letter: {reason}"
    )
    return [
        rule(
            "",
            message,
            base,
            refused=at("metadata.name", bad),
            accepted=at("metadata.name", "n" * longest),
        )
        for bad in ("n" * (longest + 1), "1pool", "a.b")
    ]
