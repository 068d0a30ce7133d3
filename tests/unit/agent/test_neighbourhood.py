"""Endpoints of several namespaces: one that stays closed takes nothing from the rest."""

import asyncio
from typing import Any

import httpx
import pytest

from tokenfleet.agent import neighbourhood, watch
from tokenfleet.agent.neighbourhood import Neighbourhood
from tokenfleet.agent.settings import ApiServer
from tokenfleet.agent.watch import api_client


class Api:
    """Lists one slice in each open namespace; watches last for ever."""

    def __init__(self) -> None:
        self.open = {"home"}
        self.watched: list[str] = []
        self.ended: list[str] = []

    async def answer(self, request: httpx.Request) -> httpx.Response:
        namespace = request.url.path.split("/")[-2]
        if namespace not in self.open:
            return httpx.Response(403)
        if "watch" in request.url.params:
            self.watched.append(namespace)
            try:
                await asyncio.Event().wait()
            finally:
                self.ended.append(namespace)
        item = {"metadata": {"name": "s", "namespace": namespace, "labels": {}}}
        return httpx.Response(200, json={"metadata": {"resourceVersion": "7"}, "items": [item]})


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    async def at_once(_: float) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(watch, "pause", at_once)
    monkeypatch.setattr(neighbourhood, "PATIENCE", 60.0)
    return Api()


def seen(hood: Neighbourhood) -> list[Any]:
    return sorted(body["metadata"]["namespace"] for body in hood.slices())


async def test_namespaces_come_and_go_with_the_configuration(api: Api) -> None:
    changes: list[None] = []
    async with client(api) as http, asyncio.TaskGroup() as tasks:
        hood = Neighbourhood(http, tasks, changed=lambda: changes.append(None))
        hood.watch("home", lambda _: None)
        api.open.add("team-a")
        await hood.follow({"team-a"}, home="home")
        while not hood.knows("home"):
            await asyncio.sleep(0)
        assert seen(hood) == ["home", "team-a"]
        assert len(changes) == 2

        await hood.follow(set(), home="home")
        while "team-a" not in api.ended:
            await asyncio.sleep(0)
        assert seen(hood) == ["home"]
        await leave(tasks)


async def test_a_namespace_that_stays_closed_is_not_waited_for_for_ever(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbourhood, "PATIENCE", 0.05)
    async with client(api) as http, asyncio.TaskGroup() as tasks:
        hood = Neighbourhood(http, tasks, changed=lambda: None)
        api.open.add("team-b")
        await hood.follow({"team-a", "team-b"}, home="home")
        while not (hood.knows("team-b") and hood.refused):
            await asyncio.sleep(0)
        assert seen(hood) == ["team-b"]
        assert hood.refused == {"team-a"}

        api.open.add("team-a")
        while not hood.knows("team-a"):
            await asyncio.sleep(0)
        assert hood.refused == set()
        await leave(tasks)


def client(api: Api) -> httpx.AsyncClient:
    found = api_client(ApiServer(url="http://api", ca_file=None, token_file=None))
    found._transport = httpx.MockTransport(api.answer)
    return found


async def leave(tasks: asyncio.TaskGroup) -> None:
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
