"""The applier: carries out plans through the Cluster port, and nothing that changes nothing.

- A child is skipped whose wanted body is that of our last apply, and whose fields are still ours.
- Status is written at most once per visit and only when it differs from the stored one.
- An object of somebody else is never touched: only what carries our label and is controlled by
  this owner, or by nobody (orphaned by `kubectl delete --cascade=orphan`).
- `may_write` fences every write: a leader that was paused past its lease stops here.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from tokenfleet.api.conventions import API_VERSION, MANAGED_BY
from tokenfleet.domain.fleet.field_ownership import (
    CHILDREN_MANAGER,
    claim_of,
    rivals,
    with_claim,
)
from tokenfleet.domain.fleet.keys import ObjectKey, key_of
from tokenfleet.domain.fleet.operators import CONTENDER
from tokenfleet.domain.fleet.ownership import MANAGED_BY_LABEL, is_ours
from tokenfleet.domain.fleet.plan import Deletion, Plan
from tokenfleet.ports import (
    Body,
    Clock,
    Cluster,
    ConflictError,
    NotFoundError,
    PortError,
    RefusedError,
)
from tokenfleet.reconcilers.contests import Contests
from tokenfleet.reconcilers.optional_kinds import OptionalKinds
from tokenfleet.reconcilers.resources import BY_KIND, OPTIONAL
from tokenfleet.reconcilers.store import Store
from tokenfleet.reconcilers.telemetry import Telemetry

STATUS_MANAGER: Final = "tokenfleet/status"
CONTENDER_MANAGER: Final = "tokenfleet/contender"
"""Field manager of what an operator writes into the status of another one's object."""

NEEDED: Final = frozenset({"Service", "ConfigMap", "ServiceAccount", "Role", "RoleBinding"})
"""Kinds that a Deployment waits for, where its plan names them before it."""


class NotLeaderError(PortError):
    """This process must not write any more."""


class UnsettledError(PortError):
    """Nobody can say whether the object was stored: the API server failed, and again when asked."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A child that could not be written, and why."""

    child: ObjectKey
    error: PortError

    @property
    def refused(self) -> bool:
        """Tell whether the same body would be refused again."""
        return isinstance(self.error, RefusedError)

    def __str__(self) -> str:
        """Say what the API server said, and about which child."""
        return f"{self.child}: {self.error}"


