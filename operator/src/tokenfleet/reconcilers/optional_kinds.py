"""Kinds of others that a cluster may serve, and that may come and go while the operator runs.

A definition that is deleted takes its objects with it, and every call about them is answered 404.
Then the kind is left out of plans and lists, which is said once, until discovery shows it again;
then whoever makes or reads such objects is visited again, and the kind is watched again. One that
may be listed nowhere (403) is left out the same way: rights that lack one kind of others must not
take the operator's own away.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from tokenfleet.domain.fleet.keys import VISITED, ObjectKey
from tokenfleet.ports import Cluster, NotFoundError, PortError, RefusedError, Resource
from tokenfleet.reconcilers.resources import OPTIONAL
from tokenfleet.reconcilers.store import Store

EVERY: Final = 10.0
"""Seconds between looks, each a small request for every such kind: people who install one wait."""

log = logging.getLogger(__name__)


class OptionalKinds:
    """Knows which of them are served."""

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        wake: Callable[[ObjectKey], None],
        *,
        namespaces: Sequence[str] = (),
    ) -> None:
        """Know of none; `wake` is told whom a kind that comes to `namespaces` (all) concerns."""
        self._cluster, self._store, self._wake = cluster, store, wake
        self._places = tuple(namespaces) or ("",)
        self._served: set[Resource] = set()
        self.lost: dict[str, str] = {}
        """Kinds that were served and are not now, or may not be listed -> why."""
        self.changed = asyncio.Event()
        """Set when what is served has changed; whoever watches clears it."""

    def serves(self, resource: Resource) -> bool:
        """Tell whether objects of a kind can be made; always, where the kind is not optional."""
        return resource not in OPTIONAL or resource in self._served

    def served(self, kinds: Mapping[Resource, str]) -> dict[Resource, str]:
        """Return kinds and their label selectors without those that are not served now."""
        return {kind: selector for kind, selector in kinds.items() if self.serves(kind)}

    def note(self, resource: Resource, *, served: bool) -> None:
        """Take in what discovery says, and act where it is another than before."""
        if served == self.serves(resource):
            return
        self.changed.set()
        if served:
            self._served.add(resource)
            self.lost.pop(resource.kind, None)
            log.info("%s is served", resource.kind)
            for kind in VISITED:
                for key in self._store.keys(kind):
                    self._wake(key)
            return
        self._served.discard(resource)
        self.lost.setdefault(resource.kind, "its definition has gone")
        log.warning("%s is not served any more: left out until it is", resource.kind)
        for key in self._store.keys(resource.kind):
            self._store.remove(key)

    async def gone(self, resource: Resource) -> bool:
        """Find out, after an answer of 404, whether it is the kind that is gone.

        Raises:
            PortError: the API server did not answer.
        """
        if resource in OPTIONAL:
            self.note(resource, served=await self._cluster.serves(resource))
        return not self.serves(resource)

    async def look(self) -> None:
        """Ask discovery once.

        Raises:
            PortError: the API server did not answer.
        """
        for resource, selector in OPTIONAL.items():
            served = await self._cluster.serves(resource)
            if served and not self.serves(resource):
                # Who is visited because the kind is there must find what is in it.
                served = await self.take_in(resource, selector)
            self.note(resource, served=served)

    async def take_in(self, resource: Resource, selector: str) -> bool:
        """Put what is in a kind that is served into the store; return whether it may be listed.

        Raises:
            PortError: the API server did not answer.
        """
        refused: list[str] = []
        for place in self._places:
            try:
                async for page in self._cluster.pages(
                    resource, namespace=place, label_selector=selector
                ):
                    for body in page:
                        self._store.put(body)
            except (RefusedError, NotFoundError) as error:  # One namespace may have gone.
                refused.append(str(error))
        if len(refused) < len(self._places):
            return True
        if self.lost.get(resource.kind) != refused[0]:
            log.warning("%s is left out: %s", resource.kind, refused[0])
        self.lost[resource.kind] = refused[0]
        return False

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            with suppress(PortError):
                await self.look()
