"""Each example's arguments start a real engine, and the engine does what the operator counts on."""

import json
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.vllm.engines import Engine

pytestmark = pytest.mark.vllm


def ask(engine: Engine, **change: object) -> dict[str, object]:
    """Return a body that asks for exactly `max_tokens` tokens."""
    message = {"role": "user", "content": "tell me about the fleet and its router"}
    body = {"model": engine.model, "messages": [message], "max_tokens": 16, "ignore_eos": True}
    return {**body, **change}


def metric(engine: Engine, name: str) -> float:
    """Return the sum of a metric's samples of this name."""
    text = httpx.get(f"{engine.url}/metrics", timeout=120).text
    families = text_string_to_metric_families(text)
    return sum(s.value for family in families for s in family.samples if s.name == name)


def events(lines: Iterator[str]) -> list[str]:
    return [line.removeprefix("data: ") for line in lines if line]


def test_speculation_is_accepted_sometimes(large: Engine) -> None:
    """The draft derives from the target: neither always right nor always wrong."""
    for number in range(4):
        text = f"{number} morning pools and words"
        body = ask(large, max_tokens=48, messages=[{"role": "user", "content": text}])
        assert httpx.post(f"{large.url}/v1/chat/completions", json=body, timeout=120).is_success

    drafted = metric(large, "vllm:spec_decode_num_draft_tokens_total")
    accepted = metric(large, "vllm:spec_decode_num_accepted_tokens_total")
    assert 0.05 < accepted / drafted < 0.95


def test_usage_ends_streams_that_ask_for_it(small: Engine) -> None:
    body = ask(small, stream=True, stream_options={"include_usage": True})
    with httpx.stream("POST", f"{small.url}/v1/chat/completions", json=body, timeout=120) as answer:
        found = events(answer.iter_lines())

    assert found[-1] == "[DONE]"
    *chunks, last = (json.loads(text) for text in found[:-1])
    assert last["usage"]["completion_tokens"] == 16
    assert last["usage"]["prompt_tokens"] > 0
    assert last["usage"]["prompt_tokens_details"]["cached_tokens"] >= 0
    assert last["choices"] == []
    assert not any(chunk.get("usage") for chunk in chunks)


def test_every_name_of_a_pool_is_answered(small: Engine) -> None:
    """What the router leaves in the body is what the engine accepts."""
    for name in small.names:
        answer = httpx.post(
            f"{small.url}/v1/chat/completions", json=ask(small, model=name), timeout=120
        )
        assert answer.status_code == 200, answer.text


def test_modules_that_an_image_brings_by_pythonpath_are_loaded(small: Engine) -> None:
    """Images for some accelerators are nothing without theirs."""
    brought = small.log.parent / "brought"

    assert (brought / f"loaded-by-{small.process.pid}").exists()


def test_an_adapter_answers_under_its_own_name_and_otherwise_than_the_model(small: Engine) -> None:
    """Both are greedy: the same request gives the same words, but for the adapter."""

    def said(name: str) -> tuple[str, str]:
        body = ask(small, model=name, max_tokens=32, temperature=0)
        answer = httpx.post(f"{small.url}/v1/chat/completions", json=body, timeout=120)
        assert answer.status_code == 200, answer.text
        read = answer.json()
        return read["model"], read["choices"][0]["message"]["content"]

    (adapter,) = small.adapters
    model, tuned = said(small.model), said(adapter)

    assert (model[0], tuned[0]) == (small.model, adapter)
    assert model[1] != tuned[1]


def test_cached_prompt_tokens_are_told(small: Engine) -> None:
    """Whole blocks of 128 tokens are cached on CPUs; the second request finds one."""
    body = ask(small, messages=[{"role": "user", "content": "the same long words " * 40}])
    url = f"{small.url}/v1/chat/completions"

    first, second = (httpx.post(url, json=body, timeout=120).json()["usage"] for _ in range(2))

    assert first["prompt_tokens_details"]["cached_tokens"] == 0
    assert second["prompt_tokens_details"]["cached_tokens"] >= 128


@pytest.mark.parametrize("engine", ["small", "large"])
def test_log_probabilities_need_no_compiler(engine: str, request: pytest.FixtureRequest) -> None:
    """torch would compile a kernel for them in the middle of serving, and end the engine."""
    asked: Engine = request.getfixturevalue(engine)
    body = ask(asked, logprobs=True, top_logprobs=2)

    answer = httpx.post(f"{asked.url}/v1/chat/completions", json=body, timeout=120)

    assert answer.status_code == 200, answer.text
    assert len(answer.json()["choices"][0]["logprobs"]["content"]) == 16


def test_a_stopping_engine_finishes_its_streams(large: Engine) -> None:
    """SIGTERM in the middle of streams: each ends whole. Last test: the engine is gone then."""
    ended: list[str] = []

    def stream() -> None:
        body = ask(large, stream=True, max_tokens=200)
        url = f"{large.url}/v1/chat/completions"
        with httpx.stream("POST", url, json=body, timeout=120) as answer:
            ended.append(events(answer.iter_lines())[-1])

    running = [threading.Thread(target=stream) for _ in range(3)]
    for thread in running:
        thread.start()
    until = time.monotonic() + 60
    while metric(large, "vllm:num_requests_running") < 3 and time.monotonic() < until:
        time.sleep(0.1)
    large.process.terminate()
    for thread in running:
        thread.join()

    assert ended == ["[DONE]"] * 3
    assert large.process.wait(timeout=90) == 0
