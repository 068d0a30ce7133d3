"""A pod whose processes are killed, and one whose disk is full: what was published last goes on."""

import asyncio
from dataclasses import replace
from functools import partial

import pytest

from tests.integration.envoy.configuration import configuration, shifted
from tests.integration.envoy.pods import Pod, until
from tests.integration.envoy.scripted import Seen, ask
from tokenfleet.agent import files, service
from tokenfleet.domain.routing.ir import RouterConfig

pytestmark = pytest.mark.envoy

CONFIG = configuration({"large": 1000, "small": 0})


def only_small() -> RouterConfig:
    (route,) = CONFIG.routes
    rule = replace(route.rules[0], matches=())
    return replace(CONFIG, pools=CONFIG.pools[1:], routes=(replace(route, rules=(rule,)),))


@pytest.mark.parametrize("both", [False, True], ids=["envoy", "envoy and its agent"])
async def test_after_a_kill_the_last_good_configuration_serves(running: Pod, *, both: bool) -> None:
    """Without the API server. Whoever was being answered is cut off, and no end is made up."""
    await running.applied(running.write(shifted(CONFIG, {"large": 0, "small": 1000})))
    running.small.behaviour.last = asyncio.Event()
    begun = asyncio.Event()

    def note(seen: Seen) -> bool:
        if seen.body:
            begun.set()
        return False

    body = {"model": "chat", "stream": True}
    stream = asyncio.create_task(ask(running.settings.ports.traffic, body, leaves=note))
    await asyncio.wait_for(begun.wait(), 60)
    await running.api.stop()

    if both:
        await running.stop_agent()
    await running.kill_envoy()
    cut = await stream
    if both:
        (running.settings.folder / f".{files.ROUTES}.part").write_text('{"half":')
        running.start_agent()
    await running.start_envoy()

    assert (cut.status, cut.whole) == (200, False)
    assert await until(running.pool, bool) == "small"
    await running.applied(2)
    assert (await running.acknowledgement())["error"] == ""


@pytest.mark.parametrize("name", [files.CANDIDATE, files.CLUSTERS, files.ROUTES])
async def test_on_a_full_disk_what_is_in_force_stays_and_the_error_is_told(
    running: Pod, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for an Envoy that restarts meanwhile. With room again, what is new comes into force."""
    monkeypatch.setattr(service, "RETRY_SECONDS", 0.2)
    part = running.settings.folder / f".{name}.part"
    part.symlink_to("/dev/full")  # every write to it fails with ENOSPC (full(4))

    revision = running.write(only_small())

    told = await until(running.acknowledgement, lambda a: a["error"] != "")
    assert "No space left on device" in told["error"]
    assert name in told["error"]
    assert told["appliedRevision"] == 1
    await running.kill_envoy()
    await running.start_envoy()
    assert await until(running.pool, bool) == "large"

    part.unlink()
    await running.applied(revision)
    assert await running.pool() == "small"
    assert (await running.acknowledgement())["error"] == ""


async def test_what_is_in_force_and_could_not_be_kept_is_kept_later(
    running: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the next restart would serve what was published before."""
    monkeypatch.setattr(service, "RETRY_SECONDS", 0.2)
    part = running.settings.folder / f".{files.LAST_GOOD}.part"
    part.symlink_to("/dev/full")
    await running.applied(running.write(shifted(CONFIG, {"large": 0, "small": 1000})))
    await until(running.acknowledgement, lambda a: "No space left on device" in a["error"])

    part.unlink()

    await until(running.acknowledgement, lambda a: a["error"] == "")
    last = files.Folder(running.settings.folder).recall()
    assert last is not None
    assert last.data == running.api.objects["configmaps"]["default-config"]["data"]


async def test_a_pod_that_starts_on_a_full_disk_says_what_to_do_and_goes_on(
    pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Envoy must not start meanwhile: the kubelet waits for `/healthz`."""
    monkeypatch.setattr(service, "RETRY_SECONDS", 0.2)
    part = pod.settings.folder / f".{files.BOOTSTRAP}.part"
    part.symlink_to("/dev/full")
    revision = pod.write(CONFIG)
    pod.start_agent()

    told = await until(pod.acknowledgement, lambda a: a["error"] != "")
    assert "No space left on device" in told["error"]
    assert files.BOOTSTRAP in told["error"]
    assert "make room" in told["error"]
    for path in ("/healthz", "/readyz"):
        probed = await pod.agent_client.get(path)
        assert (probed.status_code, probed.text.strip()) == (503, told["error"])

    part.unlink()
    await pod.start_envoy()
    await pod.applied(revision)
    assert await pod.pool() == "large"
    assert (await pod.acknowledgement())["error"] == ""
    assert (await pod.agent_client.get("/healthz")).status_code == 200


@pytest.mark.parametrize("name", [files.BOOTSTRAP, files.ROUTES, files.CANDIDATE])
async def test_an_agent_that_comes_back_to_a_full_disk_leaves_what_serves(
    running: Pod, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "RETRY_SECONDS", 0.2)
    await running.stop_agent()
    part = running.settings.folder / f".{name}.part"
    part.symlink_to("/dev/full")
    running.start_agent()

    told = await until(running.acknowledgement, lambda a: a["error"] != "")
    assert "make room" in told["error"]
    assert told["appliedRevision"] == 1
    assert await running.pool() == "large"
    for path in ("/healthz", "/readyz"):
        probed = partial(running.agent_client.get, path)
        await until(probed, lambda answer: answer.status_code == 200)

    part.unlink()
    await running.applied(running.write(only_small()))
    assert await running.pool() == "small"
    assert (await running.acknowledgement())["error"] == ""
