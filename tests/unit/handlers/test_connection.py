"""What Kopf asks of an API server that misbehaves: less and less, and it never gives up."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import kopf
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tokenfleet.handlers.connection import Connection, Events, Pacing
from tokenfleet.handlers.registry import build_registry
from tokenfleet.handlers.settings import NoMemories, configure
from tokenfleet.reconcilers.resources import CONFIG_MAPS
from tokenfleet.reconcilers.store import Store

WATCHED = {CONFIG_MAPS: ""}
DISCOVERY: dict[str, Any] = {
    "/api": {"versions": ["v1"]},
    "/apis": {
        "groups": [
            {
                "name": "apiextensions.k8s.io",
                "versions": [{"version": "v1"}],
                "preferredVersion": {"version": "v1"},
            }
        ]
    },
    "/api/v1": {
        "resources": [
            {"name": name, "singularName": "", "kind": kind, "namespaced": spaced, "verbs": verbs}
            for verbs in (["list", "watch"],)
            for name, kind, spaced in (
                ("configmaps", "ConfigMap", True),
                ("namespaces", "Namespace", False),
            )
        ]
    },
    "/apis/apiextensions.k8s.io/v1": {
        "resources": [
            {
                "name": "customresourcedefinitions",
                "singularName": "",
                "kind": "CustomResourceDefinition",
                "namespaced": False,
                "verbs": ["list", "watch"],
            }
        ]
    },
}
BOOKMARK = '{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"8"}}}\n'
EXPIRED = '{"type":"ERROR","object":{"code":410,"message":"expired"}}\n'
EXPIRED_ALONE = '{"type":"ERROR","object":{"code":410}}\n'
FAILED = '{"type":"ERROR","object":{"code":500,"message":"etcdserver: no leader"}}\n'


class ApiServer:
    """Serves one kind; ends every watch at once, saying `watch`."""

    def __init__(self, watch: str = "", *, missing: bool = False) -> None:
        self.asked: Counter[str] = Counter()
        self._watch, self._missing = watch, missing

    async def answer(self, request: web.Request) -> web.Response:
        if request.path in DISCOVERY:
            return web.json_response(DISCOVERY[request.path])
        what = "watch" if "watch" in request.query else "list"
        self.asked[what] += 1
        if self._missing:
            return web.Response(status=404)
        if what == "watch":
            return web.Response(text=self._watch)
        return web.json_response({"metadata": {"resourceVersion": "7"}, "items": []})


class Pauses:
    """Notes how long is waited, and stops everything at the last one."""

    def __init__(self, most: int) -> None:
        self.seen: list[float] = []
        self.enough = asyncio.Event()
        self._most = most

    async def __call__(self, seconds: float) -> None:
        self.seen.append(seconds)
        if len(self.seen) == self._most:
            self.enough.set()
            await asyncio.Event().wait()


@asynccontextmanager
async def watching(
    server: ApiServer, pacing: Pacing, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[asyncio.Task[None]]:
    app, stop = web.Application(), asyncio.Event()
    app.router.add_route("GET", "/{path:.*}", server.answer)
    async with TestServer(app) as listening:
        found = kopf.ConnectionInfo(server=str(listening.make_url("")))
        monkeypatch.setattr(kopf, "login_via_client", lambda **_: found)
        registry = build_registry(Store(lambda _: None), WATCHED, Connection(pacing))

        @kopf.on.startup(registry=registry)
        def start(settings: kopf.OperatorSettings, **_: Any) -> None:
            configure(settings, WATCHED)

        operator = asyncio.create_task(
            kopf.operator(
                registry=registry,
                clusterwide=True,
                standalone=True,
                identity=cast("Any", "tokenfleet"),
                memories=NoMemories(),
                stop_flag=stop,
            )
        )
        yield operator
        stop.set()
        await asyncio.wait({operator})


@pytest.mark.parametrize(
    "ends",
    [
        pytest.param("", id="without a word"),
        pytest.param(EXPIRED, id="expired"),
        pytest.param(FAILED, id="with an error"),
        pytest.param(BOOKMARK + FAILED, id="with an error after something else"),
    ],
)
async def test_watches_that_end_at_once_are_begun_less_and_less(
    ends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without pauses they were begun 164 times a second; expired ones 40 times, each with a list."""
    server, pauses = ApiServer(ends), Pauses(6)

    async with watching(server, Pacing(pause=pauses, monotonic=lambda: 0.0), monkeypatch):
        await asyncio.wait_for(pauses.enough.wait(), 60)

    assert server.asked["watch"] == 6
    assert server.asked["list"] == (6 if ends else 1)
    assert pauses.seen[0] < 2
    assert pauses.seen[-1] > 3 * pauses.seen[0]


class Pieces:
    """An answer's content, as the network cuts it."""

    def __init__(self, *pieces: str) -> None:
        self._pieces = pieces

    async def iter_chunked(self, _: int) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece.encode()


def cuts(text: str) -> list[tuple[str, ...]]:
    """Return a text in two pieces, cut at each place, in three, and in single letters."""
    two = [(text[:at], text[at:]) for at in range(len(text) + 1)]
    three = [(text[:at], text[at : at + 9], text[at + 9 :]) for at in range(len(text))]
    return [*two, *three, tuple(text)]


async def passed_on(*pieces: str) -> str:
    events = Events("/api", cast("Any", Pieces(*pieces)))
    return b"".join([piece async for piece in events.iter_chunked(1 << 20)]).decode()


@pytest.mark.parametrize("before", ["", BOOKMARK, 2 * BOOKMARK])
async def test_an_error_is_known_wherever_it_is_cut(before: str) -> None:
    """Kopf would end the process."""
    for pieces in cuts(before + FAILED):
        assert await passed_on(*pieces) == before + EXPIRED_ALONE, pieces


async def test_everything_else_is_passed_on_as_it_came() -> None:
    speaks = '{"type":"ADDED","object":{"text":"{\\"type\\":\\"ERROR\\",\\"object\\":"}}\n'
    text = speaks + BOOKMARK + '{"type":"ERR'
    for pieces in cuts(text):
        assert await passed_on(*pieces) == text, pieces


async def test_a_watch_that_lasted_is_followed_at_once_and_pauses_begin_anew() -> None:
    pauses, now = Pauses(100), [0.0]
    pacing = Pacing(pause=pauses, monotonic=lambda: now[0])

    async def watch(lasting: float) -> None:
        await pacing._wait("/p")
        pacing._begun["/p"] = now[0]
        now[0] += lasting

    for _ in range(5):
        await watch(0.1)
    await watch(290.0)
    await watch(0.1)
    assert len(pauses.seen) == 5

    await watch(0.1)
    assert pauses.seen[-1] < 2


async def test_a_collection_that_is_not_served_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = ApiServer(missing=True)
    real, waited = asyncio.sleep, asyncio.Event()

    async def sleep(seconds: float, *result: Any) -> None:
        if server.asked["list"] > 3:
            waited.set()
        await real(min(seconds, 0.01), *result)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    async with watching(server, Pacing(), monkeypatch) as operator:
        await asyncio.wait_for(waited.wait(), 60)
        assert not operator.done()


async def test_the_same_credentials_are_the_same_session() -> None:
    """Kopf tells refused ones by being equal; another session each time is tried without end."""
    connection = Connection()
    first = connection.session(kopf.ConnectionInfo(server="http://a", token="1"))
    again = connection.session(kopf.ConnectionInfo(server="http://a", token="1"))
    other = connection.session(kopf.ConnectionInfo(server="http://a", token="2"))

    assert again == first
    assert other != first
    for made in (first, other):
        await made.aiohttp_session.close()
