"""Which kinds Kopf watches: those of others join and leave while it runs.

Kopf would learn of them from the definitions of the whole cluster, which the operator may not read.
"""

from collections.abc import Mapping
from typing import Final

import kopf
from kopf._cogs.structs.references import Insights

from tokenfleet.handlers.registry import build_registry, feed
from tokenfleet.ports import Resource
from tokenfleet.reconcilers.optional_kinds import OptionalKinds
from tokenfleet.reconcilers.resources import OPTIONAL
from tokenfleet.reconcilers.store import Store

VERBS: Final = frozenset({"list", "watch"})


class Watches:
    """Kopf's registry, and its list of what there is to watch."""

    def __init__(self, store: Store, watched: Mapping[Resource, str]) -> None:
        """Begin with the kinds that are served when the operator starts."""
        self._store, self._fed = store, set(watched)
        self.registry = build_registry(store, watched)
        self.insights = Insights()

    async def follow(self, kinds: OptionalKinds) -> None:
        """Watch every kind of others while it is served; until cancelled."""
        # Kopf's own look at the start replaces the list.
        await self.insights.ready_resources.wait()
        while True:
            await kinds.changed.wait()
            kinds.changed.clear()
            async with self.insights.revised:
                for resource in OPTIONAL:
                    self._set(resource, served=kinds.serves(resource))
                self.insights.revised.notify_all()

    def _set(self, resource: Resource, *, served: bool) -> None:
        kind = kopf.Resource(
            group=resource.group,
            version=resource.version,
            plural=resource.plural,
            kind=resource.kind,
            namespaced=resource.namespaced,
            verbs=VERBS,
        )
        if not served:
            self.insights.watched_resources.discard(kind)
            return
        if resource not in self._fed:
            self._fed.add(resource)
            feed(self.registry, self._store, resource)
        self.insights.watched_resources.add(kind)
