"""The store: the newest known copy of every watched object, and who points at whom.

Plain dictionaries, one event loop. Copies are slim (no managed fields) and only ever get newer:
the applier puts what the API server answered, so a late watch event of an older copy changes
nothing and a visit reads its own writes. Resource versions of one resource compare as integers
(KEP-5504, Kubernetes 1.35; true of every etcd-backed server before).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from tokenfleet.domain.fleet.affected import affected, references
from tokenfleet.domain.fleet.field_ownership import with_claim
from tokenfleet.domain.fleet.keys import ObjectKey, key_of
from tokenfleet.ports import Body

_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


class Store:
    """What is known of the cluster."""

    def __init__(self, wake: Callable[[ObjectKey], None]) -> None:
        """Start empty; `wake` is told each key that a change makes worth a visit."""
        self._wake = wake
        self._objects: dict[str, dict[ObjectKey, Body]] = defaultdict(dict)
        self._referring: dict[ObjectKey, set[ObjectKey]] = defaultdict(set)

    def get(self, key: ObjectKey) -> Body | None:
        """Return the newest known copy, or None."""
        return self._objects[key.kind].get(key)

    def all(self, kind: str) -> Iterable[Body]:
        """Return every known object of a kind."""
        return tuple(self._objects[kind].values())

    def keys(self, kind: str) -> set[ObjectKey]:
        """Return the keys of every known object of a kind."""
        return set(self._objects[kind])

    def count(self, kind: str) -> int:
        """Count the known objects of a kind."""
        return len(self._objects[kind])

    def referring(self, key: ObjectKey) -> frozenset[ObjectKey]:
        """Return the keys of the objects that point at a key."""
        return frozenset(self._referring.get(key, ()))

    def referring_bodies(self, key: ObjectKey, kind: str) -> tuple[Body, ...]:
        """Return the objects of a kind that point at a key, by name."""
        keys = sorted(k for k in self.referring(key) if k.kind == kind)
        return tuple(body for k in keys if (body := self.get(k)) is not None)

    def put(self, body: Body, *, writer: ObjectKey | None = None) -> bool:
        """Take in a copy; return whether it was news.

        Args:
            body: the object as the API server sent it.
            writer: the key whose visit wrote this copy: it knows already and is not woken.
        """
        body = slim(body)
        key = key_of(body)
        old = self.get(key)
        if old is not None and _is_not_newer(body, old):
            return False
        self._swap(key, old, body)
        self._tell(old, body, skip=writer)
        return True

    def remove(self, key: ObjectKey, *, uid: str = "") -> bool:
        """Forget an object; with `uid`, only that very one. Return whether it was known."""
        old = self.get(key)
        if old is None or (uid and old["metadata"].get("uid") != uid):
            return False
        self._swap(key, old, None)
        self._tell(old, None, skip=None)
        return True

    def _swap(self, key: ObjectKey, old: Body | None, new: Body | None) -> None:
        before = references(old) if old is not None else frozenset[ObjectKey]()
        after = references(new) if new is not None else frozenset[ObjectKey]()
        for target in before - after:
            self._referring[target].discard(key)
            if not self._referring[target]:
                del self._referring[target]
        for target in after - before:
            self._referring[target].add(key)
        if new is None:
            del self._objects[key.kind][key]
        else:
            self._objects[key.kind][key] = new

    def _tell(self, old: Body | None, new: Body | None, *, skip: ObjectKey | None) -> None:
        for key in affected(old, new, self):
            if key != skip:
                self._wake(key)


def slim(body: Body) -> dict[str, Any]:
    """Return a copy without what no planner reads and every object carries."""
    original = body
    metadata = {k: v for k, v in body["metadata"].items() if k != "managedFields"}
    if body["kind"] == "Pod":
        body = {k: v for k, v in body.items() if k != "spec"}
    notes: Mapping[str, str] = metadata.get("annotations", {})
    if _LAST_APPLIED in notes:
        metadata["annotations"] = {k: v for k, v in notes.items() if k != _LAST_APPLIED}
    return with_claim({**body, "metadata": metadata}, original)


def _is_not_newer(new: Body, old: Body) -> bool:
    versions = [body["metadata"].get("resourceVersion", "") for body in (new, old)]
    if versions[0] == versions[1]:
        return True
    if not all(version.isdecimal() for version in versions):
        return False
    return int(versions[0]) < int(versions[1])
