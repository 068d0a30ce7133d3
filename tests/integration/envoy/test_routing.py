"""Which pool answers, and what clients are told, on the real Envoy."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from tests.integration.envoy import frames
from tests.integration.envoy.configuration import configuration
from tests.integration.envoy.conftest import CHAT, Fleet, served_by
from tests.integration.envoy.conftest import pool_of as pool
from tests.integration.envoy.frames import frame

pytestmark = pytest.mark.envoy

ALL_LARGE = {"large": 1000, "small": 0}


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
    direct = await serving.ask()
    await serving.large.stop()
    around = await serving.ask()

    assert served_by(direct) == ("chat", "slow", "large", 1)
    assert served_by(around) == ("chat", "slow", "small", 2)
    for response in (direct, around):
        ours = [name for name in response.headers if name.startswith(("x-tokenfleet", "x-envoy"))]
        assert ours == ["x-tokenfleet-served-by"]


async def test_answers_say_nothing_where_that_is_wished(fleet: Fleet) -> None:
    await fleet.serve(replace(configuration(ALL_LARGE), explain=False))

    headers = (await fleet.ask()).headers

    assert not [name for name in headers if name.startswith("x-tokenfleet")]


async def test_each_pool_gets_the_model_name_it_serves(serving: Fleet) -> None:
    await serving.ask(user="someone")
    await serving.ask(model="org/chat", headers={"x-tokenfleet-feature": "suggestions"})

    assert serving.large.requests == [{"model": "llama-70b", "messages": [], "user": "someone"}]
    assert serving.small.requests[0]["model"] == "llama-3b"


async def test_a_name_that_the_engine_accepts_stays_in_the_body(fleet: Fleet) -> None:
    """And the pool that does not accept it gets its own, whichever pool was asked first."""
    config = configuration({"large": 1000, "small": 0})
    pools = tuple(replace(p, aliases=("chat",)) if p.name == "large" else p for p in config.pools)
    await fleet.serve(replace(config, pools=pools))
    body = '{ "messages" : [],  "model":"chat" }'

    await post(fleet, body)
    await post(fleet, body.replace('"chat"', '"org/chat"'))
    fleet.large.behaviour.status = 503
    await post(fleet, body)

    assert [r["model"] for r in fleet.large.requests] == ["chat", "llama-70b", "chat"]
    assert fleet.large.headers[0]["content-length"] == str(len(body))
    assert fleet.small.requests[-1]["model"] == "llama-3b"


@pytest.mark.parametrize(
    ("body", "model"),
    [
        pytest.param('{"metadata":{"model":"other"},"model":"chat"}', "llama-70b", id="in another object"),
        pytest.param(r'{"prompt":"\"model\":\"other\"","model":"chat"}', "llama-70b", id="inside a prompt"),
        pytest.param(r'{"prompt":"ends in \\","model":"chat"}', "llama-70b", id="after an escaped backslash"),
        pytest.param('{"tools":[{"model":"other"}],"model":"chat"}', "llama-70b", id="inside a list"),
        pytest.param(r'{"model":"org\/chat"}', "llama-70b", id="with an escaped slash"),
        pytest.param('\n { "model" :\t"chat" }', "llama-70b", id="with white space"),
        pytest.param(r'{"mod\u0065l":"chat"}', "llama-70b", id="a key with escapes"),
    ],
)  # fmt: skip
async def test_the_top_level_model_is_the_one_that_counts(
    serving: Fleet, body: str, model: str
) -> None:
    response = await post(serving, body)

    assert response.status_code == 200, response.text
    assert serving.large.requests[-1]["model"] == model


@pytest.mark.parametrize(
    "body",
    [
        pytest.param('{"model":"chat","model":"chat"}', id="a model twice"),
        pytest.param('{"model":"chat","stream":true,"stream":false}', id="stream twice"),
        pytest.param(r'{"model":"chat","mod\u0065l":"other"}', id="twice, once with escapes"),
        pytest.param('["model"]', id="a list"),
        pytest.param("", id="no body"),
        pytest.param('{"messages":[]}', id="no model"),
        pytest.param('{"model":null}', id="null for a model"),
        pytest.param('{"model":["chat"]}', id="a list for a model"),
        pytest.param('{"model":"cha', id="cut off"),
        pytest.param('{"model":"chat"} {}', id="more after the object"),
        pytest.param('{"model":"chat",}', id="a comma too many"),
        pytest.param("{'model':'chat'}", id="other quotes"),
        pytest.param('{"model":"chat","n":01}', id="a number that is none"),
    ],
)
async def test_what_could_be_read_in_two_ways_is_refused(serving: Fleet, body: str) -> None:
    response = await post(serving, body)

    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert len(error["message"]) > 10
    assert not serving.large.requests


async def test_headers_of_clients_cannot_choose_the_way(serving: Fleet) -> None:
    spoofed = {
        "via": "1.0 fred, 1.1 tokenfleet-aaaaaaaaaaaaaaaaaaaaaaaa",
        "x-tokenfleet-served-by": "chat/slow/small;attempts=1",
        "x-envoy-max-retries": "9",
        "x-envoy-upstream-rq-timeout-ms": "1",
        "x-envoy-retry-on": "5xx",
    }

    answer = await serving.ask(headers=spoofed)

    assert pool(answer) == "large"
    seen = serving.large.headers[-1]
    ours = seen["via"].removeprefix(spoofed["via"] + ", 1.1 tokenfleet-")
    assert re.fullmatch("[a-p]{24}", ours), seen["via"]
    assert ours != "a" * 24
    assert (await serving.client.get("/v1/models", headers=spoofed)).status_code == 200


async def test_a_request_that_goes_in_circles_is_ended(serving: Fleet) -> None:
    """Each router adds itself to `via` (RFC 9110), after the gateways of others."""
    passed = ", ".join(["1.1 proxy", *["1.1 tokenfleet-" + letter * 24 for letter in "abc"]])

    answer = await serving.ask(headers={"via": passed})

    assert (answer.status_code, answer.json()["error"]["code"]) == (508, "loop_detected")
    assert not serving.large.requests
    assert (await serving.ask(headers={"via": passed.rpartition(", ")[0]})).status_code == 200


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/", "/v1/models?limit=20"])
async def test_models_are_listed(serving: Fleet, path: str) -> None:
    listed = (await serving.client.get(path)).json()

    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == ["chat", "org/chat"]
    assert (await serving.client.head(path)).status_code == 200


@pytest.mark.parametrize(
    "path", ["/v1/models/org/chat", "/v1/models/org%2Fchat", "/v1/models/org%2fchat/"]
)
async def test_a_model_is_found_by_its_name(serving: Fleet, path: str) -> None:
    assert (await serving.client.get(path)).json()["id"] == "org/chat"
    assert (await serving.client.head(path)).status_code == 200


async def test_a_model_that_nobody_serves_is_not_found(serving: Fleet) -> None:
    response = await serving.client.get("/v1/models/nope")

    assert (response.status_code, response.json()["error"]["code"]) == (404, "model_not_found")


async def test_clients_of_anthropic_get_its_shapes(serving: Fleet) -> None:
    version = {"anthropic-version": "2023-06-01"}

    listed = (await serving.client.get("/v1/models", headers=version)).json()
    missing = await serving.client.post("/v1/messages", json={"model": "nope"}, headers=version)

    assert [model["type"] for model in listed["data"]] == ["model", "model"]
    assert listed["has_more"] is False
    assert missing.status_code == 404
    assert missing.json()["type"] == "error"
    assert missing.json()["error"]["type"] == "not_found_error"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        pytest.param("GET", CHAT, "POST", id="reading a completion"),
        pytest.param("HEAD", CHAT, "POST", id="asking for the headers of a completion"),
        pytest.param("PUT", CHAT, "POST", id="putting a completion"),
        pytest.param("POST", "/v1/models", "GET", id="posting models"),
        pytest.param("DELETE", "/v1/models/chat", "GET", id="deleting a model"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(
    serving: Fleet, method: str, path: str, allowed: str
) -> None:
    response = await serving.client.request(method, path)

    assert response.status_code == 405
    assert allowed in response.headers["allow"]
    if method != "HEAD":  # its answer has no body (RFC 9110)
        assert response.json()["error"]["type"] == "invalid_request_error"


async def test_browsers_may_call_from_the_pages_that_are_allowed(fleet: Fleet) -> None:
    await fleet.serve(replace(configuration(ALL_LARGE), allow_origins=("https://app.example",)))
    asks = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
    }

    allowed = await fleet.client.options(CHAT, headers={"origin": "https://app.example", **asks})
    answer = await fleet.ask(headers={"origin": "https://app.example"})
    stranger = await fleet.ask(headers={"origin": "https://other.example"})

    assert allowed.status_code in {200, 204}
    assert allowed.headers["access-control-allow-origin"] == "https://app.example"
    assert "POST" in allowed.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert "origin" in answer.headers["vary"].lower()
    assert "access-control-allow-origin" not in stranger.headers


async def test_http_1_0_is_answered(serving: Fleet) -> None:
    body = b'{"model":"chat"}'
    reader, writer = await asyncio.open_connection("127.0.0.1", serving.router.ports.traffic)
    writer.write(
        b"POST /v1/chat/completions HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    )

    answer = await asyncio.wait_for(reader.read(), 60)
    writer.close()

    assert answer.split(b"\r\n", 1)[0].split(b" ")[1] == b"200"


async def test_http_2_is_spoken_without_tls(serving: Fleet) -> None:
    body = b'{"model":"chat"}'
    reader, writer = await asyncio.open_connection("127.0.0.1", serving.router.ports.traffic)
    writer.write(
        frames.PREFACE
        + frame(frames.SETTINGS, 0, 0)
        + frame(frames.HEADERS, frames.END_HEADERS, 1, frames.head(CHAT))
        + frame(frames.DATA, frames.END_STREAM, 1, body)
    )
    answer = b""
    async with asyncio.timeout(60):
        while b'"served_by"' not in answer:
            size = await reader.readexactly(9)
            payload = await reader.readexactly(int.from_bytes(size[:3]))
            answer += payload if size[3] == 0 else b""
    writer.close()

    assert json.loads(answer)["served_by"] == "large"


@pytest.mark.parametrize("path", ["/v1/chat/completions/", "/v1/chat/completions?api-version=1"])
async def test_query_strings_and_a_slash_at_the_end_do_not_matter(
    serving: Fleet, path: str
) -> None:
    response = await serving.client.post(path, json={"model": "chat", "messages": []})

    assert pool(response) == "large"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/messages",
        "/v1/messages/count_tokens", "/v1/rerank", "/v1/score", "/v1/tokenize", "/v1/detokenize",
        "/rerank", "/score", "/tokenize", "/detokenize",
    ],
)  # fmt: skip
async def test_every_api_is_routed_by_its_model(serving: Fleet, path: str) -> None:
    response = await serving.client.post(path, json={"model": "chat", "input": "x"})

    assert pool(response) == "large"
    assert serving.large.requests[-1]["model"] == "llama-70b"


@pytest.mark.parametrize("kind", ["transcriptions", "translations"])
async def test_audio_is_routed_by_the_model_in_its_form(serving: Fleet, kind: str) -> None:
    response = await serving.client.post(
        f"/v1/audio/{kind}",
        data={"model": "chat"},
        files={"file": ("speech.wav", b"RIFF" + bytes(50_000), "audio/wav")},
    )

    assert pool(response) == "large"
    assert serving.large.requests[-1] == {"model": "llama-70b", "file": 50_004}


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


async def test_a_stream_that_asks_for_usage_passes_unchanged(serving: Fleet) -> None:
    response = await serving.ask(stream=True, stream_options={"include_usage": True})

    events = [line for line in response.text.split("\n\n") if line]
    assert events[-1] == "data: [DONE]"
    assert json.loads(events[-2].removeprefix("data: "))["usage"]["completion_tokens"] == 7
    assert len(events) == 6


async def test_a_stream_that_did_not_ask_for_usage_gets_none(serving: Fleet) -> None:
    """The router asks for it, counts it and keeps it to itself: every event has a choice."""
    response = await serving.ask(stream=True)

    events = [line for line in response.text.split("\n\n") if line]
    assert events[-1] == "data: [DONE]"
    assert all(json.loads(e.removeprefix("data: "))["choices"] for e in events[:-1])
    assert len(events) == 5
    assert serving.large.requests[-1]["stream_options"]["include_usage"] is True
