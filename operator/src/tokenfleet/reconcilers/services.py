"""Services and their slices, fetched when they are first named.

The watches tell of changes, and the store keeps what is named. What a pool names only now has
passed by before; it is asked for once, and kept up to date from then on.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from tokenfleet.domain.fleet.keys import ObjectKey
from tokenfleet.domain.routing.slices import SERVICE_LABEL
from tokenfleet.ports import Cluster
from tokenfleet.reconcilers.resources import SERVICES, SLICES
from tokenfleet.reconcilers.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Completes what the store knows of Services."""

    cluster: Cluster
    store: Store

    async def know(self, services: Iterable[ObjectKey]) -> None:
        """Make sure that everything about these Services is in the store.

        Raises:
            PortError: the API server did not answer.
        """
        for key in services:
            if self.store.is_named(key) and not self.store.is_whole(key):
                await self._fetch(key)

    async def _fetch(self, key: ObjectKey) -> None:
        service = await self.cluster.get(SERVICES, key.namespace, key.name)
        if service is not None:
            self.store.put({"apiVersion": "v1", "kind": SERVICES.kind, **service})
        selector = f"{SERVICE_LABEL}={key.name}"
        pages = self.cluster.pages(SLICES, namespace=key.namespace, label_selector=selector)
        async for page in pages:
            for body in page:
                self.store.put(body)
        self.store.now_whole(key)
