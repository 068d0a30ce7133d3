"""A scrape of many label sets holds nobody up: Envoy's main thread writes it, requests run on others."""

import asyncio
import itertools
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from e2e.kit.ports import free_port
from tests.bench.figures import record
from tests.bench.router_overhead_test import listening, process
from tests.integration.envoy.configuration import configuration
from tests.integration.envoy.conftest import Fleet
from tokenfleet.adapters.envoy.module import METRICS_PATH
from tokenfleet.domain.routing.ir import RouterConfig

pytestmark = pytest.mark.envoy

SIDE = 100
LABEL_SETS = SIDE**2
CONNECTIONS = 16
INSIDE = 10
"""Requests that begin and end while one scrape is written: one or two could slip in at its edges."""
BODY = b'{"model":"chat","messages":[]}'


def labelled() -> RouterConfig:
    """One rule whose requests are counted by a hundred features and as many request types."""
    config = configuration({"large": 1000, "small": 0})
    (route,) = config.routes
    known = {
        "features": tuple(f"feature-{number}" for number in range(SIDE)),
        "request_types": tuple(f"type-{number}" for number in range(SIDE)),
    }
    return replace(config, routes=(replace(route, rules=route.rules[1:], **known),))


def post(feature: int, kind: int) -> bytes:
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: router\r\ncontent-length: %d\r\n"
        b"x-tokenfleet-feature: feature-%d\r\nx-tokenfleet-request-type: type-%d\r\n\r\n%b"
        % (len(BODY), feature, kind, BODY)
    )


async def ask(port: int, requests: Iterator[bytes], ended: list[tuple[float, float]]) -> None:
    """Ask one request after the other on one connection; note when each began and ended."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in requests:
        began = time.monotonic()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200"), head
        length = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
        ended.append((began, time.monotonic()))
    writer.close()


async def scrape(port: int) -> tuple[float, float, bytes]:
    """Return when a scrape was sent, when the first of it came, and all of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
    sent = time.monotonic()
    writer.write(
        b"GET %b HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n" % METRICS_PATH.encode()
    )
    first = await reader.readexactly(1)
    came = time.monotonic()
    text = first + await reader.read()
    writer.close()
    return sent, came, text


async def test_requests_are_answered_while_ten_thousand_label_sets_are_written(
    fleet: Fleet,
) -> None:
    upstream = free_port()
    ports = fleet.router.ports
    fleet.router.publish(labelled(), dict.fromkeys(("large", "small"), (("127.0.0.1", upstream),)))
    async with process(sys.executable, "-m", "tests.bench.router_peer", upstream):
        await listening(upstream)
        await fleet.router.start()
        await fleet.router.applied()
        each = (post(feature, kind) for feature in range(SIDE) for kind in range(SIDE))
        await asyncio.gather(*(ask(ports.traffic, each, []) for _ in range(CONNECTIONS)))

        over = False
        ended: list[tuple[float, float]] = []
        again = itertools.takewhile(lambda _: not over, itertools.repeat(post(0, 0)))
        load = asyncio.create_task(ask(ports.traffic, again, ended))
        inside = 0
        async with asyncio.timeout(120):
            while inside < INSIDE:
                sent, came, text = await scrape(ports.admin)
                inside = sum(sent < began and end < came for began, end in ended)
        over = True
        await load

    found = text.count(b"\ntokenfleet_requests_started_total{")
    assert found == LABEL_SETS
    told = {"text_mib": len(text) >> 20, "seconds": round(came - sent, 2), "served": inside}
    print(f"\n{found} label sets: {told}")
    record("scrape", {"label_sets": found, **told})
