"""Which pool answers, and what clients are told, on the real Envoy."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.integration.envoy.configuration import configuration
from tests.integration.envoy.conftest import CHAT, Fleet

pytestmark = pytest.mark.envoy


def pool(response: httpx.Response) -> str | None:
    assert response.status_code == 200, response.text
    return response.headers.get("x-tokenfleet-pool")


async def post(fleet: Fleet, body: str, **headers: str) -> httpx.Response:
    return await fleet.client.post(
        CHAT, content=body, headers={"content-type": "application/json", **headers}
    )


async def test_rules_are_chosen_by_feature_size_and_tools(serving: Fleet) -> None:
    suggestions = {"x-tokenfleet-feature": "suggestions"}

    assert pool(await serving.ask(headers=suggestions)) == "small"
    assert pool(await serving.ask()) == "large"
    assert pool(await serving.ask(headers={"x-tokenfleet-feature": "generation"})) == "large"
    assert pool(await serving.ask(headers=suggestions, tools=[{"type": "function"}])) == "large"
    assert pool(await serving.ask(headers=suggestions, tools=[])) == "small"
    assert pool(await serving.ask(headers=suggestions, user="x" * 9000)) == "large"


async def test_answers_say_which_way_they_came(serving: Fleet) -> None:
    headers = (await serving.ask()).headers

    assert headers["x-tokenfleet-route"] == "chat"
    assert headers["x-tokenfleet-rule"] == "slow"
    assert "x-tokenfleet-wait" not in headers
    assert "x-tokenfleet-labels" not in headers


async def test_each_pool_gets_the_model_name_it_serves(serving: Fleet) -> None:
    await serving.ask(user="someone")
    await serving.ask(model="org/chat", headers={"x-tokenfleet-feature": "suggestions"})

    assert serving.large.requests == [{"model": "llama-70b", "messages": [], "user": "someone"}]
    assert serving.small.requests[0]["model"] == "llama-3b"


@pytest.mark.parametrize(
    ("body", "model"),
    [
        pytest.param('{"metadata":{"model":"other"},"model":"chat"}', "llama-70b", id="in another object"),
        pytest.param(r'{"prompt":"\"model\":\"other\"","model":"chat"}', "llama-70b", id="inside a prompt"),
        pytest.param(r'{"prompt":"ends in \\","model":"chat"}', "llama-70b", id="after an escaped backslash"),
        pytest.param('{"tools":[{"model":"other"}],"model":"chat"}', "llama-70b", id="inside a list"),
        pytest.param(r'{"model":"org\/chat"}', "llama-70b", id="with an escaped slash"),
        pytest.param('\n { "model" :\t"chat" }', "llama-70b", id="with white space"),
    ],
)  # fmt: skip
async def test_the_top_level_model_is_the_one_that_counts(
    serving: Fleet, body: str, model: str
) -> None:
    response = await post(serving, body)

    assert response.status_code == 200, response.text
    assert serving.large.requests[-1]["model"] == model


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param('{"model":"chat","model":"chat"}', "twice", id="a model twice"),
        pytest.param('{"model":"chat","stream":true,"stream":false}', "twice", id="stream twice"),
        pytest.param(r'{"model":"chat","mod\u0065l":"other"}', "escapes", id="a key with escapes"),
        pytest.param('["model"]', "not a JSON object", id="a list"),
        pytest.param("", "no body", id="no body"),
        pytest.param('{"messages":[]}', "model parameter", id="no model"),
        pytest.param('{"model":null}', "model parameter", id="null for a model"),
        pytest.param('{"model":["chat"]}', "model parameter", id="a list for a model"),
        pytest.param('{"model":"cha', "inside a string", id="cut off"),
    ],
)
async def test_what_could_be_read_in_two_ways_is_refused(
    serving: Fleet, body: str, said: str
) -> None:
    response = await post(serving, body)

    assert response.status_code == 400, response.text
    assert said in response.json()["error"]["message"]
    assert not serving.large.requests


async def test_headers_of_clients_cannot_choose_the_way(serving: Fleet) -> None:
    spoofed = {
        "x-tokenfleet-model": "unknown",
        "x-tokenfleet-facts": "bucket=999 stream=true tools=true bytes=1",
        "x-tokenfleet-labels": "mine|mine",
        "x-tokenfleet-pool": "small",
        "x-tokenfleet-served": "1:2:llama-3b",
    }

    assert pool(await serving.ask(headers=spoofed)) == "large"
    seen = serving.large.headers[-1]
    assert seen["x-tokenfleet-model"] == "chat"
    assert seen["x-tokenfleet-labels"] == "other|other"
    assert "bucket=999" not in seen["x-tokenfleet-facts"]
    assert (await serving.client.get("/v1/models", headers=spoofed)).status_code == 200


async def test_models_are_listed(serving: Fleet) -> None:
    listed = (await serving.client.get("/v1/models")).json()

    assert [model["id"] for model in listed["data"]] == ["chat", "org/chat"]
    assert (await serving.client.get("/v1/models/org/chat")).json()["id"] == "org/chat"


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        pytest.param(CHAT, {"model": "nope"}, 404, "model_not_found", id="an unknown model"),
        pytest.param(CHAT, {"model": "CHAT"}, 404, "model_not_found", id="another case"),
        pytest.param("/v1/load_lora_adapter", {"model": "chat"}, 404, "not_found", id="an engine's own path"),
        pytest.param("/nothing", {}, 404, "not_found", id="an unknown path"),
        pytest.param(CHAT, {"model": "chat", "user": "x" * 1024 * 1024}, 413, "request_too_large", id="too large"),
    ],
)  # fmt: skip
async def test_errors_have_openai_s_shape(
    serving: Fleet, path: str, body: dict[str, str], status: int, code: str
) -> None:
    response = await serving.client.post(path, json=body)

    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    assert response.json()["error"]["code"] == code
    assert not serving.large.requests


async def test_a_body_below_the_limit_passes_whole(fleet: Fleet) -> None:
    await fleet.serve(configuration({"large": 1000, "small": 0}, body_limit=4 * 1024 * 1024))

    response = await fleet.ask(user="y" * 3_000_000)

    assert response.status_code == 200
    assert len(fleet.large.requests[0]["user"]) == 3_000_000


async def test_a_body_in_chunks_is_read_and_rewritten_too(serving: Fleet) -> None:
    """Its length is not known in advance: no content-length comes in, the right one goes out."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"messages":[],"mod'
        yield b'el":"chat","user":"someone"}'

    response = await serving.client.post(CHAT, content=chunks())

    assert response.status_code == 200, response.text
    assert serving.large.requests == [{"messages": [], "model": "llama-70b", "user": "someone"}]
    assert "transfer-encoding" not in serving.large.headers[0]


