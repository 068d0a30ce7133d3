"""Conditions as stored, whatever version of an operator has written them: plain JSON, no model."""

from collections.abc import Mapping
from typing import Any, Final

Body = Mapping[str, Any]

UNSEEN: Final = "no operator has looked at it yet"


def stored(body: Body, type_: str) -> Body:
    """Return a condition of an object; empty where nobody has set it."""
    conditions = body.get("status", {}).get("conditions", ())
    return next((one for one in conditions if one["type"] == type_), {})


def trouble(body: Body, type_: str) -> str:
    """Return why a condition is not True; empty where it is."""
    found = stored(body, type_)
    if not found:
        return UNSEEN
    if found["status"] == "True":
        return ""
    return f"{found['reason']}: {found.get('message', '')}".rstrip(": ")
