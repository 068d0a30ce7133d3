"""The queue's promises, for any order of adds and any pace of visits."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from tokenfleet.reconcilers.queue import Queue

STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "add_after", "retry", "yield", "sleep"]), st.integers(0, 3)),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(steps=STEPS, workers=st.integers(1, 4), pace=st.integers(0, 3))
def test_no_lost_wake_up_and_no_key_in_parallel(
    steps: list[tuple[str, int]], workers: int, pace: int
) -> None:
    """Every add is followed by a visit that starts after it; no key runs twice at once."""
    asyncio.run(_drive(steps, workers, pace))


async def _drive(steps: list[tuple[str, int]], workers: int, pace: int) -> None:
    queue: Queue[int] = Queue(first=0.0001, longest=0.0005)
    clock = 0
    asked: dict[int, int] = {}
    started: dict[int, int] = {}
    running: set[int] = set()

    async def work() -> None:
        nonlocal clock
        while (key := await queue.get()) is not None:
            assert key not in running
            running.add(key)
            clock += 1
            started[key] = clock
            for _ in range(pace):
                await asyncio.sleep(0)
            running.discard(key)
            queue.done(key)

    timer = asyncio.create_task(queue.run_timer())
    tasks = [asyncio.create_task(work()) for _ in range(workers)]
    for step, key in steps:
        if step == "yield":
            await asyncio.sleep(0)
        elif step == "sleep":
            await asyncio.sleep(0.0003)
        else:
            clock += 1
            asked[key] = clock
            if step == "add":
                queue.add(key)
            elif step == "add_after":
                queue.add_after(key, 0.0002 * key)
            else:
                queue.retry(key)
    for _ in range(500):
        if all(started.get(key, 0) > at for key, at in asked.items()):
            break
        await asyncio.sleep(0.001)
    queue.shut_down()
    done, late = await asyncio.wait(tasks, timeout=5)
    timer.cancel()

    assert not late
    assert all(task.exception() is None for task in done)
    assert {key for key, at in asked.items() if started.get(key, 0) <= at} == set()
