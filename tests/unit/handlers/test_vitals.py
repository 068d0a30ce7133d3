"""How the process itself is."""

import asyncio
import time

import pytest
from prometheus_client import CollectorRegistry

from tokenfleet.handlers import vitals
from tokenfleet.handlers.vitals import Vitals


async def test_what_cannot_be_seen_and_how_old_the_last_look_is() -> None:
    registry, blind = CollectorRegistry(), {"b": "forbidden"}
    Vitals(registry, blind=lambda: blind, age=lambda: 12.0)

    assert registry.get_sample_value("tokenfleet_namespace_blind", {"namespace": "b"}) == 1
    assert registry.get_sample_value("tokenfleet_resync_age_seconds") == 12

    blind.clear()
    assert registry.get_sample_value("tokenfleet_namespace_blind", {"namespace": "b"}) is None


async def test_requests_are_counted_by_their_answer() -> None:
    registry = CollectorRegistry()
    found = Vitals(registry, blind=dict, age=lambda: 0.0)

    found.answered("GET", "api:443", 200)
    found.answered("GET", "api:443", None)

    for code in ("200", "<error>"):
        labels = {"code": code, "method": "GET", "host": "api:443"}
        assert registry.get_sample_value("rest_client_requests_total", labels) == 1


async def test_a_loop_that_was_blocked_shows_as_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vitals, "LOOK", 0.01)
    registry = CollectorRegistry()
    task = asyncio.create_task(Vitals(registry, blind=dict, age=lambda: 0.0).run())
    await asyncio.sleep(0.001)
    time.sleep(0.2)  # the fault itself
    await asyncio.sleep(0.05)
    task.cancel()

    name = "tokenfleet_event_loop_lag_seconds"
    late = registry.get_sample_value(f"{name}_bucket", {"le": "0.1"})
    assert registry.get_sample_value(f"{name}_count") > (late or 0)
