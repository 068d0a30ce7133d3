"""Kopf's settings, and the storages that keep nothing.

Kopf is used as informer and lifecycle shell only. The null storages prove it: a handler that needs
state in annotations or finalizers raises instead of writing to a user's object.
"""

import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import kopf
from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory

from tokenfleet.ports import Resource

LONGEST_PAUSE: Final = 30.0
"""Seconds between two attempts of a watcher: how late at most it notices that the API is back."""

WATCH_LIFE: Final = 290
"""Whole seconds, as the API takes them; below the 300 s at which proxies cut idle streams."""


class NullDiffBase(kopf.DiffBaseStorage):
    """Remembers no previous state."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:
        """Return an empty essence."""
        del body, extra_fields
        return kopf.BodyEssence({})

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        """Return that nothing was stored."""
        del body
        return None  # the value is the point

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Refuse to write."""
        del body, patch, essence
        msg = "handlers that keep state in objects are not used here"
        raise AssertionError(msg)


class NullProgress(kopf.ProgressStorage):
    """Remembers no progress of handlers."""

    def fetch(self, *, key: Any, body: kopf.Body) -> Any:
        """Return that nothing was stored."""
        del key, body

    def store(self, *, key: Any, record: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        """Refuse to write."""
        del key, record, body, patch
        msg = "handlers that keep state in objects are not used here"
        raise AssertionError(msg)

    def purge(self, *, key: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        """Nothing to remove."""

    def touch(self, *, body: kopf.Body, patch: kopf.Patch, value: Any) -> None:
        """Nothing to write."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        """Return the essence as it is."""
        return essence


class NoMemories(ResourceMemories):
    """Remembers no object.

    Kopf keeps a record for daemons, timers and retries of handlers of each object that passes by,
    a kilobyte for each of all Services and EndpointSlices of the cluster.
    """

    async def recall(
        self,
        raw_body: Any,
        *,
        memobase: Any = None,
        noticed_by_listing: bool = False,
        ephemeral: bool = True,
    ) -> ResourceMemory:
        """Return a record for this event, and forget it afterwards."""
        del ephemeral
        return await super().recall(
            raw_body, memobase=memobase, noticed_by_listing=noticed_by_listing, ephemeral=True
        )


class EndlessBackoff(Iterable[float]):
    """Growing pauses with jitter, without end; fresh on each iteration.

    A watcher that gives up takes the process with it, and all other namespaces. One that may not be
    watched is asked again until it may be; that nothing comes from it is noticed by the resync.
    """

    def __init__(self, longest: float = LONGEST_PAUSE) -> None:
        """Grow up to `longest`, in seconds before jitter."""
        self._longest = longest

    def __iter__(self) -> Iterator[float]:
        """Yield pauses in seconds."""
        pause = 1.0
        while True:
            yield min(pause, self._longest) * random.uniform(0.8, 1.2)  # noqa: S311  # jitter
            pause = min(pause * 1.6, self._longest)


def configure(settings: kopf.OperatorSettings, watched: Mapping[Resource, str]) -> None:
    """Make Kopf watch and nothing else."""
    settings.persistence.diffbase_storage = NullDiffBase()
    settings.persistence.progress_storage = NullProgress()
    settings.posting.enabled = False
    settings.peering.standalone = True
    # The custom resources are served before the shell starts, so nothing has to be scanned for,
    # and no permission on definitions or namespaces is needed.
    settings.scanning.disabled = True
    # Per-object tasks die sooner: less memory after a start with many objects.
    settings.queueing.idle_timeout = 0.05
    settings.watching.chunk_size = 500
    settings.watching.connect_timeout = 10
    settings.watching.server_timeout = WATCH_LIFE
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = EndlessBackoff()
    for resource, selector in watched.items():
        if selector:
            name = (resource.group, resource.version, resource.plural)
            settings.watching.label_selectors[name] = selector
