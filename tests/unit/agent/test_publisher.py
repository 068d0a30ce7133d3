"""What the agent makes of an Envoy that is busy: its silence is neither consent nor absence."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.envoy.configuration import configuration
from tests.unit.agent.test_server import SETTINGS
from tests.unit.agent.told import BUSY, GONE, said_next
from tokenfleet.agent import publisher as publishing
from tokenfleet.agent.envoy import Admin, AdminError, Running
from tokenfleet.agent.publisher import Publisher, PublishError
from tokenfleet.domain.routing.codec import Document, encode

DATA = {"config": encode(Document(revision=1, config=configuration({"large": 1000})))}
ENDPOINTS = {"large": (("10.0.0.1", 8000),)}
OLD = Running(clusters="0", routes="0", rejected=0)
NEW = Running(clusters="1", routes="1", rejected=0)


class Told(Admin):
    """An Envoy that says one thing after the other; the last one for ever."""

    def __init__(self, *said: Running | AdminError) -> None:
        self.said = list(said)

    async def running(self) -> Running:
        return said_next(self.said)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sound(*_: object) -> str:
        return ""

    monkeypatch.setattr(publishing, "validate", sound)
    monkeypatch.setattr(publishing, "CONFIRM_STEP", 0.0)


def publisher(folder: Path, envoy: Admin) -> Publisher:
    return Publisher(replace(SETTINGS, folder=folder), envoy)


async def test_an_envoy_that_is_busy_is_asked_until_it_has_the_files(tmp_path: Path) -> None:
    envoy = Told(BUSY, OLD, BUSY, OLD, BUSY, NEW)
    agent = publisher(tmp_path, envoy)

    await agent.publish(DATA, ENDPOINTS)

    assert envoy.said == [NEW]
    assert agent.data == DATA


@pytest.mark.parametrize("said", [(BUSY,), (OLD, BUSY)], ids=["from the start", "after the files"])
async def test_files_that_a_silent_envoy_may_not_have_read_are_not_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: tuple[Running | AdminError, ...]
) -> None:
    monkeypatch.setattr(publishing, "CONFIRM_SECONDS", 0.2)
    agent = publisher(tmp_path, Told(*said))

    with pytest.raises(PublishError, match="envoy has not"):
        await agent.publish(DATA, ENDPOINTS)

    assert agent.data is None


async def test_an_envoy_that_is_not_up_reads_the_files_when_it_starts(tmp_path: Path) -> None:
    agent = publisher(tmp_path, Told(GONE))

    await agent.publish(DATA, ENDPOINTS)

    assert agent.data == DATA
