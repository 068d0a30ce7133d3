"""What can be scraped, and when, on the real Envoy."""

import asyncio
import time
from collections.abc import Callable

import pytest

from tests.integration.envoy.configuration import configuration
from tests.integration.envoy.conftest import CHAT, Fleet
from tests.integration.envoy.model_server import Behaviour
from tokenfleet.adapters.envoy.module import METRICS_PATH

pytestmark = pytest.mark.envoy

CONTRACT = {
    "tokenfleet_attempts_total": "counter",
    "tokenfleet_time_to_first_token_seconds": "histogram",
    "tokenfleet_attempt_duration_seconds": "histogram",
    "tokenfleet_time_per_output_token_seconds": "histogram",
    "tokenfleet_requests_started_total": "counter",
    "tokenfleet_requests_total": "counter",
    "tokenfleet_request_duration_seconds": "histogram",
    "tokenfleet_prompt_tokens_total": "counter",
    "tokenfleet_cached_prompt_tokens_total": "counter",
    "tokenfleet_cache_creation_prompt_tokens_total": "counter",
    "tokenfleet_completion_tokens_total": "counter",
    "tokenfleet_usage_missing_total": "counter",
    "tokenfleet_late_attempts_total": "counter",
    "tokenfleet_inflight": "gauge",
}
OUTCOMES = {
    "ok",
    "client_error",
    "server_error",
    "throttled",
    "connect",
    "timeout",
    "broken_stream",
    "cancelled",
}

LARGE = 'route="chat",rule="slow",pool="large",feature="other",request_type="other"'
SMALL = LARGE.replace("large", "small")
TTFT = "tokenfleet_time_to_first_token_seconds"
STARTED = "tokenfleet_requests_started_total"


def good(metrics: dict[str, float], threshold: float, labels: str = LARGE) -> float:
    return metrics.get(f'{TTFT}_bucket{{{labels},le="{threshold}"}}', 0)


def late(metrics: dict[str, float], threshold: float, labels: str = LARGE) -> float:
    return metrics.get(f'tokenfleet_late_attempts_total{{{labels},threshold="{threshold}"}}', 0)


def ended(metrics: dict[str, float], outcome: str, labels: str = LARGE) -> float:
    return metrics.get(f'tokenfleet_attempts_total{{{labels},outcome="{outcome}"}}', 0)


def answered(metrics: dict[str, float], labels: str = LARGE) -> float:
    """Requests that ended well: counted by themselves, a moment before or after their last attempt."""
    return metrics.get(f'tokenfleet_requests_total{{{labels},outcome="ok"}}', 0)


async def scraped(
    fleet: Fleet, condition: Callable[[dict[str, float]], bool], within: float = 60
) -> dict[str, float]:
    """Scrape until a condition holds; return that scrape."""
    deadline = time.monotonic() + within
    while True:
        metrics = await fleet.metrics()
        if condition(metrics):
            return metrics
        assert time.monotonic() < deadline, [line for line in metrics.items() if line[1]]
        await asyncio.sleep(0.1)


async def test_a_first_token_can_be_scraped_while_its_stream_runs(serving: Fleet) -> None:
    """Once, in a bucket between what the engine waited and what the client waited."""
    end = asyncio.Event()
    serving.large.behaviour = Behaviour(first_token=0.32, last=end)
    asked = time.monotonic()
    body = {"model": "chat", "stream": True}
    async with serving.client.stream("POST", CHAT, json=body) as answer:
        parts = answer.aiter_bytes()
        await anext(parts)
        waited = time.monotonic() - asked

        metrics = await scraped(serving, lambda m: good(m, 600.0) == 1)
        assert good(metrics, 0.3) == 0
        assert all(good(metrics, rung) == 1 for rung in (0.4, 1.0, 60.0) if rung >= waited)
        assert ended(metrics, "ok") == 0
        end.set()
        async for _ in parts:
            pass

    metrics = await scraped(serving, lambda m: ended(m, "ok") == 1)
    assert good(metrics, 600.0) == 1


async def test_requests_are_counted_from_their_start(serving: Fleet) -> None:
    """A pool that hangs is asked for as much as before: its autoscaler must see that."""
    serving.large.behaviour = Behaviour(first_token=60)
    waiting = [asyncio.create_task(serving.ask(stream=n % 2 == 0)) for n in range(6)]

    under_way = 'tokenfleet_inflight{pool="large"}'
    metrics = await scraped(serving, lambda m: m.get(f"{STARTED}{{{LARGE}}}") == m[under_way] == 6)

    assert (
        sum(n for name, n in metrics.items() if name.startswith("tokenfleet_requests_total")) == 0
    )
    for task in waiting:
        task.cancel()


