"""The keys of pools: read from Secrets that the router's account may read, written for Envoy.

One watch per Secret, by its name: a right to read it alone is enough. A key that changes is one new
file, which Envoy reads by itself. What cannot be had is said by the name of the pool, and never by
what was read.
"""

import asyncio
import logging
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import httpx

from tokenfleet.adapters.envoy.outside import Keys, key_file, key_name, key_resource
from tokenfleet.adapters.envoy.wire import canonical
from tokenfleet.agent.files import Folder
from tokenfleet.agent.watch import states
from tokenfleet.domain.routing.credentials import FORBIDDEN, MISSING, UNUSABLE
from tokenfleet.domain.routing.ir import Credential, Pool
from tokenfleet.domain.routing.naming import Place, place_of

logger = logging.getLogger(__name__)

PATIENCE: Final = 5.0
"""Seconds that a configuration waits for the first look at a Secret that is new to the router."""
LONGEST: Final = 4096
"""Characters of a key; an attempt's headers must fit into 60 KiB."""

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A key, or why there is none."""

    key: str = field(default="", repr=False)
    trouble: str = ""


class Pouch:
    """The Secrets that are watched, and the files that hold their keys."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        tasks: asyncio.TaskGroup,
        folder: Folder,
        *,
        home: str,
        changed: Callable[[], None],
    ) -> None:
        """Watch nothing yet.

        Args:
            client: of the API server.
            tasks: where watches run.
            folder: where files go.
            home: the router's namespace.
            changed: called after every change of what is known.
        """
        self._client, self._tasks, self._folder = client, tasks, folder
        self._home, self._changed = home, changed
        self._watches: dict[Place, asyncio.Task[None]] = {}
        self._known: dict[Place, Mapping[str, str]] = {}
        self._looked: dict[Place, asyncio.Event] = {}
        self._texts: dict[str, str] = {}
        """File -> key, as written by this process."""

    async def follow(self, pools: Iterable[Pool]) -> None:
        """Watch exactly the Secrets of these pools, and wait a little for new ones."""
        wanted = {self._place(pool.credential) for pool in pools if pool.credential is not None}
        for gone in self._watches.keys() - wanted:
            self._watches.pop(gone).cancel()
            self._known.pop(gone, None)
        fresh = sorted(wanted - self._watches.keys())
        for place in fresh:
            self._looked[place] = asyncio.Event()
            self._watches[place] = self._tasks.create_task(self._watch(place))
        try:
            async with asyncio.timeout(PATIENCE):
                for place in fresh:
                    await self._looked[place].wait()
        except TimeoutError:
            logger.warning("the API server does not say what keys there are")

    def written(self, pools: Sequence[Pool]) -> tuple[Keys, dict[str, str]]:
        """Write the keys of these pools; return those that Envoy can read, and what is wrong.

        A key that was there before and of which nobody can say anything now stays.

        Returns:
            keys, and pool -> reason, one of `domain.routing.credentials`.
        """
        known, troubles = set(), {}
        for pool in pools:
            if pool.credential is None:
                continue
            name, found = key_name(pool.credential), self._key(pool.credential)
            if found.trouble == FORBIDDEN and self._folder.has(key_file(name)):
                known.add(name)
            elif found.trouble:
                troubles[pool.name] = found.trouble
            else:
                known.add(name)
                self._write(name, found.key)
        return Keys(folder=str(self._folder.path), known=frozenset(known)), troubles

    def tidy(self, keys: Keys) -> None:
        """Remove the files of all other keys; Envoy must not have them in its configuration."""
        for file in self._folder.keys() - {key_file(name) for name in keys.known}:
            self._folder.remove(file)
            self._texts.pop(file, None)

    def _write(self, name: str, key: str) -> None:
        file = key_file(name)
        if self._texts.get(file) != key:
            resource = {"version_info": "1", "resources": [key_resource(name, key)]}
            self._folder.write(file, canonical(resource), mode=0o600)
            self._texts[file] = key

    def _key(self, credential: Credential) -> _Found:
        data = self._known.get(self._place(credential))
        if data is None:
            return _Found(trouble=FORBIDDEN)
        if credential.key not in data:
            return _Found(trouble=MISSING)
        try:
            key = b64decode(data[credential.key], validate=True).decode("ascii").strip()
        except (Base64Error, ValueError):
            return _Found(trouble=UNUSABLE)
        # Visible ASCII: what a header's value may hold (RFC 9110 section 5.5), without spaces.
        fits = 0 < len(key) <= LONGEST and all("!" <= letter <= "~" for letter in key)
        return _Found(key=key) if fits else _Found(trouble=UNUSABLE)

    def _place(self, credential: Credential) -> Place:
        return place_of(credential.secret, at=self._home)

    async def _watch(self, place: Place) -> None:
        path = f"/api/v1/namespaces/{place.namespace}/secrets"
        selector = f"metadata.name={place.name}"
        contact = partial(self._contact, place)
        async for state in states(
            self._client, path, field_selector=selector, on_contact=contact, keep=_data
        ):
            self._known[place] = state.get(place.name, {})
            self._looked[place].set()
            self._changed()

    def _contact(self, place: Place, reached: bool) -> None:  # noqa: FBT001  # told by the watch
        if not reached and not self._looked[place].is_set():
            self._looked[place].set()  # the rest need not wait for it
            self._changed()


def _data(secret: Body) -> Mapping[str, str]:
    return dict(secret.get("data") or {})
