"""Kopf is told to watch and nothing else."""

import itertools

import kopf
import pytest

from tokenfleet.handlers.registry import build_registry
from tokenfleet.handlers.settings import CappedBackoff, NullDiffBase, NullProgress, configure
from tokenfleet.reconcilers.resources import WATCHED
from tokenfleet.reconcilers.store import Store


def test_the_pauses_of_a_watcher_grow_and_end_after_ten_minutes() -> None:
    pauses = list(CappedBackoff())

    assert pauses[0] < 2
    assert max(pauses) <= 36
    assert 600 <= sum(pauses) < 640


def test_every_outage_starts_with_the_first_pause() -> None:
    """A generator would be used up by the first outage, and the second would end the process."""
    backoff = CappedBackoff()
    list(backoff)

    assert len(list(backoff)) > 10


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
