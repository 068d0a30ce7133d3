"""The agent with a real Envoy, and an API server that comes and goes."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from tests.integration.envoy.configuration import configuration, doubled, shifted
from tests.integration.envoy.conftest import CHAT
from tests.integration.envoy.model_server import Behaviour
from tests.integration.envoy.pods import Pod, until
from tokenfleet.agent.drain import drain
from tokenfleet.agent.envoy import Admin
from tokenfleet.domain.routing.codec import Document, encode

pytestmark = pytest.mark.envoy

CONFIG = configuration({"large": 1000, "small": 0})


async def ready(pod: Pod) -> int:
    return (await pod.agent_client.get("/readyz")).status_code


async def gets_ready(pod: Pod) -> None:
    """Wait for it: an Envoy that takes longer than a second to say so is not ready for that moment."""
    await until(lambda: ready(pod), lambda status: status == 200)


async def test_a_pod_is_ready_when_envoy_runs_a_published_configuration(pod: Pod) -> None:
    pod.start_agent()
    await until(lambda: pod.agent_client.get("/healthz"), lambda a: a.status_code == 200)
    await pod.start_envoy()
    await until(lambda: pod.client.get("/v1/models"), lambda a: a.json()["data"] == [])
    assert await ready(pod) == 503
    assert (await pod.configuration()).status_code == 204

    pod.write(CONFIG)

    await pod.applied(1)
    await gets_ready(pod)
    assert await pod.pool() == "large"
    assert (await pod.acknowledgement())["pod"] == "default-router-1"
    await pod.stop_envoy()
    assert await ready(pod) == 503


async def test_a_new_revision_is_acknowledged_and_can_be_read_back(running: Pod) -> None:
    await running.applied(running.write(shifted(CONFIG, {"large": 0, "small": 1000})))

    assert await running.pool() == "small"
    assert (await running.agent_client.get("/configuration")).status_code == 401
    held = (await running.configuration()).json()
    assert held == running.api.objects["configmaps"]["default-config"]["data"]


async def test_endpoints_follow_their_slices(running: Pod) -> None:
    running.api.endpoints("large", [])
    await until(running.pool, lambda pool: pool == "small")

    running.api.endpoints("large", [running.large.port])
    await until(running.pool, lambda pool: pool == "large")

    assert (await running.acknowledgement())["appliedRevision"] == 1


async def test_the_last_replica_of_a_rollout_serves_while_it_terminates(running: Pod) -> None:
    running.api.endpoints("large", [running.large.port], terminating=True)
    running.api.endpoints("small", [])  # the agent hears of it later
    small = f"small::127.0.0.1:{running.small.port}::"
    await until(running.clusters, lambda text: "small::" in text and small not in text)

    assert await running.pool() == "large"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("garbage", id="no JSON"),
        pytest.param(encode(Document(revision=2, config=CONFIG)).replace('"schemaVersion":', '"schemaVersion":99'), id="a schema of the future"),
        pytest.param(encode(Document(revision=2, config=doubled(CONFIG))), id="what the module refuses"),
    ],
)  # fmt: skip
async def test_a_bad_configuration_leaves_the_last_good_one(running: Pod, text: str) -> None:
    running.api.config("default", text)

    answer = await until(running.acknowledgement, lambda a: a["error"] != "")
    assert answer["appliedRevision"] == 1
    assert await running.pool() == "large"
    running.api.endpoints("large", [])
    await until(running.pool, lambda pool: pool == "small")

    running.revision = 2
    await running.applied(running.write(CONFIG))
    assert (await running.acknowledgement())["error"] == ""


async def test_what_envoy_itself_rejects_is_taken_back(pod: Pod) -> None:
    """The binary's word is asked first; here it says yes to everything, and Envoy does not."""
    yes = pod.settings.folder / "yes"
    yes.write_text("#!/bin/sh\necho 'Dynamic module ABI version v0.2.0 matched.'\n")
    yes.chmod(0o755)
    pod.settings = replace(pod.settings, envoy=str(yes))
    pod.start_agent()
    await pod.start_envoy()
    pod.write(CONFIG)
    await pod.applied(1)

    pod.write(doubled(CONFIG))

    answer = await until(pod.acknowledgement, lambda a: a["error"] != "")
    assert "rejected" in answer["error"]
    assert answer["appliedRevision"] == 1
    assert await pod.pool() == "large"
    await pod.stop_envoy()
    await pod.start_envoy()
    await until(pod.pool, lambda pool: pool == "large")


async def test_a_deleted_configuration_is_a_loss_and_not_a_wish(running: Pod) -> None:
    running.api.delete("configmaps", "default-config")
    await asyncio.sleep(0.5)

    assert await running.pool() == "large"
    assert (await running.configuration()).status_code == 200