async def test_a_request_that_is_retried_starts_once(serving: Fleet) -> None:
    serving.large.behaviour = Behaviour(status=500)

    for _ in range(4):
        await serving.ask()

    metrics = await scraped(serving, lambda m: ended(m, "server_error") == 4)
    assert metrics[f"{STARTED}{{{LARGE}}}"] == 4
    assert metrics.get(f"{STARTED}{{{SMALL}}}", 0) == 0


async def test_a_short_stream_is_counted_once(serving: Fleet) -> None:
    serving.large.behaviour = Behaviour(first_token=0.12)

    await asyncio.gather(*(serving.ask(stream=True) for _ in range(10)))

    metrics = await scraped(serving, lambda m: good(m, 600.0) == ended(m, "ok") == 10)
    assert (good(metrics, 0.1), late(metrics, 0.1), late(metrics, 600.0)) == (0, 10, 0)


async def test_a_late_first_token_is_bad_before_it_comes_and_good_for_larger_limits(
    serving: Fleet,
) -> None:
    first, last = asyncio.Event(), asyncio.Event()
    serving.large.behaviour = Behaviour(first=first, last=last)
    stream = asyncio.create_task(serving.ask(stream=True))

    metrics = await scraped(serving, lambda m: late(m, 0.5) == 1)
    assert (good(metrics, 600.0), late(metrics, 600.0)) == (0, 0)

    first.set()
    metrics = await scraped(serving, lambda m: good(m, 600.0) == 1)
    assert not stream.done()
    assert (good(metrics, 0.5), late(metrics, 0.5), late(metrics, 600.0)) == (0, 1, 0)

    last.set()
    await stream
    metrics = await scraped(serving, lambda m: ended(m, "ok") == 1)
    assert (good(metrics, 600.0), late(metrics, 0.5), late(metrics, 600.0)) == (1, 1, 0)


async def test_an_attempt_that_ends_without_a_first_token_is_bad(fleet: Fleet) -> None:
    """Cut off by a limit of 1 s, exactly on a boundary: once for the pool, good for its fallback."""
    await fleet.serve(configuration({"large": 1000, "small": 0}, timeout_ms=1000, always=False))
    fleet.large.behaviour = Behaviour(first_token=10)

    await asyncio.gather(*(fleet.ask(stream=True) for _ in range(5)))

    metrics = await scraped(fleet, lambda m: ended(m, "timeout") == 5)
    for threshold in (0.5, 1.0, 2.0, 60.0):
        assert (good(metrics, threshold), late(metrics, threshold)) == (0, 5), threshold
    assert good(metrics, 600.0, SMALL) == 5


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        pytest.param(Behaviour(status=500), "server_error", id="errors"),
        pytest.param(Behaviour(status=429), "throttled", id="too busy"),
    ],
)
async def test_a_pool_whose_errors_are_retried_away_is_seen(
    serving: Fleet, behaviour: Behaviour, outcome: str
) -> None:
    serving.large.behaviour = behaviour

    for _ in range(4):
        assert (await serving.ask(stream=True)).status_code == 200

    metrics = await scraped(
        serving, lambda m: ended(m, outcome) == ended(m, "ok", SMALL) == answered(m, SMALL) == 4
    )
    assert (good(metrics, 600.0), late(metrics, 0.5)) == (0, 4)


async def test_a_dead_pool_is_seen(serving: Fleet) -> None:
    await serving.large.stop()

    for _ in range(4):
        await serving.ask(stream=True)

    metrics = await scraped(serving, lambda m: ended(m, "connect") == 4)
    assert late(metrics, 0.5) == 4


async def test_a_client_that_leaves_early_says_nothing_about_the_pool(serving: Fleet) -> None:
    serving.large.behaviour = Behaviour(first=asyncio.Event())
    asked = asyncio.create_task(serving.ask(stream=True))
    async with asyncio.timeout(90):
        while not serving.large.requests:
            await asyncio.sleep(0.02)
    asked.cancel()

    metrics = await scraped(serving, lambda m: ended(m, "cancelled") == 1)
    assert late(metrics, 60.0) == 0


async def test_the_first_token_counts_not_the_first_byte(serving: Fleet) -> None:
    """Engines send headers and an empty chunk with the role at once."""
    serving.large.behaviour = Behaviour(first_token=2.2, role=True, chunks=2)
    await serving.ask(stream=True)
    serving.large.behaviour = Behaviour(first_token=0.2, role=True, chunks=2)
    await serving.ask(stream=True)

    metrics = await scraped(serving, lambda m: good(m, 600.0) == 2)
    assert (good(metrics, 0.1), good(metrics, 2.0)) in {(0, 0), (0, 1)}


