"""What clients that mean harm can do: nothing to others, and nothing that was not theirs to do.

Latencies beside an attack are printed, not asserted: they are the machine's as much as the router's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable

import pytest

from e2e.kit.ports import free_port
from tests.bench.router_overhead_test import listening, process
from tests.integration.envoy import frames
from tests.integration.envoy.configuration import configuration
from tests.integration.envoy.conftest import Fleet, served_by
from tests.integration.envoy.frames import frame
from tests.integration.envoy.hostile import (
    Connections,
    beside,
    established,
    resident,
    statuses,
    talk,
)
from tests.integration.envoy.model_server import Behaviour
from tokenfleet.adapters.envoy.bootstrap import Limits

pytestmark = pytest.mark.envoy

BODY = b'{"model":"chat","messages":[]}'
MIB = 1024 * 1024
HEAP = 256 * MIB
"""Small enough that the attacks here exceed it many times."""
ROOM = 160 * MIB
"""Envoy's code, its stacks, and what it takes beyond the limit before that shows."""
BODY_LIMIT = 8 * MIB


def post(body: bytes = BODY, *headers: bytes, path: bytes = b"/v1/chat/completions") -> bytes:
    """Return a request; its length is told unless a header tells it otherwise."""
    told = any(header.lower().startswith((b"content-length", b"transfer-")) for header in headers)
    length = () if told else (b"content-length: %d" % len(body),)
    lines = (b"POST %b HTTP/1.1" % path, b"host: router", *length, *headers, b"", body)
    return b"\r\n".join(lines)


@pytest.fixture
async def attacked(fleet: Fleet) -> AsyncIterator[Fleet]:
    """A router with little memory and the largest bodies; `small` is a process of its own."""
    port = free_port()
    fleet.router.limits = Limits(heap=HEAP)
    small = (("127.0.0.1", port),)
    config = configuration({"large": 1000, "small": 0}, body_limit=BODY_LIMIT)
    fleet.router.publish(config, {**fleet.endpoints, "small": small})
    async with process(sys.executable, "-m", "tests.bench.router_peer", port):
        await listening(port)
        await fleet.router.start()
        await fleet.router.applied()
        yield fleet


async def test_bodies_that_trickle_in_hold_nobody_up(attacked: Fleet) -> None:
    async with Connections(attacked) as slow, beside(attacked, "500 slow bodies"):
        opened = [await slow.open(post(BODY)[: -len(BODY)]) for _ in range(500)]
        for byte in BODY[:-1]:
            for _, writer in opened:
                writer.write(bytes([byte]))
            await asyncio.sleep(0.02)

    assert resident(attacked) < HEAP + ROOM


async def test_an_upload_that_has_stopped_is_ended(attacked: Fleet) -> None:
    async with beside(attacked, "an upload that has stopped"):
        received = await talk(attacked, post(BODY)[:-1], patience=120)

    assert statuses(received) == [408]
    assert json.loads(received.partition(b"\r\n\r\n")[2])["error"]["message"]


async def test_readers_that_do_not_read_hold_no_more_than_their_share(attacked: Fleet) -> None:
    """Answers of 4 MiB each to 100 clients that take none of it."""
    attacked.large.behaviour = Behaviour(chunks=60_000)
    stream = post(b'{"model":"chat","messages":[],"stream":true}')
    async with Connections(attacked) as lazy, beside(attacked, "100 slow readers"):
        for _ in range(100):
            await lazy.open(stream, window=1024)
        await asyncio.sleep(5)
        assert resident(attacked) < HEAP + ROOM


async def test_ten_thousand_idle_connections_are_held(attacked: Fleet) -> None:
    before = resident(attacked)
    async with Connections(attacked) as idle, beside(attacked, "10,000 idle connections"):
        await idle.many(10_000)
        await asyncio.sleep(1)
        each = (resident(attacked) - before) / 10_000

    print(f"{each / 1024:.1f} KiB for each idle connection")
    assert each < 32 * 1024


async def test_the_largest_body_on_every_connection_harms_those_who_sent_it(
    attacked: Fleet,
) -> None:
    """All but the last byte of 8 MiB on 100 connections: three times the memory there is."""
    unfinished = post(b'{"model":"chat","x":"' + b"x" * (BODY_LIMIT - 200) + b'"}')[:-1]
    async with Connections(attacked) as large, beside(attacked, "8 MiB on 100 connections"):
        await asyncio.gather(*(large.open(unfinished) for _ in range(100)))
        await asyncio.sleep(3)
        assert resident(attacked) < HEAP + ROOM


async def test_seven_megabytes_of_distinct_keys_hold_nobody_up(attacked: Fleet) -> None:
    keys = b",".join(b'"%x":1' % number for number in range(750_000))
    # Nobody serves the model, so it is the router alone that reads all of it.
    body = b"{" + keys + b',"model":"nobody"}'
    async with beside(attacked, "7 MB of distinct keys, eight times"):
        answers = await asyncio.gather(*(talk(attacked, post(body), patience=60) for _ in range(8)))

    assert [statuses(received) for received in answers] == [[404]] * 8