async def test_without_the_api_server_traffic_goes_on_and_changes_come_after(running: Pod) -> None:
    await running.api.stop()
    metrics = lambda: running.agent_client.get("/metrics")  # noqa: E731
    await until(metrics, lambda answer: "tokenfleet_router_api_reached 0" in answer.text)
    assert await running.pool() == "large"
    await gets_ready(running)

    revision = running.write(shifted(CONFIG, {"large": 0, "small": 1000}))
    await running.api.start()

    await running.applied(revision)
    assert await running.pool() == "small"


async def test_an_expired_watch_is_listed_again(running: Pod) -> None:
    lists = running.api.lists
    running.api.expire_watches()

    await until(lambda: asyncio.sleep(0, running.api.lists), lambda n: n >= lists + 2)
    await running.applied(running.write(shifted(CONFIG, {"large": 0, "small": 1000})))


async def test_a_restarted_pod_serves_the_last_good_without_the_api_server(running: Pod) -> None:
    await running.api.stop()
    await running.stop_agent()
    await running.stop_envoy()

    running.start_agent()
    await until(lambda: running.agent_client.get("/healthz"), lambda a: a.status_code == 200)
    await running.start_envoy()

    await until(running.pool, lambda pool: pool == "large")
    assert (await running.acknowledgement())["appliedRevision"] == 1


async def test_an_agent_that_restarts_beside_a_running_envoy_disturbs_nothing(running: Pod) -> None:
    end = asyncio.Event()
    running.large.behaviour = Behaviour(last=end)
    stream = asyncio.create_task(running.client.post(CHAT, json={"model": "chat", "stream": True}))
    await until(lambda: asyncio.sleep(0, running.large.requests), bool)

    await running.stop_agent()
    running.start_agent()
    await running.applied(1)

    assert not stream.done()
    end.set()
    assert (await stream).text.endswith("data: [DONE]\n\n")


async def test_pools_come_and_go_without_a_failed_request(running: Pod) -> None:
    """A cluster must be there before its route, and leave after it."""
    stop = asyncio.Event()
    statuses: set[int] = set()

    async def load() -> None:
        while not stop.is_set():
            statuses.add((await running.client.post(CHAT, json={"model": "chat"})).status_code)

    workers = [asyncio.create_task(load()) for _ in range(2)]
    (route,) = CONFIG.routes
    only_small = replace(
        CONFIG,
        pools=CONFIG.pools[1:],
        routes=(replace(route, rules=(replace(route.rules[0], matches=()),)),),
    )
    for number in range(10):
        await running.applied(running.write(only_small if number % 2 else CONFIG))
    stop.set()
    await asyncio.gather(*workers)

    assert statuses == {200}


async def test_a_changed_listener_lets_running_streams_finish(running: Pod) -> None:
    """The body limit is part of the listener, which Envoy drains when it changes."""
    running.large.behaviour = Behaviour(chunks=25, gap=0.1)
    begun = asyncio.Event()

    async def streamed() -> str:
        parts = []
        body = {"model": "chat", "stream": True}
        async with running.client.stream("POST", CHAT, json=body) as answer:
            async for part in answer.aiter_text():
                begun.set()
                parts.append(part)
        return "".join(parts)

    stream = asyncio.create_task(streamed())
    await asyncio.wait_for(begun.wait(), 60)
    await running.applied(running.write(replace(CONFIG, body_limit=2 * 1024 * 1024)))

    async def large() -> int:
        async with httpx.AsyncClient(base_url=running.client.base_url, timeout=60) as fresh:
            body = {"model": "chat", "user": "x" * 1_500_000}
            return (await fresh.post(CHAT, json=body)).status_code

    await until(large, lambda status: status == 200)
    assert (await stream).endswith("data: [DONE]\n\n")


async def test_metrics_fail_without_envoy(running: Pod) -> None:
    """An empty scrape would read as a reset of every counter."""
    metrics = lambda: running.agent_client.get("/metrics")  # noqa: E731
    await until(metrics, lambda answer: answer.status_code == 200)
    await running.stop_envoy()

    assert (await running.agent_client.get("/metrics")).status_code == 503


async def test_draining_waits_for_streams_and_sends_clients_away(running: Pod) -> None:
    end = asyncio.Event()
    running.large.behaviour = Behaviour(last=end)
    stream = asyncio.create_task(running.client.post(CHAT, json={"model": "chat", "stream": True}))
    await until(lambda: asyncio.sleep(0, running.large.requests), bool)
    admin = Admin(running.settings.ports.admin)
    draining = asyncio.create_task(drain(admin, timedelta(seconds=60)))

    async def asked() -> httpx.Response:
        return await running.client.post(CHAT, json={"model": "chat"})

    sent_away = await until(asked, lambda answer: answer.headers.get("connection") == "close")

    assert sent_away.status_code == 200
    assert not draining.done()
    end.set()
    await draining
    assert (await stream).text.endswith("data: [DONE]\n\n")
    await admin.close()