async def test_whole_answers_have_no_first_token(serving: Fleet) -> None:
    """Their latency is the attempt's; a slow one is late for no threshold of first tokens."""
    serving.large.behaviour = Behaviour(first_token=1.3)
    asked = asyncio.create_task(serving.ask())
    await scraped(serving, lambda m: m['tokenfleet_inflight{pool="large"}'] == 1)
    await asyncio.sleep(1.0)
    during = await serving.metrics()
    await asked

    name = "tokenfleet_attempt_duration_seconds_bucket"
    after = await scraped(serving, lambda m: m.get(f'{name}{{{LARGE},le="600.0"}}') == 1)
    for metrics in (during, after):
        assert (good(metrics, 600.0), late(metrics, 0.5)) == (0, 0)
    assert after[f'{name}{{{LARGE},le="1.0"}}'] == 0


async def test_an_attempt_that_hangs_is_late_in_the_next_scrape(serving: Fleet) -> None:
    serving.large.behaviour = Behaviour(first=asyncio.Event())
    stream = asyncio.create_task(serving.ask(stream=True))

    metrics = await scraped(serving, lambda m: late(m, 1.0) == 1)

    assert not stream.done()
    assert late(metrics, 60.0) == 0
    assert metrics['tokenfleet_inflight{pool="large"}'] == 1
    stream.cancel()


async def test_every_series_of_the_contract_is_there(serving: Fleet) -> None:
    """With each outcome from the first attempt on: a counter that begins with its first failure
    would hide it from `increase`."""
    await serving.ask(stream=True)
    metrics = await scraped(serving, lambda m: ended(m, "ok") == answered(m) == 1)
    text = (await serving.router.admin.get(METRICS_PATH)).text

    types = dict(line.split()[2:4] for line in text.splitlines() if line.startswith("# TYPE"))
    assert types == CONTRACT
    for what in ("attempts", "requests"):
        found = {
            line.split('outcome="')[1].split('"')[0]
            for line in metrics
            if line.startswith(f"tokenfleet_{what}_total{{{LARGE}")
        }
        assert found == OUTCOMES


async def test_tokens_are_counted_in_answers_and_in_streams(serving: Fleet) -> None:
    await serving.ask()
    await serving.ask(stream=True)
    serving.large.behaviour = Behaviour(usage=False)
    await serving.ask()
    await serving.ask(stream=True)

    name = "tokenfleet_{}_total{{" + LARGE + "}}"
    metrics = await scraped(serving, lambda m: m.get(name.format("usage_missing")) == 2)
    assert metrics[name.format("prompt_tokens")] == 22
    assert metrics[name.format("cached_prompt_tokens")] == 6
    assert metrics[name.format("completion_tokens")] == 14


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(('{"choices":[{"message":{}}],"usage":{"prompt_tokens":11,"completion_tokens":7},"logprobs":"', "x" * 90_000, '"}'), id="ahead of much else"),
        pytest.param(('{"object":"x","choices":[{"message":{}}],"us', 'age"', " : ", '{"prompt_tokens":11,"d":{"a":1}', ',"completion_tok', 'ens":7}', "}"), id="in pieces"),
        pytest.param((r'{"choices":[{"message":{}}],"text":"\"usage\":{\"prompt_tokens\":99}","kind":"usage",', '"usage":{"prompt_tokens":11,"completion_tokens":7}}'), id="beside text about it"),
        pytest.param((f'{{"choices":[{{"message":{{}}}}],"embedding":[{"0.25," * 20_000}1],', '"usage":{"prompt_tokens":11,"completion_tokens":7}}'), id="after much else"),
    ],
)  # fmt: skip
async def test_usage_is_found_wherever_it_stands_in_an_answer(
    serving: Fleet, answer: tuple[str, ...]
) -> None:
    serving.large.behaviour = Behaviour(answer=answer)

    assert (await serving.ask()).text == "".join(answer)

    counter = "tokenfleet_{}_tokens_total{{" + LARGE + "}}"
    metrics = await scraped(serving, lambda m: m.get(counter.format("completion")) == 7)
    assert metrics[counter.format("prompt")] == 11


async def test_features_outside_the_list_count_as_other(serving: Fleet) -> None:
    for feature, kind in (("generation", "analysis"), ("unheard-of", 'an"alysis|x'), ("", "")):
        await serving.ask(
            headers={"x-tokenfleet-feature": feature, "x-tokenfleet-request-type": kind}
        )

    metrics = await scraped(serving, lambda m: ended(m, "ok") == 2)
    listed = LARGE.replace('feature="other"', 'feature="generation"')
    assert ended(metrics, "ok", listed.replace('type="other"', 'type="analysis"')) == 1
    assert {line.split('feature="')[1].split('"')[0] for line in metrics if "feature=" in line} == {
        "other",
        "generation",
    }


async def test_attempts_under_way_are_a_gauge(serving: Fleet) -> None:
    serving.large.behaviour = Behaviour(last=asyncio.Event())
    streams = [asyncio.create_task(serving.ask(stream=True)) for _ in range(3)]

    await scraped(serving, lambda m: m['tokenfleet_inflight{pool="large"}'] == 3)
    for stream in streams:
        stream.cancel()
