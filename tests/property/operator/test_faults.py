"""Every write fails once, in every way, and every write is the last of a process."""

from collections.abc import Callable

import pytest

from tests.support.fake_cluster import Fault
from tests.unit.cli.fault_story import FAULTS, ROUNDS, Story, shares_in, whole
from tokenfleet.ports import Body, PortError


@pytest.mark.parametrize("kind", FAULTS)
async def test_whichever_write_fails_all_agree_in_the_end(kind: str) -> None:
    faultless = await whole()
    for number in range(1, faultless.writes + 1):
        story = await whole(number, FAULTS[kind])

        story.holds_together()
        assert story.counted() == {"P0": 1, "T1h": 1}, number
        assert shares_in(story.bench.held()) == shares_in(faultless.bench.held()), number
        assert ("Deployment", "ns", "large") in story.bench.cluster.objects, number


@pytest.mark.parametrize("acted", [False, True], ids=["before it acts", "after it acted"])
async def test_whichever_write_is_the_last_of_a_process_its_successor_loses_nothing(
    *,
    acted: bool,
) -> None:
    total = (await whole()).writes
    for number in range(1, total + 1):
        story = Story()
        story.fail(number, Fault(PortError("connection reset"), acted=acted))
        crash = crashing(story)
        for step in story.steps:
            step()
            await story.bench.settle(ROUNDS)
            if crash():
                await story.bench.restart()
                await story.bench.settle(ROUNDS)

        story.holds_together()


def crashing(story: Story) -> Callable[[], bool]:
    """Let nothing of this process get through after its faulty write; return whether it is dead."""
    cluster, decide = story.bench.cluster, story.bench.cluster.fault
    dead = False

    def fail(verb: str, body: Body) -> Fault | None:
        nonlocal dead
        fault = decide(verb, body)
        dead = dead or fault is not None
        return fault or (Fault(PortError("dead")) if dead and body["kind"] != "Lease" else None)

    def bury() -> bool:
        nonlocal dead
        was, dead = dead, False
        return was

    cluster.fault = fail
    return bury
