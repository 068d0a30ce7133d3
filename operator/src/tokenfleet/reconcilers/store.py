"""The store: the newest known copy of every object that matters, and who points at whom.

Plain dictionaries, one event loop. Copies are slim, and only what is read is kept: Services and
EndpointSlices of the whole cluster pass by, and those that no pool and no router names are let go.

What is newer wins, so a late watch event of an older copy changes nothing and a visit reads its own
writes. Resource versions of one resource compare as integers (KEP-5504, Kubernetes 1.35; true of
every etcd-backed server before) - as long as it is the same etcd. After a restore numbers start
lower: so another uid always wins, and so does what the API server itself says when it is asked.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from tokenfleet.domain.fleet.affected import affected, references
from tokenfleet.domain.fleet.keys import POOL, ROUTER, VISITED, ObjectKey, key_of
from tokenfleet.domain.fleet.operators import operator_of
from tokenfleet.domain.fleet.ownership import is_managed
from tokenfleet.domain.fleet.slim import slim
from tokenfleet.ports import Body

T = TypeVar("T")

NAMED_BY: Final = frozenset({POOL, ROUTER, "ConfigMap"})
"""Kinds whose word a Service is kept for: pools, routers beside applications, and what routers
run."""


class Store:
    """What is known of the cluster."""

    def __init__(self, wake: Callable[[ObjectKey], None]) -> None:
        """Start empty; `wake` is told each key that a change makes worth a visit."""
        self._wake = wake
        self._objects: dict[str, dict[ObjectKey, Body]] = defaultdict(dict)
        self._referring: dict[ObjectKey, set[ObjectKey]] = defaultdict(set)
        self._read: dict[Callable[[Body], Any], dict[ObjectKey, Any]] = defaultdict(dict)
        """How copies are read -> what came of each that is here."""
        self._marks: dict[str, Counter[str]] = defaultdict(Counter)
        """Namespace -> operator -> objects that carry its mark."""
        self._whole: set[ObjectKey] = set()
        """Services of which everything that exists is known, and kept up to date."""

    def get(self, key: ObjectKey) -> Body | None:
        """Return the newest known copy, or None."""
        return self._objects[key.kind].get(key)

    def all(self, kind: str) -> Iterable[Body]:
        """Return every known object of a kind."""
        return tuple(self._objects[kind].values())

    def read_all(self, kind: str, read: Callable[[Body], T | None]) -> list[T]:
        """Return what `read` makes of every known object of a kind; None is left out.

        Each copy is read once, because who asks does so at each scrape and at each visit of a
        router, and an API model costs 0.1 to 0.2 ms: `read` must depend on the object alone.
        """
        known, bodies = self._read[read], self._objects[kind]
        for key in bodies.keys() - known.keys():
            known[key] = read(bodies[key])
        return [found for key in bodies if (found := known[key]) is not None]

    def keys(self, kind: str) -> set[ObjectKey]:
        """Return the keys of every known object of a kind."""
        return set(self._objects[kind])

    def count(self, kind: str) -> int:
        """Count the known objects of a kind."""
        return len(self._objects[kind])

    def operators(self, namespace: str) -> set[str]:
        """Return the operators whose marks objects of a namespace carry."""
        return set(self._marks.get(namespace, ()))

    def referring(self, key: ObjectKey) -> frozenset[ObjectKey]:
        """Return the keys of the objects that point at a key."""
        return frozenset(self._referring.get(key, ()))

    def referring_bodies(self, key: ObjectKey, kind: str) -> tuple[Body, ...]:
        """Return the objects of a kind that point at a key, by name."""
        keys = sorted(k for k in self._referring.get(key, ()) if k.kind == kind)
        return tuple(body for k in keys if (body := self.get(k)) is not None)

    def put(
        self, body: Body, *, writer: ObjectKey | None = None, authoritative: bool = False
    ) -> bool:
        """Take in a copy; return whether it was news.

        Args:
            body: the object as the API server sent it.
            writer: the key whose visit wrote this copy: it knows already and is not woken.
            authoritative: the answer to a question that was asked after the stored copy came:
                what is stored gives way, whatever its version.
        """
        key = key_of(body)
        old = self.get(key)
        if old is not None and _is_not_newer(body, old, authoritative=authoritative):
            return False
        if not self.wants(body):
            return self.remove(key) if old is not None else False
        body = slim(body)
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

    def wants(self, body: Body) -> bool:
        """Tell whether an object is worth keeping."""
        if body["kind"] == "Service":
            return is_managed(body) or self.is_named(key_of(body))
        if body["kind"] == "EndpointSlice":
            return any(self.is_named(service) for service in references(body))
        return True

    def is_named(self, service: ObjectKey) -> bool:
        """Tell whether a pool names a Service, or a router uses it."""
        return any(key.kind in NAMED_BY for key in self._referring.get(service, ()))

    def named(self, namespace: str = "") -> list[ObjectKey]:
        """Return the Services that are named, in one namespace or in all."""
        return sorted(
            key
            for key in self._referring
            if key.kind == "Service" and namespace in {"", key.namespace} and self.is_named(key)
        )

    def is_whole(self, service: ObjectKey) -> bool:
        """Tell whether a Service that is not here does not exist, nor slices that are not here."""
        return service in self._whole

    def now_whole(self, service: ObjectKey) -> None:
        """Note that everything about a named Service has been put."""
        if self.is_named(service):
            self._whole.add(service)

    def _swap(self, key: ObjectKey, old: Body | None, new: Body | None) -> None:
        before = references(old) if old is not None else frozenset[ObjectKey]()
        after = references(new) if new is not None else frozenset[ObjectKey]()
        for known in self._read.values():
            known.pop(key, None)
        if new is None:
            del self._objects[key.kind][key]
        else:
            self._objects[key.kind][key] = new
        if key.kind in VISITED:
            self._mark(key.namespace, old, new)
        for target in after - before:
            self._referring[target].add(key)
        for target in before - after:
            self._referring[target].discard(key)
            if not self._referring[target]:
                del self._referring[target]
            if key.kind in NAMED_BY and target.kind == "Service" and not self.is_named(target):
                self._let_go(target)

    def _mark(self, namespace: str, old: Body | None, new: Body | None) -> None:
        marks = self._marks[namespace]
        for body, change in ((old, -1), (new, 1)):
            if body is not None and (operator := operator_of(body)):
                marks[operator] += change
                if not marks[operator]:
                    del marks[operator]
        if not marks:
            del self._marks[namespace]

    def _let_go(self, service: ObjectKey) -> None:
        """Forget a Service that nobody names any more, and its slices; nobody reads them."""
        self._whole.discard(service)
        slices = [k for k in self._referring.get(service, ()) if k.kind == "EndpointSlice"]
        for key in slices:
            self._swap(key, self.get(key), None)
        body = self.get(service)
        if body is not None and not self.wants(body):
            self._swap(service, body, None)

    def _tell(self, old: Body | None, new: Body | None, *, skip: ObjectKey | None) -> None:
        for key in affected(old, new, self):
            if key != skip:
                self._wake(key)


def _is_not_newer(new: Body, old: Body, *, authoritative: bool) -> bool:
    fresh, known = new["metadata"], old["metadata"]
    versions = [metadata.get("resourceVersion", "") for metadata in (fresh, known)]
    same_object = fresh.get("uid") == known.get("uid")
    if same_object and versions[0] == versions[1]:
        return True
    if authoritative or not same_object:
        return False
    if not all(version.isdecimal() for version in versions):
        return False
    return int(versions[0]) < int(versions[1])
