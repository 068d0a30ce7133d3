"""What is claimed of the engine. Each function returns what was seen, or raises `AssertionError`."""

from __future__ import annotations

import asyncio
import threading
import time

from e2e.gpu_check.engine import Engine
from e2e.gpu_check.pool import CONCURRENCY
from e2e.gpu_check.requests import Stream, answer, prompt, streams
from tokenfleet.domain.pools.engines.vllm import SIGNALS

RUNNING = "vllm:num_requests_running"
BLOCK = 16
"""Tokens of one block of the KV cache: the least that can be found in it."""


def answers(_: Engine) -> str:
    """It answers, whole and as a stream."""
    usage = answer(prompt(1), tokens=64)["usage"]
    assert usage["completion_tokens"] == 64, usage
    (stream,) = asyncio.run(streams(1, first=2, tokens=64))
    assert stream.ended, stream
    assert stream.tokens == 64, stream
    return f"64 tokens after a prompt of {usage['prompt_tokens']}; a stream of 64 ends with [DONE]"


def tells_every_signal(engine: Engine) -> str:
    """Every metric that the operator and its dashboards query is there."""
    wanted = {
        name
        for names in (
            SIGNALS.waiting,
            SIGNALS.kv_cache,
            SIGNALS.cache_hits,
            SIGNALS.cache_queries,
            SIGNALS.accepted,
            SIGNALS.drafted,
        )
        for name in names
    }
    missing = wanted - engine.samples().keys()
    assert not missing, f"not told: {sorted(missing)}"
    return f"all {len(wanted)}"


def accepts_greedily(engine: Engine) -> str:
    """Proposals of the draft are accepted at temperature 0: not none, not all."""
    return _accepts(engine, temperature=0.0)


def accepts_sampling(engine: Engine) -> str:
    """Proposals of the draft are accepted at temperature 0.7: not none, not all."""
    return _accepts(engine, temperature=0.7)


def finds_prefixes(engine: Engine) -> str:
    """A prompt that comes again is found in the cache, and the counters say so."""
    before = engine.samples()
    first, second = (
        answer(prompt(50, documents=8), tokens=4)["usage"]["prompt_tokens_details"]["cached_tokens"]
        for _ in range(2)
    )
    after = engine.samples()
    hits = _rise(before, after, SIGNALS.cache_hits)
    queries = _rise(before, after, SIGNALS.cache_queries)
    assert second >= first + BLOCK, (first, second)
    assert hits >= second, (hits, second)
    assert queries > hits, (queries, hits)
    return f"{hits:.0f} of {queries:.0f} tokens; {second} in the second answer's usage"


def says_how_full_it_is(engine: Engine) -> str:
    """Under twice the load that it computes at once, requests wait and the KV cache fills."""
    seen = {"waiting": 0.0, "kv": 0.0, "running": 0.0}

    def look() -> None:
        now = engine.samples()
        for key, name in (
            ("waiting", SIGNALS.waiting[0]),
            ("kv", SIGNALS.kv_cache[0]),
            ("running", RUNNING),
        ):
            seen[key] = max(seen[key], now[name])

    went = asyncio.run(streams(2 * CONCURRENCY, first=100, tokens=256, meanwhile=look))
    assert all(stream.ended and stream.tokens == 256 for stream in went)
    assert seen["waiting"] >= 1, seen
    assert 0 < seen["kv"] <= 1, seen
    assert 1 <= seen["running"] <= CONCURRENCY, seen
    idle = engine.samples()
    assert idle[SIGNALS.waiting[0]] == 0, "requests wait in an idle engine"
    return (
        f"at most {seen['running']:.0f} ran, {seen['waiting']:.0f} waited,"
        f" {seen['kv']:.1%} of the KV cache was in use"
    )


def finishes_what_runs(engine: Engine) -> str:
    """Told to stop amid streams it finishes each of them, and ends with 0. It is gone then."""
    went: list[Stream] = []
    thread = threading.Thread(
        target=lambda: went.extend(asyncio.run(streams(8, first=200, tokens=1500)))
    )
    thread.start()
    until = time.monotonic() + 60
    while engine.samples()[RUNNING] < 8 and time.monotonic() < until:
        time.sleep(0.05)
    told = time.monotonic()
    engine.process.terminate()
    thread.join()
    longest = time.monotonic() - told
    assert len(went) == 8, "streams were cut"
    assert all(stream.ended and stream.tokens == 1500 for stream in went), went
    status = engine.process.wait(timeout=120)
    assert status == 0, f"it ended with {status}"
    return f"8 streams of 1500 tokens ended whole, {longest:.1f} s after SIGTERM; exit status 0"


CLAIMS = (
    answers,
    tells_every_signal,
    accepts_greedily,
    accepts_sampling,
    finds_prefixes,
    says_how_full_it_is,
)
"""In this order; `finishes_what_runs` comes last, after the speeds."""


def _accepts(engine: Engine, *, temperature: float) -> str:
    before = engine.samples()
    for number in range(8):
        answer(prompt(20 + number), tokens=128, temperature=temperature)
    after = engine.samples()
    accepted = _rise(before, after, SIGNALS.accepted)
    drafted = _rise(before, after, SIGNALS.drafted)
    assert 0 < accepted < drafted, (accepted, drafted)
    return f"{accepted:.0f} of {drafted:.0f} proposed tokens, {accepted / drafted:.0%}"


def _rise(before: dict[str, float], after: dict[str, float], names: tuple[str, ...]) -> float:
    return sum(after[name] - before[name] for name in names)
