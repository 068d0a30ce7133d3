"""Fields that nobody reads, in objects that no API server has looked at: most are typos.

An API server drops them, or refuses the object where it is asked to be strict. A file on its way
into an offline command has met neither.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from tokenfleet.api.conventions import Model


def unknown_fields(item: Model, body: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each field of the spec that the model of `body` does not have."""
    known = item.model_dump(mode="json", by_alias=True)
    return list(_unknown(body.get("spec"), known.get("spec"), "spec"))


def _unknown(written: Any, known: Any, place: str) -> Iterator[str]:
    if isinstance(written, Mapping) and isinstance(known, Mapping):
        for name, value in written.items():
            if name in known:
                yield from _unknown(value, known[name], f"{place}.{name}")
            else:
                near = get_close_matches(str(name), map(str, known), n=1)
                yield f"{place}.{name}: no such field" + (f"; write {near[0]}?" if near else "")
    elif isinstance(written, list) and isinstance(known, list):
        for number, (one, other) in enumerate(zip(written, known, strict=False)):
            yield from _unknown(one, other, f"{place}.{number}")
