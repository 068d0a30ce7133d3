"""What the console reads: once for all who look, and the past as far as anybody remembers."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.unit.domain.console.test_decisions import event
from tests.unit.domain.fleet.builders import T0, pool, route
from tokenfleet.domain.console.decisions import DecisionView, counted
from tokenfleet.domain.console.timeline import Line, Timeline
from tokenfleet.ports import Body, PortError, RefusedError, Resource
from tokenfleet.reconcilers.console_reader import UNMEASURED, ConsoleReader

HOUR = timedelta(hours=1)
LINE = Line(name="large", rule="slow", points=((1.0, 1.0),))


class Cluster:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.objects: dict[str, list[Body]] = {"ModelRoute": [route()], "ServingPool": [pool()]}
        self.events: list[Body] | PortError = [event(-1, "T1", "TrafficShifted")]

    async def list(self, resource: Resource) -> Sequence[Body]:
        self.asked.append(resource.kind)
        return self.objects.get(resource.kind, [])

    async def pages(self, resource: Resource, *, namespace: str) -> AsyncIterator[Sequence[Body]]:
        if isinstance(self.events, PortError):
            raise self.events
        yield self.events


class Clock:
    time = T0

    def now(self) -> datetime:
        return self.time


class Past:
    async def timeline(self, *_: str, **__: datetime) -> Timeline:
        return Timeline(shares=(LINE,))

    async def decisions(self, *_: str, **__: datetime) -> tuple[DecisionView, ...]:
        seconds = (T0 - timedelta(minutes=50)).timestamp()
        labels = {"namespace": "ns", "route": "chat", "transition": "T5"}
        return counted([(labels, [(seconds, 0.0), (seconds + 60, 1.0)])])


def reader(past: Any = None) -> tuple[ConsoleReader, Cluster, Clock]:
    cluster, clock = Cluster(), Clock()
    return ConsoleReader(cluster, clock, past), cluster, clock  # type: ignore[arg-type]


async def test_the_fleet_is_read_once_for_all_who_look() -> None:
    console, cluster, clock = reader()

    first = await console.fleet()
    assert await console.fleet() is first
    assert sorted(cluster.asked) == ["ModelRoute", "ModelRouter", "ServingPool", "TokenSLO"]
    clock.time = T0 + timedelta(seconds=5)
    assert (await console.fleet())["at"] == clock.time.timestamp()
    assert len(cluster.asked) == 8
    assert [one["name"] for one in first["routes"]] == ["chat"]


async def test_events_and_the_counter_tell_the_past_together() -> None:
    console, _, _ = reader(Past())
    found = await console.timeline("ns", "chat", HOUR)

    assert [(one["reason"], one["told"]) for one in found["decisions"]] == [
        ("TrafficReturning", False),
        ("TrafficShifted", True),
    ]
    assert found["lines"]["shares"][0]["name"] == "large"
    assert (found["span"]["end"] - found["span"]["start"], found["note"]) == (3600, "")


async def test_without_prometheus_events_tell_what_they_know() -> None:
    console, _, _ = reader()
    found = await console.timeline("ns", "chat", HOUR)

    assert [one["reason"] for one in found["decisions"]] == ["TrafficShifted"]
    assert found["note"] == UNMEASURED
    assert (await console.timeline("ns", "other", HOUR))["decisions"] == []


async def test_without_the_right_to_read_events_the_counter_still_tells() -> None:
    console, cluster, _ = reader(Past())
    cluster.events = RefusedError("events is forbidden")

    found = await console.timeline("ns", "chat", HOUR)
    assert [one["told"] for one in found["decisions"]] == [False]


@pytest.mark.parametrize("last", [timedelta(seconds=30), timedelta(days=32)])
async def test_a_span_has_bounds(last: timedelta) -> None:
    console, _, _ = reader(Past())

    with pytest.raises(ValueError, match="last must be from 1m to 744h"):
        await console.timeline("ns", "chat", last)


@pytest.mark.parametrize(
    "name", ["", "A", "a/b", "../../../version?x=", "..%2F..%2Fsecrets", "a\n"]
)
@pytest.mark.parametrize("which", ["namespace", "route"])
@pytest.mark.parametrize("past", [None, Past()])
async def test_what_is_no_name_gets_nowhere(past: Past | None, which: str, name: str) -> None:
    """Not into a query, nor into a path: the operator may read more than who looks."""
    console, cluster, _ = reader(past)
    asked = {"namespace": "ns", "route": "chat", which: name}
    cluster.events = PortError("asked")

    with pytest.raises(ValueError, match=f"is no name of a {which}"):
        await console.timeline(asked["namespace"], asked["route"], HOUR)
