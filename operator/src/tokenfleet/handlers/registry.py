"""Kopf's side of the informer: every event of a watched kind goes into the store, and no further.

Kopf drops what an event handler raises, so nothing here may fail: parsing and planning happen in
visits, where a failure is retried and shown.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

import kopf

from tokenfleet.domain.fleet.keys import key_of
from tokenfleet.handlers.connection import Connection
from tokenfleet.ports import Resource
from tokenfleet.reconcilers.store import Store


def build_registry(
    store: Store, watched: Iterable[Resource], connection: Connection | None = None
) -> kopf.OperatorRegistry:
    """Return a registry that feeds `store` with the watched kinds."""
    registry = kopf.OperatorRegistry()
    requests = connection or Connection()
    for resource in watched:
        feed(registry, store, resource)

    @kopf.on.login(registry=registry)
    async def login(**kwargs: Any) -> kopf.AiohttpSession | None:
        """Use the pod's service account, else kubeconfig, as the official client does."""
        info = await asyncio.to_thread(kopf.login_via_client, **kwargs)
        return requests.session(info) if info is not None else None

    return registry


def feed(registry: kopf.OperatorRegistry, store: Store, resource: Resource) -> None:
    """Let the events of one more kind go into `store`."""
    name = (resource.group, resource.version, resource.plural)
    kopf.on.event(*name, registry=registry, id=f"ingest-{resource.plural}")(
        _ingest(store, resource)
    )


def _ingest(store: Store, resource: Resource) -> Any:
    version = f"{resource.group}/{resource.version}" if resource.group else resource.version

    async def ingest(event: Any, **_: Any) -> None:
        # Items of an initial list do not say what they are.
        body = {**event["object"], "apiVersion": version, "kind": resource.kind}
        if event["type"] == "DELETED":
            store.remove(key_of(body), uid=body["metadata"].get("uid", ""))
        else:
            # Without a type it comes from a LIST: the truth, also where memory has larger numbers.
            store.put(body, authoritative=event["type"] is None)

    return ingest
