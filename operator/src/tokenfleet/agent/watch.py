"""List and watch of one Kubernetes collection: the whole of it, again and again.

A consumer sees complete states only. Whatever breaks - a lost connection, an expired version, an
API server that is gone - ends in a new list after a back-off, and the last state stays what it was.
"""

import asyncio
import json
import logging
import random
import ssl
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from typing import Any, Final

import httpx

from tokenfleet.agent.settings import ApiServer

logger = logging.getLogger(__name__)

WATCH_SECONDS: Final = 300
"""How long the API server keeps one watch; it ends them anyway after 30 to 60 minutes."""
SILENCE: Final = 80.0
"""Seconds without a byte after which a connection counts as dead. The API server sends a bookmark
about once a minute, so a good watch is never silent for longer."""
LONG_ENOUGH: Final = 1.0
"""Seconds that a watch lasts when nothing is wrong. One that ends sooner would, asked again at
once, be asked some hundred times a second."""
BACKOFF_MIN: Final = 0.2
BACKOFF_MAX: Final = 15.0
"""Seconds. Jittered: all routers of a cluster lose the API server at the same moment."""
PAGE: Final = 500
"""Objects a page of a list."""

_NO_ANSWER: Final = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What reading something else than an API server's answer raises."""

Body = Mapping[str, Any]
State = Mapping[str, Body]
"""Name -> object; of one namespace."""


class WatchError(Exception):
    """The collection has to be listed again."""


class _TokenFile(httpx.Auth):
    """Sends the token that the file holds now."""

    def __init__(self, api: ApiServer) -> None:
        self._file = api.token_file

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._file is not None:
            request.headers["authorization"] = f"Bearer {self._file.read_text().strip()}"
        yield request


def api_client(api: ApiServer) -> httpx.AsyncClient:
    """Return a client for the Kubernetes API."""
    verify: ssl.SSLContext | bool = True
    if api.ca_file is not None:
        verify = ssl.create_default_context(cafile=str(api.ca_file))
    return httpx.AsyncClient(
        base_url=api.url,
        auth=_TokenFile(api),
        verify=verify,
        trust_env=False,
        timeout=httpx.Timeout(5.0, read=SILENCE),
    )


async def states(
    client: httpx.AsyncClient,
    path: str,
    *,
    field_selector: str = "",
    on_contact: Callable[[bool], None],
    keep: Callable[[Body], Body] = lambda body: body,
) -> AsyncIterator[State]:
    """Yield the collection after the first list and after every change, for ever.

    Args:
        client: from `api_client`.
        path: the collection, for example `/api/v1/namespaces/a/configmaps`.
        field_selector: narrows the collection.
        on_contact: told True when the API server answers and False when it fails.
        keep: returns what is kept of an object.
    """
    loop = asyncio.get_running_loop()
    objects: dict[str, Body] = {}
    version, patience = "", _Patience()
    while True:
        begun = None
        try:
            if not version:
                objects, version = await _list(client, path, field_selector, keep)
                on_contact(True)
                yield dict(objects)
            begun = loop.time()
            async for event in _watch(client, path, field_selector, version):
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    _apply(objects, event, keep)
                    yield dict(objects)
        except httpx.ReadTimeout:
            logger.info("watch of %s: silent for %.0f s, asking again", path, SILENCE)
        except (httpx.HTTPError, WatchError, OSError, *_NO_ANSWER) as error:
            version = ""
            if not isinstance(error, WatchError):
                on_contact(False)
            logger.warning("watch of %s: %s", path, error or type(error).__name__)
        await patience.after(0.0 if begun is None else loop.time() - begun)


class _Patience:
    """Waits longer and longer for a server whose watches do not last."""

    def __init__(self) -> None:
        self._next = BACKOFF_MIN

    async def after(self, lasted: float) -> None:
        if lasted >= LONG_ENOUGH:
            self._next = BACKOFF_MIN
            return
        await pause(self._next)
        self._next = min(self._next * 2, BACKOFF_MAX)


async def pause(seconds: float) -> None:
    """Wait about as long."""
    await asyncio.sleep(seconds * random.uniform(0.5, 1.5))  # noqa: S311  # jitter


async def _list(
    client: httpx.AsyncClient, path: str, field_selector: str, keep: Callable[[Body], Body]
) -> tuple[dict[str, Body], str]:
    objects: dict[str, Body] = {}
    following = ""
    while True:
        parameters = {"limit": str(PAGE), "continue": following, "fieldSelector": field_selector}
        answer = await client.get(
            path, params={k: v for k, v in parameters.items() if v}, timeout=10.0
        )
        answer.raise_for_status()
        page = answer.json()
        objects.update({item["metadata"]["name"]: keep(item) for item in page["items"] or ()})
        following = page["metadata"].get("continue", "")
        if not following:
            return objects, page["metadata"]["resourceVersion"]


async def _watch(
    client: httpx.AsyncClient, path: str, field_selector: str, version: str
) -> AsyncIterator[Body]:
    """Yield events and bookmarks until the server ends the watch."""
    parameters = {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": version,
        "timeoutSeconds": str(WATCH_SECONDS),
        "fieldSelector": field_selector,
    }
    async with client.stream(
        "GET", path, params={k: v for k, v in parameters.items() if v}
    ) as answer:
        answer.raise_for_status()
        async for line in _lines(answer):
            event = json.loads(line)
            if event["type"] == "ERROR":
                raise WatchError(event["object"].get("message", "expired"))
            yield event


async def _lines(answer: httpx.Response) -> AsyncIterator[bytes]:
    """Yield whole lines. The text of an object may hold what else ends a line in Unicode."""
    rest = b""
    async for piece in answer.aiter_bytes():
        *whole, rest = (rest + piece).split(b"\n")
        for line in filter(None, whole):
            yield line


def _apply(objects: dict[str, Body], event: Body, keep: Callable[[Body], Body]) -> None:
    name = event["object"]["metadata"]["name"]
    if event["type"] == "DELETED":
        objects.pop(name, None)
    else:
        objects[name] = keep(event["object"])
