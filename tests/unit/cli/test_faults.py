"""Where a write fails: what is said, told and counted stays what is stored."""

import pytest

from tests.unit.cli.fault_story import (
    FAULTS,
    ROUNDS,
    Readiness,
    Story,
    always,
    shares_told,
    whole,
)
from tests.unit.domain.fleet.builders import conditions, message


async def test_the_story_without_a_fault() -> None:
    story = await whole()

    story.holds_together()
    reasons = [note.reason for note in story.decisions.values()]
    assert reasons == ["TrafficPinned", "TrafficShifted"]
    assert story.counted() == {"P0": 1, "T1h": 1}
    assert story.writes > 30


async def test_a_deployment_that_cannot_be_written_hides_no_decision() -> None:
    """ "failed calling webhook" for Deployments, for hours: traffic is steered and told of."""
    story = Story()
    story.bench.cluster.fault = always("apply", "Deployment", FAULTS["500"])
    await story.tell()

    story.holds_together()
    pool = story.bench.status("ServingPool", "large")
    assert conditions(pool)["Ready"] == ("False", "ChildFailed")
    assert conditions(pool)["Accepted"] == ("True", "Accepted")
    assert "Deployment ns/large: failed calling webhook" in message(pool, "Ready")
    assert shares_told(story.bench.status("ModelRoute", "chat"))["slow"] == {
        "large": 0,
        "small": 1000,
    }
    assert story.counted() == {"P0": 1, "T1h": 1}


@pytest.mark.parametrize("kind", ["422", "500"])
async def test_a_configuration_that_is_not_stored_is_not_claimed(kind: str) -> None:
    story = Story()
    story.created()
    await story.bench.settle(ROUNDS)
    before = story.bench.held()
    story.bench.cluster.fault = always("replace", "ConfigMap", FAULTS[kind])
    story.pinned()
    await story.bench.settle(ROUNDS)

    reason = "ConfigRefused" if kind == "422" else "ConfigNotStored"
    assert story.bench.held() == before
    for object_kind, name in (("ModelRouter", "default"), ("ModelRoute", "chat")):
        status = story.bench.status(object_kind, name)
        assert conditions(status)["Programmed"] == ("False", reason)
        assert conditions(status)["Ready"] == ("False", reason)
        assert str(FAULTS[kind].error) in message(status, "Ready")
    story.holds_together()
    assert story.counted() == {}
    slo = story.bench.status("TokenSLO", "ttft")
    assert "lastDecision" not in slo


async def test_what_is_stored_although_nobody_answered_is_found_out_at_once() -> None:
    story = Story()
    story.created()
    await story.bench.settle(ROUNDS)
    story.bench.cluster.fault = always("replace", "ConfigMap", FAULTS["timeout"])
    story.pinned()
    await story.bench.settle(ROUNDS)

    registry = story.bench.operator.core.telemetry.registry
    failed = {"controller": "modelrouter", "result": "error"}
    assert not registry.get_sample_value("controller_runtime_reconcile_total", failed)
    story.holds_together()
    assert story.counted() == {"P0": 1}
    assert conditions(story.bench.status("ModelRoute", "chat"))["Ready"] == ("True", "Ready")


async def test_events_that_cannot_be_written_are_written_later() -> None:
    story = Story()
    story.bench.cluster.fault = always("apply", "Event", FAULTS["500"])
    await story.tell()
    assert not story.events()
    assert len(story.bench.held().untold) == 2

    story.bench.cluster.fault = lambda *_: None
    await story.bench.restart()
    await story.bench.settle(ROUNDS)

    story.holds_together()


async def test_a_process_that_dies_at_any_write_loses_no_news_of_ready() -> None:
    """Before and after the write acted; the next process tells at most once more."""
    counted = Story()
    await counted.tell()
    calls = [call for call in counted.bench.cluster.calls if call[1] != "Lease"]
    moments = [
        n for n, (verb, kind, _) in enumerate(calls, 1) if "status" in verb or kind == "Event"
    ]
    assert len(moments) > 12

    for number in moments:
        for acted in (False, True):
            await dies_at(number, acted=acted)


async def dies_at(number: int, *, acted: bool) -> None:
    story = Story()
    said = Readiness(story.bench.cluster)
    story.die(number, acted=acted)
    await story.tell()
    story.bench.cluster.fault = lambda *_: None
    await story.bench.restart()
    await story.bench.settle(ROUNDS)

    expected, told = said.expected(), said.told()
    assert not expected - told, (number, acted)
    assert max((told - expected).values(), default=0) <= 1, (number, acted)