@pytest.mark.parametrize("path", [b"/v1/chat/completions", b"/v1/messages"])
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([b"x-%d: 1" % n for n in range(5_000)], id="many"),
        pytest.param([b"x: " + b"a" * 200_000], id="one that is long"),
        pytest.param([b"cookie: " + b"a=b; " * 20_000], id="cookies"),
    ],
)
async def test_too_many_headers_are_refused_in_the_api_s_json(
    attacked: Fleet, headers: list[bytes], path: bytes
) -> None:
    async with beside(attacked, "header flood"):
        answers = [await talk(attacked, post(BODY, *headers, path=path)) for _ in range(10)]

    for received in answers:
        assert statuses(received) == [431]
        told = json.loads(received.partition(b"\r\n\r\n")[2])
        error = told["error"]
        assert error["type"] == "invalid_request_error"
        assert "60 KiB" in error["message"]
        # OpenAI's errors have a code; Anthropic's have a type outside.
        outside = told.get("type") if path == b"/v1/messages" else error["code"]
        assert outside == ("error" if path == b"/v1/messages" else "headers_too_large")


def resets(stream: int) -> bytes:
    """A request that is taken back at once."""
    begun = frame(frames.HEADERS, frames.END_HEADERS, stream, frames.head("/v1/chat/completions"))
    return begun + frame(frames.RST_STREAM, 0, stream, frames.CANCEL)


FLOODS: dict[str, tuple[bytes, Callable[[int], bytes]]] = {
    "requests taken back at once": (b"", resets),
    "headers without an end": (
        frame(frames.HEADERS, 0, 1, frames.head("/v1/chat/completions")),
        lambda n: frame(frames.CONTINUATION, 0, 1, frames.field(b"x-%d" % n, b"a" * 100)),
    ),
    "settings": (b"", lambda _: frame(frames.SETTINGS, 0, 0)),
    "pings": (b"", lambda _: frame(frames.PING, 0, 0, b"12345678")),
    "empty data": (
        frame(frames.HEADERS, frames.END_HEADERS, 1, frames.head("/v1/chat/completions")),
        lambda _: frame(frames.DATA, 0, 1),
    ),
}
MOST_FRAMES = 200_000


@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: flood)
async def test_floods_of_http_2_end_their_own_connection(attacked: Fleet, flood: str) -> None:
    """The router hangs up, although the attacker reads none of the answers."""
    first, more = FLOODS[flood]
    async with beside(attacked, flood), Connections(attacked) as opened:
        for _ in range(4):
            _, writer = await opened.open(frames.PREFACE + frame(frames.SETTINGS, 0, 0) + first)
            sent = 0
            with contextlib.suppress(ConnectionError):
                while sent < MOST_FRAMES:
                    writer.write(b"".join(more(2 * n + 1) for n in range(sent, sent + 100)))
                    async with asyncio.timeout(60):
                        await writer.drain()
                    sent += 100
            # The kernel may hold what the router has not read yet.
            async with asyncio.timeout(60):
                while established(writer):
                    await asyncio.sleep(0.02)
            assert resident(attacked) < HEAP + ROOM


SMUGGLED = b"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"


