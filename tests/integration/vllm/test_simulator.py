"""The simulator is held to the real engine: same requests, same shapes, same names."""

import json
import re
from itertools import groupby
from typing import Any

import httpx
import pytest

from tests.integration.vllm.engines import Engine

pytestmark = pytest.mark.vllm

CHAT = {
    "messages": [{"role": "user", "content": "hello there"}],
    "max_tokens": 3,
    "ignore_eos": True,
}
TEXT = {"prompt": "hello there", "max_tokens": 3, "ignore_eos": True}


def shape(value: Any) -> Any:
    """Return keys and types, with values left out."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return type(value).__name__


def missing(part: Any, whole: Any, path: str = "") -> list[str]:
    """Return where `part` holds something that `whole` does not, or of another type."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return [
            text
            for key, item in part.items()
            for text in (
                missing(item, whole[key], f"{path}.{key}") if key in whole else [f"{path}.{key}"]
            )
        ]
    if isinstance(part, list) and isinstance(whole, list):
        if len(part) != len(whole):
            return [f"{path}: {len(part)} items, {len(whole)} in the real one"]
        pairs = enumerate(zip(part, whole, strict=True))
        return [text for n, (a, b) in pairs for text in missing(a, b, f"{path}[{n}]")]
    return [] if part == whole else [f"{path}: {part}, {whole} in the real one"]


def both(
    small: Engine, simulator: Engine, path: str, body: dict[str, Any]
) -> tuple[httpx.Response, httpx.Response]:
    """Return the real engine's and the simulator's answer."""
    return tuple(  # type: ignore[return-value]
        httpx.post(f"{engine.url}{path}", json={"model": engine.model, **body}, timeout=120)
        for engine in (small, simulator)
    )


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("/v1/chat/completions", CHAT, id="a chat"),
        pytest.param("/v1/completions", TEXT, id="a completion"),
        pytest.param("/v1/chat/completions", {**CHAT, "model": "nobody"}, id="an unknown model"),
        pytest.param("/v1/chat/completions", {"max_tokens": 3}, id="a chat without messages"),
        pytest.param("/v1/chat/completions", {**CHAT, "max_tokens": 10**6}, id="too many tokens"),
    ],
)
def test_answers_have_the_real_shape(
    small: Engine, simulator: Engine, path: str, body: dict[str, Any]
) -> None:
    real, simulated = both(small, simulator, path, body)

    assert simulated.status_code == real.status_code
    assert simulated.headers["content-type"] == real.headers["content-type"].split(";")[0] or (
        simulated.headers["content-type"].split(";")[0] == real.headers["content-type"]
    )
    assert missing(shape(simulated.json()), shape(real.json())) == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("/v1/chat/completions", CHAT, id="a chat"),
        pytest.param("/v1/completions", TEXT, id="a completion"),
    ],
)
def test_streams_have_the_real_framing(
    small: Engine, simulator: Engine, path: str, body: dict[str, Any]
) -> None:
    asked = {**body, "stream": True, "stream_options": {"include_usage": True}}
    answers = both(small, simulator, path, asked)[::-1]

    assert len({answer.headers["content-type"] for answer in answers}) == 1
    chunks = []
    for answer in answers:
        blocks = answer.text.split("\n\n")
        assert blocks[-2:] == ["data: [DONE]", ""]
        chunks.append([json.loads(block.removeprefix("data: ")) for block in blocks[:-2]])
    simulated, real = (collapsed(found) for found in chunks)
    assert missing(*([shape(chunk) for chunk in found] for found in (simulated, real))) == []
    assert [bool(c.get("usage")) for c in simulated] == [bool(c.get("usage")) for c in real]
    assert simulated[-1]["usage"]["completion_tokens"] == real[-1]["usage"]["completion_tokens"]
    assert [endings(c) for c in simulated] == [endings(c) for c in real]


def endings(chunk: dict[str, Any]) -> list[str | None]:
    return [choice["finish_reason"] for choice in chunk["choices"]]


def collapsed(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep one chunk of several alike in a row: a busy engine puts more tokens into one."""
    alike = groupby(chunks, key=lambda chunk: (shape(chunk), endings(chunk)))
    return [next(run) for _, run in alike]


def test_an_unknown_model_has_the_real_error(small: Engine, simulator: Engine) -> None:
    real, simulated = both(small, simulator, "/v1/chat/completions", {**CHAT, "model": "nobody"})

    assert simulated.status_code == 404
    assert simulated.json() == real.json()


def test_models_are_listed_alike(small: Engine, simulator: Engine) -> None:
    real, simulated = (
        httpx.get(f"{e.url}/v1/models", timeout=120).json() for e in (small, simulator)
    )

    assert missing(shape(simulated), shape(real)) == []
    assert simulated["data"][0]["id"] == real["data"][0]["id"]


def test_metric_names_are_real(small: Engine, simulator: Engine) -> None:
    for engine in (small, simulator):
        httpx.post(
            f"{engine.url}/v1/chat/completions", json={"model": engine.model, **CHAT}, timeout=120
        )
    texts = [httpx.get(f"{engine.url}/metrics", timeout=120).text for engine in (simulator, small)]

    names = [set(re.findall(r"^vllm:\w+", text, re.MULTILINE)) for text in texts]
    types = [set(re.findall(r"^# TYPE vllm:\w+ \w+", text, re.MULTILINE)) for text in texts]

    assert names[0] - names[1] == set()
    assert types[0] - types[1] == set()
