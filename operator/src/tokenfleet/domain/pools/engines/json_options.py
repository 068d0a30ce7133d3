"""JSON objects of an engine's own options: read, and judged by the keys that have other owners."""

import json
from collections.abc import Mapping
from typing import Any

from tokenfleet.api.conditions import ACCEPTED
from tokenfleet.domain.fleet.problems import Problem


def read(text: str, refused: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Return the object, and what is wrong with it: it is empty where it cannot be read.

    Args:
        text: of the user.
        refused: key of the object -> why it must not be set.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        return {}, [f"is not JSON: {error}"]
    except RecursionError:
        return {}, ["has more brackets in brackets than can be read"]
    if not isinstance(found, dict):
        return {}, ["must be a JSON object"]
    return found, [f"must not set {key}: {refused[key]}" for key in sorted(found) if key in refused]


def refusal(field: str, fault: str) -> Problem:
    """Return a fault of `read` as a problem of the pool.

    Args:
        field: with the pool's name, as it begins the message.
        fault: what is wrong with it.
    """
    return Problem(condition=ACCEPTED, reason="ArgumentRefused", message=f"{field} {fault}")