class Applier:
    """Writes plans; remembers what it wrote."""

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        *,
        telemetry: Telemetry,
        may_write: Callable[[], bool],
        clock: Clock,
        optional: OptionalKinds,
    ) -> None:
        """Write to `cluster`, and put every answer into `store`."""
        self._cluster, self._store = cluster, store
        self._telemetry, self._may_write = telemetry, may_write
        self._optional = optional
        self._written: dict[ObjectKey, dict[ObjectKey, tuple[str, str]]] = {}
        """Owner -> child, or the owner itself for its status -> what we wrote last: digest of the
        body, and what tells that it is still as we wrote it: for a status its resourceVersion, for
        a child uid and claim."""
        self._contests = Contests(clock)

    async def replace(self, body: Body, *, owner: Body) -> Body:
        """Write one object whole, with the resourceVersion it was read with.

        Raises:
            ConflictError, NotFoundError: somebody else wrote or deleted it in between; the store
                has been told.
            RefusedError: the name belongs to somebody else, or the server refused.
            UnsettledError: nobody knows whether it is stored.
            PortError: it is not stored.
        """
        key = key_of(body)
        complete = adopted(body, owner)
        await self._check_owner(key, owner)
        self.fence()
        try:
            stored = await self._cluster.replace(complete)
        except RefusedError:
            raise
        except (ConflictError, NotFoundError):
            with suppress(PortError):
                await self._refresh(key)
            raise
        except PortError as error:
            return await self._settled(complete, owner, error)
        self._telemetry.wrote(key.kind, "replace")
        self._store.put(stored, writer=key_of(owner))
        return stored

    async def _settled(self, wanted: Body, owner: Body, error: PortError) -> Body:
        """Find out what became of a PUT that got no answer; return what it stored."""
        key = key_of(wanted)
        try:
            newest = await self._refresh(key, writer=key_of(owner))
        except PortError as again:
            msg = f"{error}; and nobody can say whether it was stored: {again}"
            raise UnsettledError(msg) from error
        if newest is None or not _holds(newest, wanted):
            raise error
        self._telemetry.wrote(key.kind, "replace")
        return newest

    async def apply_children(self, plan: Plan, *, owner: Body) -> list[Failure]:
        """Try to apply and delete every child; return those for which it failed.

        Raises:
            NotLeaderError: the lease is lost; nothing more may be tried.
        """
        failures: list[Failure] = []
        needed: list[Body] = [plan.replace] if plan.replace is not None else []
        for body in plan.applies:
            if body["kind"] == "Deployment" and self._lacks(needed, owner):
                continue
            needed.append(body)
            complete = adopted(body, owner)
            failures += await self._tried(key_of(complete), self._apply_child(complete, owner))
        for deletion in plan.deletes:
            failures += await self._tried(deletion.key, self._delete_child(deletion, owner))
        return failures

    async def _tried(self, child: ObjectKey, write: Awaitable[None]) -> list[Failure]:
        """Return why a child could not be written, or nothing.

        Raises:
            NotLeaderError: the lease is lost.
        """
        try:
            await write
        except NotLeaderError:
            raise
        except NotFoundError as error:
            return [] if await self._kind_is_gone(child.kind) else [Failure(child, error)]
        except PortError as error:
            return [Failure(child, error)]
        return []

    async def _kind_is_gone(self, kind: str) -> bool:
        """Tell whether a child cannot be made because nobody serves its kind any more."""
        with suppress(PortError):
            return await self._optional.gone(BY_KIND[kind])
        return False

    async def _delete_child(self, deletion: Deletion, owner: Body) -> None:
        self.fence()
        kind, namespace, name = deletion.key
        # Where it is wanted again, nobody else has taken it away.
        self._written.get(key_of(owner), {}).pop(deletion.key, None)
        self._contests.forget(deletion.key)
        await self._cluster.delete(BY_KIND[kind], namespace, name, uid=deletion.uid)
        self._telemetry.wrote(kind, "delete")

    async def write_status(self, owner: Body, status: Mapping[str, Any] | None) -> bool:
        """Write the status if it differs from the stored one; return whether a call was made."""
        if status is None or owner.get("status") == status:
            return False
        key, metadata = key_of(owner), owner["metadata"]
        body: dict[str, Any] = {
            "apiVersion": API_VERSION,
            "kind": key.kind,
            "metadata": {"name": key.name, "namespace": key.namespace},
            "status": status,
        }
        version = metadata["resourceVersion"]
        if self._written.get(key, {}).get(key) == (digest(body), version):
            return False
        self.fence()
        # What was planned for an older spec, or for a namesake that is gone, must not be written.
        # A uid would not do: the API server ignores it for the status of custom resources.
        guarded = {**body, "metadata": {**body["metadata"], "resourceVersion": version}}
        stored = await self._apply_status(key, guarded, STATUS_MANAGER)
        if stored is not None:
            newest = stored["metadata"]["resourceVersion"]
            self._written.setdefault(key, {})[key] = (digest(body), newest)
        return stored is not None

    async def write_contender(self, owner: Body, operator: str) -> bool:
        """Write into an object of another operator who else watches it; empty: nobody.

        Returns:
            Whether it is stored; the object may be gone.
        """
        key = key_of(owner)
        body: dict[str, Any] = {
            "apiVersion": API_VERSION,
            "kind": key.kind,
            "metadata": {
                "name": key.name,
                "namespace": key.namespace,
                "resourceVersion": owner["metadata"]["resourceVersion"],
            },
            **({"status": {CONTENDER: operator}} if operator else {}),
        }
        self.fence()
        return await self._apply_status(key, body, CONTENDER_MANAGER) is not None

    async def _apply_status(self, key: ObjectKey, body: Body, manager: str) -> Body | None:
        """Apply a status guarded by its resourceVersion; None: the object is gone."""
        try:
            stored = await self._cluster.apply_status(body, manager=manager)
        except NotFoundError:
            return None
        except ConflictError:
            await self._refresh(key)
            raise
        self._telemetry.wrote(key.kind, "status")
        self._store.put(stored, writer=key)
        return stored

    def forget(self, owner: ObjectKey) -> None:
        """Drop the memory of a deleted object and of its children."""
        for key in self._written.pop(owner, {}):
            self._contests.forget(key)

    async def _apply_child(self, body: Body, owner: Body) -> None:
        """Apply a child that is not as wanted.

        Raises:
            ContestedError: somebody else changes it again and again; it is, or will be, healed.
        """
        key = key_of(body)
        mine = self._written.setdefault(key_of(owner), {})
        seen, written = self._store.get(key), mine.get(key)
        if seen is None and BY_KIND[key.kind] in OPTIONAL:
            written = None  # It went with its definition, and nobody contests it.
        state = _state(seen) if seen is not None else "deleted"
        if written == (digest(body), state):
            self._contests.check(key)
            return
        changed = written is not None and written[0] == digest(body)
        if changed and not self._contests.changed(key):
            self._contests.check(key)
            return
        await self._check_owner(key, owner)
        who = await self._rivals(body) if changed and self._contests.repeated(key) else ""
        self.fence()
        stored = await self._cluster.apply(body, manager=CHILDREN_MANAGER)
        self._telemetry.wrote(key.kind, "apply")
        mine[key] = (digest(body), _state(with_claim(stored, stored)))
        self._store.put(stored, writer=key_of(owner))
        if changed:
            self._contests.healed(key, who)
            self._contests.check(key)

    async def _rivals(self, body: Body) -> str:
        """Say who has changed what of a child, from the API server's own copy."""
        key = key_of(body)
        found = await self._cluster.get(BY_KIND[key.kind], key.namespace, key.name)
        if found is None:
            return "somebody deletes it"
        taken = rivals(found, body)
        return "; ".join(
            f"{manager} changes {', '.join(fields[:3])}" for manager, fields in taken.items()
        )

    async def _check_owner(self, key: ObjectKey, owner: Body) -> None:
        """Refuse to touch an object that is not this owner's.

        Raises:
            RefusedError: the name is taken.
        """
        seen = self._store.get(key)
        if seen is None or not is_ours(seen, owner):
            # The store sees labelled objects only, and may be a moment late.
            seen = await self._cluster.get(BY_KIND[key.kind], key.namespace, key.name)
        if seen is not None and not is_ours(seen, owner):
            msg = (
                f"{key} exists and belongs to somebody else: "
                f"rename the {owner['kind']} or remove that object"
            )
            raise RefusedError(msg)

    def _lacks(self, needed: Sequence[Body], owner: Body) -> bool:
        """Tell whether something is missing without which replicas only cost.

        What is missing has been refused, or has failed, and was told of.
        """
        namespace = owner["metadata"]["namespace"]
        for body in needed:
            if body["kind"] in NEEDED:
                key = ObjectKey(body["kind"], namespace, body["metadata"]["name"])
                seen = self._store.get(key)
                if seen is None or not is_ours(seen, owner):
                    return True
        return False

    async def _refresh(self, key: ObjectKey, *, writer: ObjectKey | None = None) -> Body | None:
        """Read one object again; return it, or None where there is none."""
        before = self._store.get(key)
        newest = await self._cluster.get(BY_KIND[key.kind], key.namespace, key.name)
        if self._store.get(key) is not before:
            return newest  # An event came in between, and may be newer.
        if newest is None:
            self._store.remove(key)
        else:
            self._store.put(newest, writer=writer or key, authoritative=True)
        return newest

    def fence(self) -> None:
        """Let nothing pass that another leader may be doing.

        Raises:
            NotLeaderError: the lease is lost.
        """
        if not self._may_write():
            msg = "the lease is lost: another replica leads"
            raise NotLeaderError(msg)


def _holds(stored: Body, wanted: Body) -> bool:
    """Tell whether an object that is written whole is stored as wanted."""
    owners = [body["metadata"].get("ownerReferences") for body in (stored, wanted)]
    return stored.get("data") == wanted.get("data") and owners[0] == owners[1]


def adopted(body: Body, owner: Body) -> dict[str, Any]:
    """Return a child with our label and the owner reference by which it is collected."""
    metadata = dict(body["metadata"])
    metadata["labels"] = {**metadata.get("labels", {}), MANAGED_BY_LABEL: MANAGED_BY}
    metadata["namespace"] = owner["metadata"]["namespace"]
    metadata["ownerReferences"] = [
        {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    return {**body, "metadata": metadata}


def _state(child: Body) -> str:
    return f"{child['metadata'].get('uid')}/{claim_of(child)}"


def digest(body: Body) -> str:
    """Return a fingerprint of an object's content."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
