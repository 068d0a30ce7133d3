"""What the agent makes of an Envoy that is busy: its silence is neither consent nor absence."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.envoy.configuration import configuration, pool
from tests.unit.agent.test_server import SETTINGS
from tests.unit.agent.told import BUSY, GONE, said_next
from tokenfleet.agent import publisher as publishing
from tokenfleet.agent.envoy import Admin, AdminError, Running
from tokenfleet.agent.files import CLUSTERS, LISTENERS, ROUTES, Folder
from tokenfleet.agent.publisher import Endpoints, Publisher, PublishError, UnconfirmedError
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


class Reading(Admin):
    """An Envoy that has read its files, or is too busy to."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.awake = folder, True
        self._last = OLD

    async def running(self) -> Running:
        if self.awake:
            clusters, routes = (
                json.loads(file.read_text())["version_info"] if file.exists() else ""
                for file in (self._folder / CLUSTERS, self._folder / ROUTES)
            )
            self._last = Running(clusters=clusters, routes=routes, rejected=0)
        return self._last

    def clusters(self) -> dict[str, str]:
        """Return name -> the whole of each cluster in the file."""
        found = json.loads((self._folder / CLUSTERS).read_text())["resources"]
        return {cluster["name"]: json.dumps(cluster) for cluster in found}


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


@pytest.fixture
def envoy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reading:
    monkeypatch.setattr(publishing, "CONFIRM_SECONDS", 0.2)
    return Reading(tmp_path)


async def unconfirmed(
    agent: Publisher, envoy: Reading, data: dict[str, str], endpoints: Endpoints
) -> None:
    """Publish to an Envoy that does not come to read it, and goes on afterwards."""
    envoy.awake = False
    with pytest.raises(UnconfirmedError, match="envoy has not accepted"):
        await agent.publish(data, endpoints)
    envoy.awake = True


async def test_what_was_in_force_comes_back_after_files_that_nobody_confirmed(
    tmp_path: Path, envoy: Reading
) -> None:
    """A busy Envoy reads them in the end: then it would send requests to a pod that is gone."""
    agent = publisher(tmp_path, envoy)
    await agent.publish(DATA, ENDPOINTS)
    before = envoy.clusters()
    await unconfirmed(agent, envoy, DATA, {"large": (("10.0.0.2", 8000),)})
    assert "10.0.0.2" in str(envoy.clusters())

    await agent.publish(DATA, ENDPOINTS)
    generation = (await envoy.running()).clusters
    await agent.publish(DATA, ENDPOINTS)

    assert envoy.clusters() == before
    assert (await envoy.running()).clusters == generation, "what is in force is not written again"


async def test_clusters_of_files_that_nobody_confirmed_go_after_the_routes_that_name_them(
    tmp_path: Path, envoy: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = publisher(tmp_path, envoy)
    await agent.publish(DATA, ENDPOINTS)
    more = configuration({"large": 1000})
    more = replace(more, pools=(*more.pools, pool("other", "other")))
    new = {"config": encode(Document(revision=2, config=more))}
    await unconfirmed(agent, envoy, new, ENDPOINTS)
    written: list[tuple[str, ...]] = []
    write = Folder.write

    def witness(self: Folder, name: str, text: str, **how: int) -> None:
        write(self, name, text, **how)
        written.append((name, *sorted(envoy.clusters())) if name == CLUSTERS else (name,))

    monkeypatch.setattr(Folder, "write", witness)
    await agent.publish(DATA, ENDPOINTS)

    kinds = [name for name, *_ in written if name in {CLUSTERS, ROUTES, LISTENERS}]
    assert kinds == [CLUSTERS, ROUTES, LISTENERS, CLUSTERS]
    first, last = (set(found) for name, *found in written if name == CLUSTERS)
    assert {"large", "other"} <= {name.rpartition("/")[2] for name in first}
    assert "other" not in {name.rpartition("/")[2] for name in last}


async def test_an_envoy_that_is_not_up_reads_the_files_when_it_starts(tmp_path: Path) -> None:
    agent = publisher(tmp_path, Told(GONE))

    await agent.publish(DATA, ENDPOINTS)

    assert agent.data == DATA
