"""Who owns the fields of an object, as the API server keeps it in `metadata.managedFields`.

A field that an apply of ours has set stays ours exactly as long as nobody else changes it: an
update by another hand, and an apply with force, take it away (server-side apply, "Conflicts"). So a
child whose fields are all still ours needs no apply, however often its status or anything else
changes.

fieldsV1 is a tree: `f:NAME` a field, `k:KEYS` an item of a list by its keys, `v:VALUE` an item of a
set, `.` the thing itself.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

Body = Mapping[str, Any]
Path = tuple[str, ...]

CHILDREN_MANAGER: Final = "tokenfleet/children"
"""Field manager of everything that the operator applies for an object of the fleet."""

CLAIM: Final = "tokenfleetClaim"
"""Key in the metadata of copies in memory: the fingerprint of what is ours, in place of
`managedFields`, which are many times as large."""


def with_claim(copy: Body, body: Body) -> dict[str, Any]:
    """Return a copy without managed fields that knows whether its fields are still ours."""
    mine = _mine(body)
    if mine is None:
        return dict(copy)
    text = json.dumps(mine, sort_keys=True, separators=(",", ":"))
    claim = hashlib.sha256(text.encode()).hexdigest()[:16]
    return {**copy, "metadata": {**copy["metadata"], CLAIM: claim}}


def claim_of(copy: Body) -> str:
    """Return the fingerprint of what is ours; of a copy without one, that of this very version."""
    metadata = copy["metadata"]
    return str(metadata.get(CLAIM) or metadata["resourceVersion"])


def rivals(body: Body, wanted: Body) -> dict[str, tuple[str, ...]]:
    """Return field manager -> fields that we want and that it has taken.

    Args:
        body: the object as the API server sent it.
        wanted: what we apply.
    """
    ours = set(_paths(_mine(body) or {}))
    found: dict[str, tuple[str, ...]] = {}
    for entry in body["metadata"].get("managedFields", ()):
        if entry.get("manager") == CHILDREN_MANAGER or entry.get("subresource") == "status":
            continue
        taken = [
            path
            for path in _paths(entry.get("fieldsV1", {}))
            if path not in ours and _wants(wanted, path)
        ]
        if taken:
            names = (".".join(part.removeprefix("f:") for part in path) for path in taken)
            found[entry["manager"]] = tuple(sorted(names))
    return found


def _mine(body: Body) -> Mapping[str, Any] | None:
    for entry in body["metadata"].get("managedFields") or ():
        if entry.get("manager") == CHILDREN_MANAGER and not entry.get("subresource"):
            fields: Mapping[str, Any] = entry.get("fieldsV1", {})
            return fields
    return None


def _paths(tree: Mapping[str, Any], prefix: Path = ()) -> Iterator[Path]:
    for key, below in tree.items():
        if key == ".":
            continue
        if below.keys() - {"."}:
            yield from _paths(below, (*prefix, key))
        else:
            yield (*prefix, key)


def _wants(value: Any, path: Path) -> bool:
    """Tell whether what we apply has something at a place."""
    for key in path:
        if not key.startswith("f:"):
            return bool(value)  # Some item of a list that is ours.
        if not isinstance(value, Mapping) or key[2:] not in value:
            return False
        value = value[key[2:]]
    return True
