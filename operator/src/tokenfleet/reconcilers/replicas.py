"""The pods that carry a router: its own, or those of applications."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from tokenfleet.domain.fleet.keys import ObjectKey, key_of
from tokenfleet.domain.fleet.sidecars import as_pod, carriers, discovery, is_carried
from tokenfleet.ports import Body, Clock
from tokenfleet.reconcilers.references import replicas_of
from tokenfleet.reconcilers.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicas:
    """Finds them in the store, and remembers since when applications' pods are ready."""

    store: Store
    clock: Clock
    _ready: dict[ObjectKey, dict[str, datetime]] = field(default_factory=dict)
    """Router -> pod uid -> when this process first saw it ready."""

    def of(self, router: Body) -> tuple[Body, ...]:
        """Return the pods of a router."""
        if is_carried(router):
            return tuple(self._carriers(router))
        return replicas_of(self.store, router)

    def forget(self, router: ObjectKey) -> None:
        """Forget a router that is gone."""
        self._ready.pop(router, None)

    def _carriers(self, router: Body) -> Iterator[Body]:
        key = key_of(router)
        slices = self.store.referring_bodies(discovery(router), "EndpointSlice")
        # A dual-stack Service lists each pod once for each family.
        found = dict(carriers(slices))
        now, before = self.clock.now(), self._ready.get(key, {})
        ready = {
            uid: before.get(uid, now)
            for uid, endpoint in found.items()
            if endpoint.get("conditions", {}).get("ready") is not False
        }
        self._ready[key] = ready
        for uid, endpoint in sorted(found.items()):
            yield as_pod(endpoint, key.namespace, ready.get(uid, now))