async def test_a_conversation_keeps_its_pool(fleet: Fleet) -> None:
    await fleet.serve(configuration({"large": 500, "small": 500}))

    for headers, body in (
        ({}, {"prompt_cache_key": "conversation-7"}),
        ({"x-session-id": "session-7"}, {}),
        ({"x-tokenfleet-user": "user-7"}, {}),
        ({"x-session-id": "other-1"}, {"prompt_cache_key": "conversation-7"}),
    ):
        pools = {pool(await fleet.ask(headers=headers, **body)) for _ in range(8)}
        assert len(pools) == 1, (headers, body)


async def test_conversations_spread_by_share(fleet: Fleet) -> None:
    await fleet.serve(configuration({"large": 800, "small": 200}))

    few = asyncio.Semaphore(20)

    async def asked(**body: str) -> str | None:
        async with few:
            return pool(await fleet.ask(**body))

    pools = await asyncio.gather(*(asked(prompt_cache_key=f"conversation-{i}") for i in range(500)))
    alone = await asyncio.gather(*(asked() for _ in range(500)))

    # 500 draws at 20 %: one standard deviation is 9, five are 45.
    assert abs(pools.count("small") - 100) < 45
    assert abs(alone.count("small") - 100) < 45


async def test_a_stream_passes_unchanged(serving: Fleet) -> None:
    response = await serving.ask(stream=True)

    events = [line for line in response.text.split("\n\n") if line]
    assert events[-1] == "data: [DONE]"
    assert json.loads(events[-2].removeprefix("data: "))["usage"]["completion_tokens"] == 7
    assert len(events) == 5
