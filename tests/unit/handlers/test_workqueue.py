"""The queue's metrics: client-go's names, by controller."""

import asyncio
from typing import Any

from prometheus_client import CollectorRegistry

from tokenfleet.domain.fleet.keys import ObjectKey
from tokenfleet.handlers.workqueue import WorkqueueMetrics
from tokenfleet.reconcilers.queue import Queue

POOL = ObjectKey("ServingPool", "ns", "large")
ROUTER = ObjectKey("ModelRouter", "ns", "default")


async def test_a_visit_that_hangs_shows_while_it_hangs() -> None:
    registry = CollectorRegistry()
    metrics = WorkqueueMetrics(registry)
    queue: Queue[ObjectKey] = Queue(listener=metrics)
    metrics.look_at(queue)

    def value(name: str, of: str) -> Any:
        return registry.get_sample_value(f"workqueue_{name}", {"name": of})

    queue.add(POOL)
    queue.add(POOL)
    queue.add(ROUTER)
    assert value("depth", "servingpool") == 1
    assert value("adds_total", "servingpool") == 1

    taken = await queue.get()
    await asyncio.sleep(0.02)

    assert taken == POOL
    assert value("depth", "servingpool") == 0
    assert value("longest_running_processor_seconds", "servingpool") >= 0.02
    assert value("unfinished_work_seconds", "servingpool") >= 0.02
    assert value("longest_running_processor_seconds", "modelrouter") == 0

    queue.retry(POOL)
    queue.done(POOL)

    assert value("retries_total", "servingpool") == 1
    assert value("longest_running_processor_seconds", "servingpool") == 0
    assert value("work_duration_seconds_count", "servingpool") == 1
    assert value("queue_duration_seconds_count", "servingpool") == 1
    assert value("work_duration_seconds_count", "tokenslo") == 0, "every controller has its series"