def chunked(*pieces: bytes) -> bytes:
    """Return a body in chunks."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))


SHAPES = {
    "length and chunks": post(
        chunked(BODY) + SMUGGLED,
        b"content-length: %d" % len(chunked(BODY)),
        b"transfer-encoding: chunked",
    ),
    "chunks and a short length": post(
        chunked(BODY), b"content-length: 4", b"transfer-encoding: chunked"
    ),
    "two lengths": post(
        BODY + SMUGGLED,
        b"content-length: %d" % len(BODY),
        b"content-length: %d" % len(BODY + SMUGGLED),
    ),
    "two lengths in one": post(BODY, b"content-length: %d, 4" % len(BODY)),
    "negative length": post(BODY, b"content-length: -1"),
    "length with a sign": post(BODY, b"content-length: +%d" % len(BODY)),
    "unknown coding": post(BODY + SMUGGLED, b"transfer-encoding: cow"),
    "chunked twice": post(chunked(BODY), b"transfer-encoding: chunked, chunked"),
    "chunked first": post(chunked(BODY) + SMUGGLED, b"transfer-encoding: chunked, identity"),
    "coding with a tab": post(chunked(BODY), b"transfer-encoding:\tchunked\x0b"),
    "space before the colon": post(chunked(BODY), b"transfer-encoding : chunked"),
    "folded line": post(BODY, b"x: 1\r\n transfer-encoding: chunked"),
    "bare line feeds": post(b"", b"content-length: 0").replace(b"\r\n", b"\n") + SMUGGLED,
    "chunk with a wrong size": post(
        b"1e;\r\n" + BODY + b"\r\nzz\r\n", b"transfer-encoding: chunked"
    ),
    "chunk size that overflows": post(
        b"ffffffffffffffff1\r\n" + BODY, b"transfer-encoding: chunked"
    ),
    "null in a header": post(BODY, b"x: a\x00b"),
    "line end in a header": post(BODY, b"x: a\rtransfer-encoding: chunked"),
    "two codings": post(chunked(BODY), b"transfer-encoding: gzip, chunked"),
    "no coding": post(BODY, b"transfer-encoding: identity", b"content-length: %d" % len(BODY)),
    "chunked on two lines": post(chunked(BODY), *[b"transfer-encoding: chunked"] * 2),
    "one length twice": post(BODY, *[b"content-length: %d" % len(BODY)] * 2),
    "line feed in a chunk": post(chunked(BODY).replace(b"\r\n", b"\n", 1), b"transfer-encoding: chunked"),
    "two hosts": post(BODY, b"host: other"),
    "one host twice": post(BODY, b"host: router"),
    "two hosts in one": post(BODY).replace(b"host: router", b"host: router,other"),
    "somebody at a host": post(BODY).replace(b"host: router", b"host: router@other"),
    "space before a header": post(BODY).replace(b"host: router", b" host: router"),
}  # fmt: skip
STATUSES = {
    "unknown coding": 501,
    "chunked twice": 501,
    "chunked first": 501,
    "two codings": 501,
    "chunked on two lines": 501,
    "folded line": 200,  # its pieces are joined by a blank (RFC 9112, section 5.2)
    "line end in a header": 200,  # it is taken out: the rest is a part of the value
}
"""Of those that are not answered with 400."""


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape)
async def test_no_shape_of_a_request_smuggles_another_one(attacked: Fleet, shape: str) -> None:
    """It is refused, or it is one request: the engine never sees the one inside."""
    received = await talk(attacked, SHAPES[shape], patience=20)

    assert statuses(received) == [STATUSES.get(shape, 400)], received
    assert len(attacked.large.requests) == statuses(received).count(200)
    assert all("transfer-encoding" not in seen for seen in attacked.large.headers)
    assert (await attacked.ask()).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        b"/v1/../tokenfleet/metrics",
        b"/tokenfleet/metrics",
        b"/v1/%2e%2e/stats",
        b"/v1/chat/completions/..%2f..%2fadmin",
        b"/v1/chat/completions%00",
        b"/v1/chat%2fcompletions",
        b"/v1/chat/completions;x=1",
        b"/V1/CHAT/COMPLETIONS",
        b"/v1/chat/completions/extra",
        b"/quitquitquit",
        b"/ready",
        b"*",
        b"//",
        b"/v1/" + b"a" * 20_000,
        b"http://169.254.169.254/latest/meta-data",
    ],
)
async def test_no_path_leads_elsewhere(attacked: Fleet, path: bytes) -> None:
    for request in (post(path=path), post(path=path).replace(b"POST", b"GET", 1)):
        received = await talk(attacked, request)
        assert set(statuses(received)) <= {400, 404, 405}, received
        assert statuses(received)

    assert attacked.large.requests == []


@pytest.mark.parametrize(
    "path",
    [
        b"//v1//chat/completions",
        b"/v1/./x/../chat/%63ompletions/",
        b"/v1/models/../chat/completions",
    ],
)
async def test_detours_of_a_path_lead_to_its_end(attacked: Fleet, path: bytes) -> None:
    received = await talk(attacked, post(path=path), patience=20)

    assert statuses(received) == [200], received
    assert attacked.large.paths == ["/v1/chat/completions"]


@pytest.mark.parametrize(
    "target", [b"CONNECT 127.0.0.1:1", b"TRACE /v1/chat/completions", b"PRI *"]
)
async def test_methods_of_proxies_are_refused(attacked: Fleet, target: bytes) -> None:
    received = await talk(attacked, target + b" HTTP/1.1\r\nhost: router\r\n\r\n", patience=2)

    # CONNECT has no end of its own: it counts as an upload that has stopped.
    assert set(statuses(received)) <= {400, 404, 405, 408}
    assert attacked.large.requests == []


async def test_headers_of_the_router_s_own_are_its_own(attacked: Fleet) -> None:
    """Whatever a client says in their names decides nothing, nor do Envoy's own orders to itself."""
    own = ("wait", "served-by", "model", "pool", "route", "facts")
    spoofed = {f"x-tokenfleet-{name}": "chat/slow/small;attempts=9" for name in own}
    envoys = ("retry-on", "max-retries", "upstream-rq-timeout-ms")
    spoofed |= {f"x-envoy-{name}": "9" for name in envoys}

    answers = [await attacked.ask(headers=spoofed) for _ in range(20)]

    assert {served_by(answer)[2:] for answer in answers} == {("large", 1)}
    assert len(attacked.large.headers) == len(answers)
    for seen in attacked.large.headers:
        assert not [name for name, value in seen.items() if value == "9"]
