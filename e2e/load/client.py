"""Sends requests at their moments and reports each when it ended. Asynchronous; aiohttp.

aiohttp and not httpx, since the load shares its processors with what it measures: a stream of 16
tokens costs it 1.3 ms of processor time, and httpx 9.9.
"""

import asyncio
import json
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import aiohttp

from e2e.load.events import StreamReader
from e2e.load.profile import LONGEST_SECONDS, Arrival, Profile, arrivals, body
from e2e.load.records import Record, Sent

Report = Callable[[Record | Sent], None]
IDLE_SECONDS: Final = 5.0
"""An idle connection is closed after it: earlier than any server of a fleet would."""


async def run(profile: Profile, report: Report, stop: asyncio.Event) -> None:
    """Send the whole load; returns when all requests ended, at the latest after the drain.

    Args:
        stop: ends the sending early; the drain still happens.
    """
    running: set[asyncio.Task[None]] = set()
    async with aiohttp.ClientSession(
        profile.url,
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_SECONDS),
        timeout=aiohttp.ClientTimeout(),  # ours: aiohttp rounds up to whole seconds
        auto_decompress=False,
    ) as client:
        start = time.monotonic()
        for arrival in arrivals(profile):
            if await _stopped(stop, start + arrival.at - time.monotonic()):
                break
            if len(running) >= profile.max_in_flight:
                report(_record(arrival, at=time.time(), outcome="unsent"))
                continue
            task = asyncio.create_task(_one(client, profile, arrival, report))
            running.add(task)
            task.add_done_callback(running.discard)
        if running:
            await asyncio.wait(running, timeout=min(profile.drain, LONGEST_SECONDS))
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _stopped(stop: asyncio.Event, seconds: float) -> bool:
    if seconds <= 0:
        await asyncio.sleep(0)
        return stop.is_set()
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True


async def _one(
    client: aiohttp.ClientSession, profile: Profile, arrival: Arrival, report: Report
) -> None:
    at, begun = time.time(), time.monotonic()
    report(Sent(at=at, feature=arrival.feature.name, number=arrival.number))
    seen: dict[str, object] = {}
    try:
        async with asyncio.timeout(profile.request_timeout):
            outcome = await _exchange(client, profile, arrival, seen, begun)
    except asyncio.CancelledError:
        outcome = "cancelled"
    except TimeoutError:
        outcome, seen["error"] = "failed", f"no end within {profile.request_timeout:.0f} s"
    except aiohttp.ClientError as error:
        outcome, seen["error"] = "failed", f"{type(error).__name__}: {error}"[:200]
    report(_record(arrival, at=at, outcome=outcome, duration=time.monotonic() - begun, **seen))


def way(served_by: str) -> tuple[str, str]:
    """Return rule and pool of `route/rule/pool;attempts=n`; empty where the router says nothing."""
    _, rule, pool = (f"{served_by.partition(';')[0]}//").split("/")[:3]
    return rule, pool


async def _exchange(
    client: aiohttp.ClientSession,
    profile: Profile,
    arrival: Arrival,
    seen: dict[str, object],
    begun: float,
) -> str:
    """Do one request; fills `seen` as facts arrive, so that a broken one keeps them."""
    feature = arrival.feature
    headers = {
        "x-tokenfleet-feature": feature.name,
        "x-tokenfleet-request-type": feature.request_type,
        **feature.headers,
    }
    async with client.post(
        "/v1/chat/completions", json=body(arrival, profile.model), headers=headers
    ) as response:
        seen["status"] = response.status
        seen["rule"], seen["pool"] = way(response.headers.get("x-tokenfleet-served-by", ""))
        reader, whole = StreamReader(), b""
        async for piece in response.content.iter_any():
            seen.setdefault("ttft", time.monotonic() - begun)
            if response.status != HTTPStatus.OK or not feature.stream:
                whole += piece
            else:
                reader.feed(piece)
                seen["tokens"] = reader.tokens
    if response.status != HTTPStatus.OK:
        seen.pop("ttft", None)
        seen["error"] = whole[:200].decode(errors="replace")
        return "failed"
    if not feature.stream:
        seen["tokens"] = json.loads(whole).get("usage", {}).get("completion_tokens", 0)
        return "ok"
    if reader.error or not reader.finished:
        seen["error"] = reader.error or "the stream broke off"
        return "failed"
    return "ok"


def _record(arrival: Arrival, **facts: object) -> Record:
    return Record(
        feature=arrival.feature.name,
        conversation=arrival.conversation,
        number=arrival.number,
        **facts,  # type: ignore[arg-type]
    )
