"""The agent's watch: a server that misbehaves is asked with patience, a dead connection is noticed."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from tokenfleet.agent import watch
from tokenfleet.agent.settings import ApiServer
from tokenfleet.agent.watch import api_client, states

PATH = "/api/v1/namespaces/ns/configmaps"
Answer = Callable[[dict[str, str]], httpx.Response]


def listed(version: str = "7") -> httpx.Response:
    item = {"metadata": {"name": "a", "resourceVersion": version}}
    return httpx.Response(200, json={"metadata": {"resourceVersion": version}, "items": [item]})


def lines(*events: dict[str, Any]) -> httpx.Response:
    return httpx.Response(200, text="".join(f"{json.dumps(event)}\n" for event in events))


def changed(version: str, type_: str = "MODIFIED") -> dict[str, Any]:
    return {"type": type_, "object": {"metadata": {"name": "a", "resourceVersion": version}}}


class Silence(httpx.AsyncByteStream):
    """A connection whose other end is gone."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        msg = "nothing came"
        raise httpx.ReadTimeout(msg)
        yield b""


class Bench:
    """Answers watches by a script, and notes what is asked and how long is waited."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: httpx.Response) -> None:
        self.asked: list[tuple[str, str]] = []
        self.pauses: list[float] = []
        self.contacts: list[bool] = []
        self._answers = list(answers)
        monkeypatch.setattr(watch, "pause", self._pause)

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        parameters = dict(request.url.params)
        what = "watch" if "watch" in parameters else "list"
        self.asked.append((what, parameters.get("resourceVersion", "")))
        if what == "list":
            return listed()
        if not self._answers:
            raise asyncio.CancelledError
        return self._answers.pop(0)

    async def run(self) -> list[str]:
        """Return the versions that were yielded."""
        transport = httpx.MockTransport(self._answer)
        found = []
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            try:
                async for state in states(client, PATH, on_contact=self.contacts.append):
                    found.append(state["a"]["metadata"]["resourceVersion"])
            except asyncio.CancelledError:
                pass
        return found


class Cut(httpx.AsyncByteStream):
    """An answer that comes in pieces of so many bytes, the last of them not whole."""

    def __init__(self, size: int, *events: dict[str, Any]) -> None:
        text = "".join(f"{json.dumps(event, ensure_ascii=False)}\n" for event in events)
        self._data, self._size = text.encode() + b'{"type":', size

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for at in range(0, len(self._data), self._size):
            yield self._data[at : at + self._size]


@pytest.mark.parametrize("size", [1, 7, 1 << 16])
async def test_a_text_may_hold_what_else_ends_a_line(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """The API server writes an annotation's NEL and line separator as they are."""
    event = changed("8")
    event["object"]["metadata"]["annotations"] = {"note": "one\u0085two\u2028three\x7f\u001c"}
    bench = Bench(monkeypatch, httpx.Response(200, stream=Cut(size, event, changed("9"))))

    assert await bench.run() == ["7", "8", "9"]
    assert bench.asked == [("list", ""), ("watch", "7"), ("watch", "9")]
    assert bench.contacts == [True]


async def test_a_server_that_ends_watches_at_once_is_asked_less_and_less(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, *(lines() for _ in range(9)))

    await bench.run()

    assert [what for what, _ in bench.asked].count("list") == 1, "an ended watch goes on"
    assert bench.pauses[:4] == [0.2, 0.4, 0.8, 1.6]
    assert bench.pauses[-1] == 15


async def test_a_server_that_has_forgotten_the_version_each_time_is_listed_less_and_less(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}
    bench = Bench(monkeypatch, *(lines(gone) for _ in range(9)))

    await bench.run()

    assert bench.pauses[:4] == [0.2, 0.4, 0.8, 1.6]
    assert bench.asked[:4] == [("list", ""), ("watch", "7"), ("list", ""), ("watch", "7")]
    assert False not in bench.contacts


async def test_a_watch_that_lasted_is_asked_again_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "LONG_ENOUGH", 0.0)
    bench = Bench(monkeypatch, lines(changed("8")), lines(changed("9", "BOOKMARK")), lines())

    assert await bench.run() == ["7", "8"]
    assert bench.asked == [
        ("list", ""),
        ("watch", "7"),
        ("watch", "8"),
        ("watch", "9"),
        ("watch", "9"),
    ]
    assert bench.pauses == []


async def test_a_silent_connection_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = httpx.Response(200, stream=Silence())
    bench = Bench(monkeypatch, silent, lines(changed("8")))

    assert await bench.run() == ["7", "8"]
    assert bench.asked[:3] == [("list", ""), ("watch", "7"), ("watch", "7")]


async def test_a_dead_connection_is_noticed_before_90_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server takes the second watch on another connection; the first one stays half-open."""
    assert watch.SILENCE < 90
    monkeypatch.setattr(watch, "SILENCE", 0.2)
    again = asyncio.Event()
    watches = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal watches
        while request := (await reader.readuntil(b"\r\n\r\n")).decode():
            head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
            if "watch=true" not in request:
                body = listed().text
                writer.write(f"{head}content-length: {len(body)}\r\n\r\n{body}".encode())
                continue
            watches += 1
            writer.write(f"{head}transfer-encoding: chunked\r\n\r\n".encode())
            if watches > 1:
                again.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    api = ApiServer(url=f"http://127.0.0.1:{port}", token_file=None, ca_file=None)

    async def follow() -> None:
        async with api_client(api) as client:
            async for _ in states(client, PATH, on_contact=lambda _: None):
                pass

    task = asyncio.create_task(follow())
    async with asyncio.timeout(60):
        await again.wait()
    task.cancel()
    server.close()


@pytest.mark.parametrize(
    "text", ["<html>", "[]", "null", "7", '{"items": 7}', '{"items": [7]}', "[" * 100_000]
)
async def test_what_is_no_list_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """A proxy's page in between must not end the agent."""
    bench = Bench(monkeypatch)
    odd = [httpx.Response(200, text=text)]
    monkeypatch.setattr(bench, "_answer", lambda request: _first(odd, request, bench))

    assert await bench.run() == ["7"]
    assert bench.contacts == [False, True]


def _first(odd: list[httpx.Response], request: httpx.Request, bench: Bench) -> httpx.Response:
    return odd.pop() if odd else Bench._answer(bench, request)
