"""Delays, back-off and shutdown of the queue."""

import asyncio

from tokenfleet.reconcilers.queue import Queue


async def test_the_earliest_of_several_delays_wins() -> None:
    queue: Queue[str] = Queue()
    timer = asyncio.create_task(queue.run_timer())
    queue.add_after("a", 30)
    queue.add_after("a", 0.01)

    assert await asyncio.wait_for(queue.get(), 25) == "a"
    timer.cancel()


async def test_delays_of_a_failing_key_double_up_to_the_longest_and_start_anew_after_forget() -> (
    None
):
    queue: Queue[str] = Queue(first=1, longest=10)

    delays = [queue.retry("a") for _ in range(5)]
    queue.forget("a")

    assert delays == [1, 2, 4, 8, 10]
    assert queue.retry("a") == 1


async def test_a_thousand_failures_do_not_overflow() -> None:
    queue: Queue[str] = Queue()

    assert [queue.retry("a") for _ in range(1100)][-1] == 60


async def test_after_shut_down_nothing_is_handed_out() -> None:
    queue: Queue[str] = Queue()
    waiting = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.add("late")
    queue.shut_down()

    got = await asyncio.wait_for(asyncio.gather(*waiting), 60)

    assert set(got) <= {None, "late"}
    assert await queue.get() is None
