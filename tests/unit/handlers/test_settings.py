"""Kopf is told to watch and nothing else."""

import itertools
from typing import Any

import kopf
import pytest

from tokenfleet.handlers.registry import build_registry
from tokenfleet.handlers.settings import (
    EndlessBackoff,
    NoMemories,
    NullDiffBase,
    NullProgress,
    configure,
)
from tokenfleet.reconcilers.resources import WATCHED
from tokenfleet.reconcilers.store import Store


def test_a_watcher_never_gives_up_and_asks_twice_a_minute_at_least() -> None:
    """One that gave up would take the process with it, and with it all other namespaces."""
    pauses = list(itertools.islice(EndlessBackoff(), 500))

    assert pauses[0] < 2
    assert 20 < pauses[-1] <= 36
    assert max(pauses) <= 36


def test_every_outage_starts_with_the_first_pause() -> None:
    backoff = EndlessBackoff()
    list(itertools.islice(backoff, 20))

    assert next(iter(backoff)) < 2


def test_nothing_is_ever_stored_in_users_objects() -> None:
    settings = kopf.OperatorSettings()
    configure(settings, WATCHED)

    assert isinstance(settings.persistence.diffbase_storage, NullDiffBase)
    assert isinstance(settings.persistence.progress_storage, NullProgress)
    assert not settings.posting.enabled
    assert settings.peering.standalone
    with pytest.raises(AssertionError):
        NullDiffBase().store(body=None, patch=None, essence=None)  # type: ignore[arg-type]
    with pytest.raises(AssertionError):
        NullProgress().store(key="k", record={}, body=None, patch=None)  # type: ignore[arg-type]


async def test_kopf_keeps_no_record_of_what_passes_by() -> None:
    """A kilobyte each, for all Services and EndpointSlices of the cluster."""
    memories = NoMemories()
    body: Any = {"metadata": {"uid": "u"}}

    first = await memories.recall(body, noticed_by_listing=True)

    assert first.noticed_by_listing
    assert list(memories.iter_all_memories()) == []
    await memories.forget(body)


def test_watches_ask_the_server_for_whole_seconds() -> None:
    """The API server refuses `timeoutSeconds=290.0`."""
    settings = kopf.OperatorSettings()
    configure(settings, WATCHED)

    assert isinstance(settings.watching.server_timeout, int)


def test_there_are_event_handlers_and_no_others() -> None:
    """Any other handler writes annotations or finalizers to the objects it handles."""
    registry = build_registry(Store(lambda _: None), WATCHED)

    handlers = list(itertools.chain(registry._watching._handlers))
    assert len(handlers) == len(WATCHED)
    assert registry._changing._handlers == []
    assert registry._spawning._handlers == []
    assert registry._indexing._handlers == []


async def test_events_go_into_the_store() -> None:
    store = Store(lambda _: None)
    registry = build_registry(store, WATCHED)
    ingest = next(h.fn for h in registry._watching._handlers if h.id == "ingest-servingpools")
    metadata = {"name": "a", "namespace": "ns", "uid": "u", "resourceVersion": "1"}
    body = {"metadata": metadata, "spec": {"type": "Managed"}}

    await ingest(event={"type": None, "object": body})
    assert store.count("ServingPool") == 1

    await ingest(event={"type": "DELETED", "object": body})
    assert store.count("ServingPool") == 0


async def test_what_a_list_says_wins_over_larger_numbers_in_memory() -> None:
    """After a restore of etcd versions start lower; a relist must not be taken for an old event."""
    store = Store(lambda _: None)
    registry = build_registry(store, WATCHED)
    ingest = next(h.fn for h in registry._watching._handlers if h.id == "ingest-servingpools")
    metadata = {"name": "a", "namespace": "ns", "uid": "u", "resourceVersion": "90000"}
    await ingest(event={"type": "ADDED", "object": {"metadata": metadata, "spec": {"replicas": 9}}})

    restored = {"metadata": {**metadata, "resourceVersion": "500"}, "spec": {"replicas": 1}}
    await ingest(event={"type": "MODIFIED", "object": restored})
    (kept,) = store.all("ServingPool")
    await ingest(event={"type": None, "object": restored})
    (found,) = store.all("ServingPool")

    assert kept["spec"] == {"replicas": 9}, "a late event of an older copy changes nothing"
    assert found["spec"] == {"replicas": 1}
