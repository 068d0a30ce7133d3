"""Events: one object per happening, a count for repetitions, and never a flood."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.fake_cluster import FakeCluster
from tests.support.fakes import CountingTelemetry, FakeClock
from tokenfleet.domain.fleet.plan import EventNote
from tokenfleet.reconcilers.events import BUCKET_SIZE, Recorder

OWNER = {
    "apiVersion": "tokenfleet.dev/v1alpha1",
    "kind": "ModelRoute",
    "metadata": {"name": "chat", "namespace": "ns", "uid": "u"},
}


def note(text: str = "n", type_: Any = "Normal") -> EventNote:
    return EventNote(type=type_, reason="R", action="A", note=text)


class Bench:
    def __init__(self) -> None:
        self.cluster, self.clock = FakeCluster(), FakeClock()
        self.recorder = Recorder(
            self.cluster, self.clock, instance="pod-0", telemetry=CountingTelemetry()
        )

    def events(self) -> list[dict[str, Any]]:
        return [body for (kind, _, _), body in self.cluster.objects.items() if kind == "Event"]


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_an_event_says_what_about_whom(bench: Bench) -> None:
    await bench.recorder.tell(OWNER, note("shifted", "Warning"))

    (event,) = bench.events()
    assert (event["type"], event["reason"], event["action"]) == ("Warning", "R", "A")
    assert event["message"] == "shifted"
    assert event["involvedObject"]["name"] == "chat"
    assert event["reportingInstance"] == "pod-0"
    assert "series" not in event


async def test_a_repetition_counts_in_the_series(bench: Bench) -> None:
    for _ in range(3):
        await bench.recorder.tell(OWNER, note())
        bench.clock.advance(seconds=10)

    (event,) = bench.events()
    assert event["series"]["count"] == 3
    assert event["eventTime"] == "2026-01-01T12:00:00.000000Z"
    assert event["series"]["lastObservedTime"] == "2026-01-01T12:00:20.000000Z"


async def test_an_event_has_what_kubectl_sorts_and_counts_by(bench: Bench) -> None:
    for _ in range(3):
        await bench.recorder.tell(OWNER, note())
        bench.clock.advance(seconds=10)

    (event,) = bench.events()
    assert event["firstTimestamp"] == "2026-01-01T12:00:00Z"
    assert event["lastTimestamp"] == "2026-01-01T12:00:20Z"
    assert event["count"] == 3
    assert event["source"] == {"component": event["reportingComponent"]}


async def test_other_words_and_late_repetitions_are_other_events(bench: Bench) -> None:
    await bench.recorder.tell(OWNER, note("a"))
    await bench.recorder.tell(OWNER, note("b"))
    bench.clock.advance(minutes=7)
    await bench.recorder.tell(OWNER, note("a"))

    assert len(bench.events()) == 3


async def test_a_flapping_object_runs_out_of_tokens_and_gets_new_ones(bench: Bench) -> None:
    for number in range(BUCKET_SIZE + 20):
        await bench.recorder.tell(OWNER, note(f"{number}"))
    assert len(bench.events()) == BUCKET_SIZE

    bench.clock.advance(seconds=30)
    await bench.recorder.tell(OWNER, note("later"))
    assert len(bench.events()) == BUCKET_SIZE + 1


async def test_failing_to_tell_fails_nothing(bench: Bench) -> None:
    bench.cluster.outage = True
    await bench.recorder.tell(OWNER, note())
    bench.cluster.outage = False
    bench.cluster.refuse = lambda *_: "the namespace is terminating"
    await bench.recorder.tell(OWNER, note())

    assert bench.events() == []


async def test_a_decision_is_one_event_whoever_tells_it_and_however_often(bench: Bench) -> None:
    decision = replace(note("shifted"), id="d1", at=bench.clock.now())
    for instance in ("pod-0", "pod-1"):
        bench.recorder = Recorder(
            bench.cluster, bench.clock, instance=instance, telemetry=CountingTelemetry()
        )
        bench.clock.advance(minutes=10)
        assert await bench.recorder.tell(OWNER, decision)

    (event,) = bench.events()
    assert event["eventTime"] == "2026-01-01T12:00:00.000000Z"
    assert "series" not in event


async def test_decisions_are_told_however_many_there_are(bench: Bench) -> None:
    for number in range(BUCKET_SIZE + 20):
        await bench.recorder.tell(OWNER, replace(note("shifted"), id=f"{number}"))

    assert len(bench.events()) == BUCKET_SIZE + 20


async def test_a_decision_that_is_not_told_is_told_again_until_nobody_would_read_it(
    bench: Bench,
) -> None:
    decision = replace(note("shifted"), id="d1", at=bench.clock.now())
    bench.cluster.outage = True
    assert not await bench.recorder.tell(OWNER, decision)
    bench.cluster.outage = False
    bench.cluster.refuse = lambda *_: "a policy refuses it"
    assert not await bench.recorder.tell(OWNER, decision)
    bench.clock.advance(minutes=61)
    assert await bench.recorder.tell(OWNER, decision)


async def test_a_long_note_is_cut_at_whole_characters(bench: Bench) -> None:
    await bench.recorder.tell(OWNER, note("é" * 2000))

    (event,) = bench.events()
    assert event["message"] == "é" * 512
