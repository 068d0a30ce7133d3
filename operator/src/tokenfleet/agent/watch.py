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
"""How long the API server keeps one watch; it ends them anyway after 30 to 60 minutes. Shorter
bounds how long a silently dead connection can go unnoticed."""
BACKOFF_MIN: Final = 0.2
BACKOFF_MAX: Final = 15.0
"""Seconds. Jittered: all routers of a cluster lose the API server at the same moment."""
PAGE: Final = 500
"""Objects a page of a list."""

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
        # Reading has no limit of its own: a quiet watch is a good watch, and the server ends it.
        timeout=httpx.Timeout(5.0, read=WATCH_SECONDS + 30),
    )


async def states(
    client: httpx.AsyncClient,
    path: str,
    *,
    field_selector: str = "",
    on_contact: Callable[[bool], None],
) -> AsyncIterator[State]:
    """Yield the collection after the first list and after every change, for ever.

    Args:
        client: from `api_client`.
        path: the collection, for example `/api/v1/namespaces/a/configmaps`.
        field_selector: narrows the collection.
        on_contact: told True when the API server answers and False when it fails.
    """
    backoff = BACKOFF_MIN
    while True:
        try:
            objects, version = await _list(client, path, field_selector)
            on_contact(True)
            backoff = BACKOFF_MIN
            yield dict(objects)
            async for changed in _watch(client, path, field_selector, version):
                _apply(objects, changed)
                yield dict(objects)
        except (httpx.HTTPError, WatchError, ValueError, KeyError, OSError) as error:
            if not isinstance(error, WatchError):
                on_contact(False)
            logger.warning("watch of %s: %s", path, error or type(error).__name__)
            await asyncio.sleep(backoff * random.uniform(0.5, 1.5))  # noqa: S311  # jitter
            backoff = min(backoff * 2, BACKOFF_MAX)


async def _list(
    client: httpx.AsyncClient, path: str, field_selector: str
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
        objects.update({item["metadata"]["name"]: item for item in page["items"]})
        following = page["metadata"].get("continue", "")
        if not following:
            return objects, page["metadata"]["resourceVersion"]


async def _watch(
    client: httpx.AsyncClient, path: str, field_selector: str, version: str
) -> AsyncIterator[Body]:
    while True:
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
            async for line in answer.aiter_lines():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise WatchError(event["object"].get("message", "expired"))
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    yield event


def _apply(objects: dict[str, Body], event: Body) -> None:
    name = event["object"]["metadata"]["name"]
    if event["type"] == "DELETED":
        objects.pop(name, None)
    else:
        objects[name] = event["object"]
