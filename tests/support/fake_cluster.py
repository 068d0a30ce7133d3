"""An API server in memory behind `ports.Cluster`, for unit and scale tests.

It knows resource versions, generations, uids, the status subresource, server-side apply with
ownership by leaf (lists are atomic), preconditions, label selectors, and Events of which only the
series may change. What it promises is held to the real API server by
tests/integration/kubernetes/test_contract.py. Writes can be made to fail, before or after they act.
"""

import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokenfleet.ports import (
    Body,
    ConflictError,
    NotFoundError,
    PortError,
    RefusedError,
    Resource,
)

Path = tuple[str, ...]
Address = tuple[str, str, str]


UNOWNED = {("apiVersion",), ("kind",)}
"""What nobody owns."""


@dataclass(frozen=True)
class Fault:
    error: PortError
    acted: bool = False
    """The server did what was asked, and its answer was lost."""


class FakeCluster:
    def __init__(self) -> None:
        self.objects: dict[Address, dict[str, Any]] = {}
        self.calls: list[tuple[str, str, str]] = []
        """(verb, kind, name) of every write."""
        self.watchers: list[Callable[[str, dict[str, Any]], None]] = []
        """Told of every change: (ADDED | MODIFIED | DELETED, object)."""
        self.refuse: Callable[[str, Body], str | None] = lambda _verb, _body: None
        """Returns why a write is refused; None accepts."""
        self.fault: Callable[[str, Body], Fault | None] = lambda _verb, _body: None
        """Returns how a write fails; None lets it pass."""
        self.outage = False
        self.unserved: set[str] = set()
        """Kinds that are not served."""
        self.forbidden: set[str] = set()
        """Namespaces that may not be listed."""
        self.closed: set[str] = set()
        """Kinds that may not be listed."""
        self.listed: list[tuple[str, str]] = []
        """(kind, namespace) of every list."""
        self.page = 500
        self._versions = itertools.count(100)
        self._owned: dict[Address, dict[tuple[str, bool], set[Path]]] = {}

    async def get(self, resource: Resource, namespace: str, name: str) -> Body | None:
        self._up()
        found = self.objects.get((resource.kind, namespace, name))
        return _sent(found) if found else None

    async def serves(self, resource: Resource) -> bool:
        self._up()
        return resource.kind not in self.unserved

    async def list(self, resource: Resource, *, label_selector: str = "") -> list[Body]:
        return [
            body
            async for page in self.pages(resource, label_selector=label_selector)
            for body in page
        ]

    async def pages(
        self,
        resource: Resource,
        *,
        namespace: str = "",
        label_selector: str = "",
        metadata_only: bool = False,
    ) -> AsyncIterator[Sequence[Body]]:
        self._up()
        self.listed.append((resource.kind, namespace))
        if resource.kind in self.unserved:
            msg = f"{resource.plural}: 404 page not found"
            raise NotFoundError(msg)
        if namespace in self.forbidden or resource.kind in self.closed:
            msg = f"{resource.plural} is forbidden in the namespace {namespace!r}"
            raise RefusedError(msg)
        found = [
            body
            for _, body in sorted(
                (address, body)
                for address, body in self.objects.items()
                if address[0] == resource.kind
                and namespace in {"", address[1]}
                and _selected(body, label_selector)
            )
        ]
        for first in range(0, max(len(found), 1), self.page):
            page = found[first : first + self.page]
            if metadata_only:
                page = [{k: body[k] for k in ("apiVersion", "kind", "metadata")} for body in page]
            yield _sent(page)

    async def apply(self, body: Body, *, manager: str) -> Body:
        return self._write("apply", body, lambda: self._apply(body, manager, status=False))

    async def apply_status(self, body: Body, *, manager: str) -> Body:
        return self._write("status", body, lambda: self._apply(body, manager, status=True))

    async def replace(self, body: Body) -> Body:
        return self._write("replace", body, lambda: self._replace(body))

    def _replace(self, body: Body) -> Body:
        address = _address(body)
        stored = self.objects.get(address)
        version = body["metadata"].get("resourceVersion")
        if version is None and stored is not None:
            msg = f"{address} already exists"
            raise ConflictError(msg)
        if version is not None:
            if stored is None:
                msg = f"{address} not found"
                raise NotFoundError(msg)
            if stored["metadata"]["resourceVersion"] != version:
                msg = f"{address}: the object has been modified"
                raise ConflictError(msg)
        return self._store(address, self._taken(body, "python"), stored)

    async def delete(self, resource: Resource, namespace: str, name: str, *, uid: str) -> None:
        metadata = {"name": name, "namespace": namespace}
        body = {"kind": resource.kind, "metadata": metadata}
        self._write("delete", body, lambda: self._delete(body, uid))

    def _delete(self, body: dict[str, Any], uid: str) -> Body:
        address = _address(body)
        stored = self.objects.get(address)
        if stored is None:
            return body
        if stored["metadata"]["uid"] != uid:
            msg = f"{address}: the uid in the precondition is {uid}"
            raise ConflictError(msg)
        del self.objects[address]
        gone = {
            **stored,
            "metadata": {**stored["metadata"], "resourceVersion": str(next(self._versions))},
        }
        self._tell("DELETED", gone)
        return gone

    def put(self, body: Mapping[str, Any], *, manager: str = "kubectl-edit") -> dict[str, Any]:
        """Create or change an object as a user or another controller does."""
        address = _address(body)
        return self._store(address, self._taken(body, manager), self.objects.get(address))

    def _taken(self, body: Mapping[str, Any], manager: str) -> dict[str, Any]:
        """Give the fields that an update changes to its manager, and no others."""
        address = _address(body)
        stored = dict(_leaves(self.objects.get(address, {})))
        fresh = dict(_leaves(body))
        skipped = {"resourceVersion", "managedFields", "uid", "generation", "creationTimestamp"}
        changed = {
            path
            for path in stored.keys() | fresh.keys()
            if stored.get(path) != fresh.get(path) and not skipped & set(path[:2])
        }
        self._lose(address, changed)
        owners = self._owned.setdefault(address, {})
        owners.setdefault((manager, False), set()).update(changed & fresh.keys())
        return _sent(body)

    def _lose(self, address: Address, changed: set[Path]) -> None:
        """Let nobody own fields that somebody changes."""
        for paths in self._owned.get(address, {}).values():
            paths.difference_update(changed)

    def _managed(self, address: Address) -> Sequence[dict[str, Any]]:
        """Return who owns which fields, as the API server says it."""
        entries = []
        for (manager, status), paths in sorted(self._owned.get(address, {}).items()):
            if not paths:
                continue
            fields: dict[str, Any] = {}
            for path in sorted(paths):
                tree = fields
                for part in path:
                    tree = tree.setdefault(f"f:{part}", {})
            entry = {"manager": manager, "fieldsType": "FieldsV1", "fieldsV1": fields}
            entries.append(entry | ({"subresource": "status"} if status else {}))
        return entries

    def writes(self, kind: str) -> Sequence[tuple[str, str]]:
        return [(verb, name) for verb, k, name in self.calls if k == kind]

    def _apply(self, body: Body, manager: str, *, status: bool) -> Body:
        address = _address(body)
        stored = self.objects.get(address)
        if stored is None and status:
            msg = f"{address} not found"
            raise NotFoundError(msg)
        version = body["metadata"].get("resourceVersion")
        if version and (stored is None or stored["metadata"]["resourceVersion"] != version):
            msg = f"{address}: the object has been modified"
            raise ConflictError(msg)
        meta = body["metadata"]
        if status:
            wanted: dict[str, Any] = {"status": body["status"]} if body.get("status") else {}
        else:
            wanted = {k: v for k, v in body.items() if k not in ("metadata", "status")}
            wanted["metadata"] = {
                k: v for k, v in meta.items() if k in ("labels", "annotations", "ownerReferences")
            }
        new = _sent(stored) if stored else {"metadata": {}}
        new["metadata"] |= {"name": meta["name"], "namespace": meta["namespace"]}
        leaves = {path: value for path, value in _leaves(_sent(wanted)) if path != ("metadata",)}
        owners = self._owned.setdefault(address, {})
        others = [paths for owner, paths in owners.items() if owner != (manager, status)]
        for path in owners.get((manager, status), set()) - leaves.keys():
            if not any(path in paths for paths in others):
                _drop(new, path)
        for path, value in leaves.items():
            _set(new, path, value)
        stored_leaves = dict(_leaves(stored or {}))
        owned = {path for path in leaves if path not in UNOWNED}
        won = {path for path in owned if stored_leaves.get(path) != leaves[path]}
        self._lose(address, won)
        owners[manager, status] = owned
        return self._store(address, new, stored, bump=not status)

    def _store(
        self,
        address: Address,
        new: dict[str, Any],
        stored: dict[str, Any] | None,
        *,
        bump: bool = True,
    ) -> dict[str, Any]:
        meta = new["metadata"]
        meta["managedFields"] = self._managed(address)
        if stored is None:
            meta.setdefault("uid", f"uid-{next(self._versions)}")
            meta["generation"] = 1
            meta.setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        else:
            old = stored["metadata"]
            meta |= {k: old[k] for k in ("uid", "generation", "creationTimestamp")}
            meta["resourceVersion"] = old["resourceVersion"]
            if new == stored:
                return _sent(stored)
            if bump and new.get("spec") != stored.get("spec"):
                meta["generation"] = old["generation"] + 1
        meta["resourceVersion"] = str(next(self._versions))
        self.objects[address] = new
        self._tell("MODIFIED" if stored else "ADDED", new)
        return _sent(new)

    def _tell(self, type_: str, body: dict[str, Any]) -> None:
        for watcher in self.watchers:
            watcher(type_, _sent(body))

    def _write(self, verb: str, body: Body, act: Callable[[], Body]) -> Body:
        self._up()
        if body["kind"] in self.unserved:
            msg = f"{body['kind']}: 404 page not found"
            raise NotFoundError(msg)
        if why := self.refuse(verb, body):
            raise RefusedError(why)
        fault = self.fault(verb, body)
        if fault is not None and not fault.acted:
            raise fault.error
        self.calls.append((verb, body["kind"], body["metadata"]["name"]))
        stored = act()
        if fault is not None:
            raise fault.error
        return stored

    def _up(self) -> None:
        if self.outage:
            msg = "the API server is down"
            raise PortError(msg)


def _sent(value: Any) -> Any:
    """Return what arrives of a value: a copy, of what JSON can hold."""
    return json.loads(json.dumps(value))


def _address(body: Mapping[str, Any]) -> Address:
    return body["kind"], body["metadata"].get("namespace", ""), body["metadata"]["name"]


def _leaves(value: Mapping[str, Any], prefix: Path = ()) -> Iterator[tuple[Path, Any]]:
    for key, item in value.items():
        if isinstance(item, Mapping) and item:
            yield from _leaves(item, (*prefix, key))
        else:
            yield (*prefix, key), item


def _set(body: dict[str, Any], path: Path, value: Any) -> None:
    for key in path[:-1]:
        body = body.setdefault(key, {})
    body[path[-1]] = value


def _drop(body: dict[str, Any], path: Path) -> None:
    if len(path) == 1:
        body.pop(path[0], None)
    elif path[0] in body:
        _drop(body[path[0]], path[1:])
        if not body[path[0]]:
            del body[path[0]]


def _selected(body: Mapping[str, Any], selector: str) -> bool:
    labels = body["metadata"].get("labels", {})
    wanted = [part.partition("=") for part in selector.split(",") if part]
    return all(labels.get(n) == value if value else n in labels for n, _, value in wanted)
