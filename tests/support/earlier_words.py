"""Words of enums that earlier releases stored, and today's for each."""

from collections.abc import Mapping
from typing import Any

RENAMED: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("ModelRouter", ".spec.explain"): {"On": "Enabled", "Off": "Disabled"},
    ("ModelRouter", ".spec.accessLog"): {"Off": "None"},
    ("ModelRouter", ".spec.attribution.user.report"): {"Off": "None"},
    ("ServingPool", ".spec.external.promptCaching.type"): {"Off": "Disabled"},
}
"""Kind and place -> earlier word -> today's."""


def in_todays_words(body: dict[str, Any]) -> dict[str, Any]:
    """Return a stored object as somebody would write it today."""
    return _at(body, body["kind"], "")


def _at(value: Any, kind: str, place: str) -> Any:
    if isinstance(value, dict):
        return {key: _at(item, kind, f"{place}.{key}") for key, item in value.items()}
    renamed = RENAMED.get((kind, place), {})
    return renamed.get(value, value) if isinstance(value, str) else value
