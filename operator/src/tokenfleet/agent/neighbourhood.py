"""EndpointSlices of every namespace whose pools the router uses: one watch each.

The router's own is always watched. The others come and go with the configuration; a RoleBinding in
each gives the right to look, and may come a moment later than the configuration that needs it. One
that cannot be seen takes nothing from the rest: its pools stay as they were seen last, and without
replicas if they never were.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any, Final

import httpx

from tokenfleet.agent.watch import State, states
from tokenfleet.domain.fleet.slim import slim_slice

logger = logging.getLogger(__name__)

PATIENCE: Final = 5.0
"""Seconds that a configuration waits for the first list of a namespace that is new to the router.
The right to look comes within a second; a namespace that stays closed must not hold up the rest."""

Body = Mapping[str, Any]


class Neighbourhood:
    """What is known of the endpoints in each namespace."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        tasks: asyncio.TaskGroup,
        *,
        changed: Callable[[], None],
    ) -> None:
        """Watch nothing yet; `changed` is called after every change of what is known."""
        self._client, self._tasks, self._changed = client, tasks, changed
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._known: dict[str, State] = {}
        self._listed: dict[str, asyncio.Event] = {}
        self.refused: set[str] = set()
        """Namespaces of which the API server says nothing at present."""

    def watch(self, namespace: str, on_contact: Callable[[bool], None]) -> None:
        """Watch one namespace from here on."""
        self._listed[namespace] = asyncio.Event()
        watching = self._watch(namespace, on_contact)
        self._watches[namespace] = self._tasks.create_task(watching)

    def knows(self, namespace: str) -> bool:
        """Tell whether a namespace has been listed."""
        return namespace in self._known

    def slices(self) -> Iterator[Body]:
        """Yield every slice that is known."""
        for state in self._known.values():
            yield from state.values()

    async def follow(self, namespaces: Collection[str], *, home: str) -> None:
        """Watch exactly these namespaces besides the router's own, and wait a little for new ones.

        Args:
            namespaces: those of the pools that the router uses.
            home: the router's own.
        """
        for gone in self._watches.keys() - {*namespaces, home}:
            self._watches.pop(gone).cancel()
            self._known.pop(gone, None)
            self.refused.discard(gone)
        fresh = sorted(set(namespaces) - self._watches.keys())
        for namespace in fresh:
            self.watch(namespace, partial(self._contact, namespace))
        try:
            async with asyncio.timeout(PATIENCE):
                for namespace in fresh:
                    await self._listed[namespace].wait()
        except TimeoutError:
            closed = ", ".join(one for one in fresh if not self.knows(one))
            logger.warning("endpoints of namespace %s cannot be seen", closed)

    async def _watch(self, namespace: str, on_contact: Callable[[bool], None]) -> None:
        path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
        keep = partial(slim_slice, pods=False)
        async for state in states(self._client, path, on_contact=on_contact, keep=keep):
            self._known[namespace] = state
            self._listed[namespace].set()
            self._changed()

    def _contact(self, namespace: str, reached: bool) -> None:  # noqa: FBT001  # told by the watch
        (self.refused.discard if reached else self.refused.add)(namespace)
