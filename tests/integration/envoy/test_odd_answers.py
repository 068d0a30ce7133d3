"""Answers that real servers and the proxies before them give, and no table of errors lists.

An attempt is judged by what the client would get: a page with status 200 is as good as nothing,
and an answer in an unusual form is as good as any.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.integration.envoy.configuration import configuration
from tests.integration.envoy.pools import Pools
from tests.integration.envoy.replica import Json, chunk
from tests.integration.envoy.scripted import (
    DONE,
    GOOD,
    GOOD_WHOLE,
    SSE,
    STOP,
    WHOLE,
    Cut,
    Data,
    End,
    Gate,
    Head,
    Pause,
    Raw,
    Script,
    Seen,
    event,
    token,
)

pytestmark = pytest.mark.envoy

CONFIG = configuration({"large": 1000, "small": 0})
CHAT = "/v1/chat/completions"
ERROR = '{"error":{"message":"no capacity","type":"server_error"}}'
PAGE = "<!doctype html><title>Sign in</title>"
JSON = b"content-type: application/json\r\n"
OLD = b"HTTP/1.0 200 OK\r\n"
NEW = b"HTTP/1.1 200 OK\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n\r\n"
TEXT = "".join(step.text for step in GOOD if isinstance(step, Data))
ANSWER = "".join(step.text for step in GOOD_WHOLE if isinstance(step, Data))

GOOD_ANY = (
    WHOLE,
    Data(
        '{"good":1,"choices":[{"message":{},"text":""}],"output":[],"content":[],'
        '"data":[{"embedding":[1]}],"input_tokens":1,"text":""}'
    ),
    End,
)
"""A whole answer of any API."""


def typed(kind: str, **members: object) -> Data:
    """Return an event of responses or messages."""
    return event({"type": kind, **members}, kind)


GOOD_TEXT = (
    SSE,
    event({"choices": [{"index": 0, "text": "good"}]}),
    event({"choices": [{"index": 0, "text": "", "finish_reason": "stop"}]}),
    DONE,
    End,
)
GOOD_RESPONSE = (
    SSE,
    typed("response.created", response={}),
    typed("response.output_text.delta", delta="good"),
    typed("response.completed", response={"status": "completed", "output": []}),
    End,
)
GOOD_MESSAGE = (
    SSE,
    typed("message_start", message={"usage": {"input_tokens": 1}}),
    typed("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    typed("content_block_delta", index=0, delta={"type": "text_delta", "text": "good"}),
    typed("content_block_stop", index=0),
    typed("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 1}),
    typed("message_stop"),
    End,
)
GOOD_STREAMS = {
    CHAT: GOOD,
    "/v1/completions": GOOD_TEXT,
    "/v1/responses": GOOD_RESPONSE,
    "/v1/messages": GOOD_MESSAGE,
}
"""A stream of each API."""
GZIP = Head(kind="application/json", more=(("content-encoding", "gzip"),))


@dataclass(frozen=True)
class Row:
    """What the first pool answers, and the outcome of that."""

    about: str
    script: Script
    outcome: str = "ok"
    stream: bool = True
    path: str = CHAT


def whole(about: str, script: Script, outcome: str = "ok", path: str = CHAT) -> Row:
    return Row(about, script, outcome, stream=False, path=path)


def redirect(status: int) -> Raw:
    where = b"location: http://10.0.0.1/login\r\ncontent-length: 5\r\n\r\nmoved"
    return Raw(b"HTTP/1.1 %d X\r\n" % status + where)


BAD = (
    whole("no body", (Raw(NEW + JSON + b"content-length: 0\r\n\r\n"),), "broken_stream"),
    whole("an empty body", (WHOLE, End), "broken_stream"),
    whole("blanks", (WHOLE, Data(" \r\n"), End), "broken_stream"),
    whole("a page", (Head(kind="text/html; charset=utf-8"), Data(PAGE), End), "broken_stream"),
    whole("a page that is called JSON", (WHOLE, Data(PAGE), End), "broken_stream"),
    whole("text", (Head(kind="text/plain"), Data("no upstream"), End), "broken_stream"),
    whole("text of no kind", (Raw(NEW + b"content-length: 2\r\n\r\nok"),), "broken_stream"),
    whole("half of it, well-formed", (WHOLE, Data('{"choices":['), End), "broken_stream"),
    whole("half of it, closed", (Raw(OLD + JSON + b'\r\n{"choices":['), Cut), "broken_stream"),
    whole("what FastAPI says", (WHOLE, Data('{"detail":"Not Found"}'), End), "server_error"),
    whole("an object that is an error", (WHOLE, Data('{"object":"error","code":500}'), End), "server_error"),
    whole("an error in JSON of another case", (Head(kind="Application/JSON; Charset=UTF-8"), Data(ERROR), End), "server_error"),
    whole("what a gateway says", (WHOLE, Data('{"code":429,"message":"slow down"}'), End), "broken_stream"),
    whole("no choices", (WHOLE, Data('{"id":"x","choices":null}'), End), "broken_stream"),
    whole("not one choice", (WHOLE, Data('{"choices":[],"usage":{"prompt_tokens":1,"total_tokens":1}}'), End), "broken_stream"),
    whole("a list of nothing asked for", (WHOLE, Data("[]"), End), "broken_stream"),
    whole("a ticket for later", (Raw(b"HTTP/1.1 202 Accepted\r\n" + JSON + CHUNKED + chunk('{"id":7}') + b"0\r\n\r\n"),), "broken_stream"),
    whole("no text", (WHOLE, Data('{"text":"x"}'), End), "broken_stream", path="/v1/completions"),
    whole("no output", (WHOLE, Data('{"output":null}'), End), "broken_stream", path="/v1/responses"),
    whole("no content", (WHOLE, Data('{"content":"x"}'), End), "broken_stream", path="/v1/messages"),
    whole("no data", (WHOLE, Data('{"data":{}}'), End), "broken_stream", path="/v1/embeddings"),
    whole("no vector", (WHOLE, Data('{"data":[]}'), End), "broken_stream", path="/v1/embeddings"),
    whole("a vector of nothing", (WHOLE, Data('{"data":[{"embedding":[1]},{"embedding":[]}]}'), End), "broken_stream", path="/v1/embeddings"),
    whole("a list without a vector", (WHOLE, Data('{"data":[{"index":0}]}'), End), "broken_stream", path="/v1/embeddings"),
    whole("an error of a store", (Head(kind="application/xml"), Data("<Error/>"), End), "broken_stream", path="/v1/embeddings"),
    whole("a page of text", (Head(kind="text/xml"), Data("<Error/>"), End), "broken_stream", path="/rerank"),
    whole("a choice of nothing", (WHOLE, Data('{"choices":[{}]}'), End), "broken_stream"),
    whole("no choice at all", (WHOLE, Data('{"choices":[null]}'), End), "broken_stream"),
    whole("a message of nothing", (WHOLE, Data('{"choices":[{"message":null,"finish_reason":"stop"}]}'), End), "broken_stream"),
    whole("a piece of a stream", (WHOLE, Data('{"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}'), End), "broken_stream"),
    whole("a text for a message", (WHOLE, Data('{"choices":[{"text":"x","finish_reason":"stop"}]}'), End), "broken_stream"),
    whole("a message for a text", GOOD_WHOLE, "broken_stream", path="/v1/completions"),
    whole("no ranking", (WHOLE, Data('{"message":"Not Found"}'), End), "broken_stream", path="/v1/rerank"),
    whole("a ranking of nothing", (WHOLE, Data('{"results":null}'), End), "broken_stream", path="/rerank"),
    whole("no scores", (WHOLE, Data('{"statusCode":502,"body":"x"}'), End), "broken_stream", path="/score"),
    whole("no tokens", (WHOLE, Data("{}"), End), "broken_stream", path="/tokenize"),
    whole("not compressed as it says", (GZIP, Data(ANSWER), End), "broken_stream"),
    whole("nothing, compressed", (GZIP, End), "broken_stream"),
    whole("no count", (WHOLE, Data("{}"), End), "broken_stream", path="/v1/messages/count_tokens"),
    whole("lines of JSON", (Head(kind="application/x-ndjson"), Data("{}\n{}\n"), End), "broken_stream"),
    whole("an answer that was given up", (WHOLE, Data('{"choices":[{"finish_reason":"network_error"}]}'), End), "broken_stream"),
    whole("a response that was given up", (WHOLE, Data('{"status":"cancelled","output":[]}'), End), "broken_stream", path="/v1/responses"),
    whole("a stream that was not asked for", GOOD, "broken_stream"),
    whole("another protocol", (Raw(b"HTTP/1.1 101 X\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),), "server_error"),
    whole("a wait in vain", (Head(408, "application/json"), Data("{}"), End), "timeout"),
    whole("a redirection", (redirect(302),), "server_error"),
    whole("another redirection", (redirect(307),), "server_error"),
    whole("an error before trailers", (Raw(NEW + JSON + CHUNKED + chunk(ERROR) + b"0\r\nx: 1\r\n\r\n"),), "server_error"),
    Row("a page for a stream", (Head(kind="text/html"), Data(PAGE), End), "broken_stream"),
    Row("an error in a stream of another case", (Head(kind="Text/Event-Stream;Charset=UTF-8"), event(ERROR), Pause(9)), "server_error"),
    Row("an error in a stream of no kind", (Raw(NEW + CHUNKED), event(ERROR), Pause(9)), "server_error"),
    Row("an error in a stream that is called text", (Head(kind="text/plain"), event(ERROR), Pause(9)), "server_error"),
    Row("an error after comments", (SSE, Data(": x\n\n: y\n"), event(ERROR), Pause(9)), "server_error"),
    Row("an error without the blank", (SSE, Data(f"data:{ERROR}\n\n"), Pause(9)), "server_error"),
    Row("an error in lines of Windows", (SSE, Data(f"event: error\r\ndata: {ERROR}\r\n\r\n"), Pause(9)), "server_error"),
    Row("an error in lines of old", (SSE, Data(f"data: {ERROR}\r\r"), Pause(9)), "server_error"),
    Row("an error after a mark", (SSE, Data(f"\ufeffdata: {ERROR}\n\n"), Pause(9)), "server_error"),
    Row("an error in pieces", (SSE, Data("da"), Pause(0.05), Data(f"ta: {ERROR[:20]}"), Pause(0.05), Data(f"{ERROR[20:]}\n\n"), Pause(9)), "server_error"),
    Row("what FastAPI says as an event", (SSE, event({"detail": "Not Found"}), Pause(9)), "server_error"),
    Row("a whole answer for a stream", GOOD_WHOLE, "broken_stream"),
    Row("a stream that was given up", (SSE, event({"choices": [{"index": 0, "finish_reason": "insufficient_system_resource"}]}), DONE, End), "broken_stream"),
    Row("a stream not compressed as it says", (Head(more=(("content-encoding", "zstd"),)), *GOOD[1:]), "broken_stream"),
    Row("a whole answer in an event", (SSE, event(ANSWER), DONE, End), "broken_stream"),
    Row("choices of nothing", (SSE, event({"choices": [{"index": 0, "delta": None, "finish_reason": "stop"}]}), DONE, End), "broken_stream"),
    Row("an end and nothing before it", (SSE, DONE, End), "broken_stream"),
    Row("a stream of HTTP/1.0, closed", (Raw(OLD + b"content-type: text/event-stream\r\n\r\n: x\n\n"), Cut), "broken_stream"),
)  # fmt: skip

FINE = (
    whole("closed as HTTP/1.0 does", (Raw(OLD + JSON + b"\r\n" + ANSWER.encode()), Cut)),
    whole("after early hints", (Raw(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"), *GOOD_WHOLE)),
    whole("after being asked to wait", (Raw(b"HTTP/1.1 102 Processing\r\n\r\n"), *GOOD_WHOLE)),
    whole("before trailers", (Raw(NEW + JSON + CHUNKED + chunk(ANSWER) + b"0\r\nx: 1\r\n\r\n"),)),
    whole("blank lines come first", (WHOLE, Data("\n"), Pause(0.05), Data("\n \n"), *GOOD_WHOLE[1:])),
    whole("numbers that only some read", (WHOLE, Data('{"good":NaN}'), End)),
    whole("a mark comes first", (WHOLE, Data("\ufeff"), *GOOD_WHOLE[1:])),
    whole("an array", (WHOLE, Data('[{"index":0,"good":1}]'), End), path="/rerank"),
    whole("a ranking", (WHOLE, Data('{"results":[],"good":1}'), End), path="/v1/rerank"),
    whole("a ranking inside", (WHOLE, Data('{"output":{"results":[]},"good":1}'), End), path="/v1/rerank"),
    whole("lists of tokens", (WHOLE, Data('[[{"id":1,"text":"good"}]]'), End), path="/tokenize"),
    whole("scores", (WHOLE, Data('{"scores":[0.5],"good":1}'), End), path="/score"),
    whole("texts", (WHOLE, Data('{"text":"good"}'), End), path="/detokenize"),
    whole("vectors", (WHOLE, Data('{"data":[{"embedding":"good"}]}'), End), path="/v1/embeddings"),
    whole("vectors by kind", (WHOLE, Data('{"data":[{"embedding":{"float":[1]}}],"good":1}'), End), path="/v1/embeddings"),
    whole("a response", (WHOLE, Data('{"output":[],"status":"incomplete","good":1}'), End), path="/v1/responses"),
    whole("a message", (WHOLE, Data('{"content":[],"good":1}'), End), path="/v1/messages"),
    whole("a count", (WHOLE, Data('{"input_tokens":1,"good":1}'), End), path="/v1/messages/count_tokens"),
    whole("what a filter left", (WHOLE, Data('{"choices":[{"message":{"good":1},"finish_reason":"content_filter"}]}'), End)),
    whole("a text", (WHOLE, Data('{"choices":[{"text":"good"}]}'), End), path="/v1/completions"),
    whole("bytes", (Head(kind="application/octet-stream"), Data("good"), End), path="/v1/embeddings"),
    whole("compressed unasked", (Head(kind="application/json", more=(("content-encoding", "br"),)), Data("good"), End)),
    Row("a stream compressed unasked", (Head(more=(("content-encoding", "br"),)), Data("go"), Data("od"), End)),
    Row("a stream of another case", (Head(kind="Text/Event-Stream;Charset=UTF-8"), *GOOD[1:])),
    Row("a stream of no kind", (Raw(NEW + CHUNKED), *GOOD[1:])),
    Row("a stream that is called text", (Head(kind="text/plain"), *GOOD[1:])),
    Row("no blank after the colon", (SSE, Data(TEXT.replace("data: ", "data:")), End)),
    Row("lines of Windows", (SSE, Data(TEXT.replace("\n", "\r\n")), End)),
    Row("lines of old", (SSE, Data(TEXT.replace("\n", "\r")), End)),
    Row("a mark before the stream", (SSE, Data("\ufeff"), *GOOD[1:])),
    Row("something behind the end", (*GOOD[:-1], Data("data: {}x\n\n"), event(ERROR), End)),
    Row("in pieces", (SSE, *(step for at in range(0, len(TEXT), 40) for step in (Data(TEXT[at : at + 40]), Pause(0.01))), End)),
    Row("an end that says no more", (SSE, token("good"), event({"choices": [{"index": 0, "finish_reason": "stop"}]}), DONE, End)),
    Row("neither usage nor an end", (SSE, token("good"), STOP, End)),
    Row("a stream before trailers", (Raw(NEW + b"content-type: text/event-stream\r\n" + CHUNKED + chunk(TEXT) + b"0\r\nx: 1\r\n\r\n"),)),
    Row("a stream closed as HTTP/1.0 does", (Raw(OLD + b"content-type: text/event-stream\r\n\r\n" + TEXT.encode()), Cut)),
)  # fmt: skip


async def answered(pools: Pools, row: Row) -> tuple[Seen, list[tuple[str, str]]]:
    """Ask the pools, the first of which plays the row; return what came of it."""
    before = Counter(await pools.outcomes())
    pools.large[0].script = row.script
    pools.small[0].script = GOOD_STREAMS[row.path] if row.stream else GOOD_ANY
    seen = await pools.ask({"stream": row.stream}, path=row.path)
    found = sorted((Counter(await pools.outcomes()) - before).elements())
    pools.large[0].script = GOOD  # three failures in a row would take the replica out
    assert (await pools.ask()).pool == "large"
    return seen, found


async def test_what_no_client_can_use_is_taken_over(pools: Pools) -> None:
    await pools.serve(CONFIG)
    wrong = {}
    for row in BAD:
        seen, found = await answered(pools, row)
        right = (seen.status, seen.pool, seen.whole) == (200, "small", True)
        if not (right and "good" in seen.body) or found != [
            ("large", row.outcome),
            ("small", "ok"),
        ]:
            wrong[row.about] = (seen, found)
    assert not wrong, wrong


async def test_an_unusual_form_is_no_fault(pools: Pools) -> None:
    await pools.serve(CONFIG)
    wrong = {}
    for row in FINE:
        seen, found = await answered(pools, row)
        right = (seen.status, seen.pool, seen.whole) == (200, "large", True)
        if not (right and "good" in seen.body) or found != [("large", "ok")]:
            wrong[row.about] = (seen, found)
    assert not wrong, wrong


async def test_a_compressed_answer_is_one_without_usage(pools: Pools) -> None:
    """The router asks for none, and cannot read those that come."""
    brotli = (("content-encoding", "br"),)
    whole = (Head(kind="application/json", more=brotli), Data(json.dumps(USAGE)), End)
    stream = (Head(more=brotli), event(USAGE), End)
    await pools.serve(CONFIG)
    for script, streamed in ((whole, False), (stream, True)):
        pools.large[0].script = script
        await pools.ask({"stream": streamed})

    assert await pools.outcomes() == [("large", "ok")] * 2
    assert await pools.value("tokenfleet_usage_missing_total") == 2
    assert await pools.value("tokenfleet_completion_tokens_total") == 0


async def test_a_stream_in_the_words_of_another_api_is_taken_over(pools: Pools) -> None:
    """No client of this one could read a word of it."""
    await pools.serve(CONFIG)
    wrong = {}
    for path, good in GOOD_STREAMS.items():
        for other, script in GOOD_STREAMS.items():
            ours = Row("", script if other != path else good, path=path)
            seen, found = await answered(pools, ours)
            first = [("large", "ok" if other == path else "broken_stream")]
            if found != first + [("small", "ok")] * (other != path) or "good" not in seen.body:
                wrong[path, other] = (seen, found)
    assert not wrong, wrong


@pytest.mark.parametrize(
    ("script", "status"),
    [
        pytest.param((Raw(NEW + JSON + b"content-length: 0\r\n\r\n"),), 502, id="nothing"),
        pytest.param((WHOLE, Data('{"choices":['), End), 502, id="half of it"),
        pytest.param((Head(kind="text/html"), Data(PAGE), End), 500, id="a page"),
        pytest.param((redirect(308),), 502, id="a redirection"),
    ],
)
async def test_where_nobody_else_answers_the_client_can_read_the_error(
    pools: Pools, script: Script, status: int
) -> None:
    for server in (*pools.large, *pools.small):
        server.script = script
    await pools.serve(CONFIG)

    openai = await pools.ask({"stream": False})
    anthropic = await pools.ask({"stream": False}, path="/v1/messages")

    assert (openai.status, anthropic.status) == (status, status)
    assert "location" not in openai.headers
    assert openai.headers["content-type"] == "application/json"
    assert json.loads(openai.body)["error"]["code"] == "bad_answer"
    assert json.loads(anthropic.body)["error"]["type"] == "api_error"


USAGE: Json = {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7}}
ASKS = {"stream_options": {"include_usage": True}}


async def test_who_leaves_at_the_end_of_a_stream_has_had_all_of_it(pools: Pools) -> None:
    """SDKs stop at `[DONE]`, whether the connection has said that this is all or not."""
    pools.large[0].script = (SSE, token("good"), STOP, event(USAGE), DONE, Pause(60))
    await pools.serve(CONFIG)

    await pools.ask(leaves=lambda seen: "[DONE]" in seen.body)

    assert await pools.outcomes() == [("large", "ok")]
    await pools.reaches(1, "tokenfleet_requests_total", 'outcome="ok"')
    assert await pools.value("tokenfleet_completion_tokens_total") == 7
    async with asyncio.timeout(20):  # the script's pause is longer
        while not pools.large[0].left:
            await asyncio.sleep(0.02)


def opens(gate: asyncio.Event, text: str) -> Callable[[Seen], bool]:
    """Let a script go on when the client has this text; the client stays."""

    def look(seen: Seen) -> bool:
        if text in seen.body:
            gate.set()
        return False

    return look


async def test_a_connection_that_breaks_behind_the_end_spoils_nothing(pools: Pools) -> None:
    gate = asyncio.Event()
    pools.large[0].script = (*GOOD[:-1], Gate(gate), Cut)
    await pools.serve(CONFIG)

    seen = await pools.ask(leaves=opens(gate, "[DONE]"))

    assert seen.body.endswith(DONE.text)
    assert await pools.outcomes() == [("large", "ok")]


@pytest.mark.parametrize(
    "rest",
    [
        (Data("data: [DO"), Pause(0.3), Data("NE]\n\n")),
        (Data(token("more").text.replace("\n", "\r") + "data: [DONE]\r\r"),),
    ],
    ids=["in pieces", "in lines of old"],
)
async def test_an_answer_that_is_not_whole_never_ends_well(pools: Pools, rest: Script) -> None:
    gate = asyncio.Event()
    pools.large[0].script = (SSE, token("good"), Gate(gate), *rest, End)
    await pools.serve(CONFIG)

    seen = await pools.ask(ASKS, leaves=opens(gate, "good"))

    assert not seen.whole
    assert ("more" in seen.body) == (len(rest) == 1)
    assert "[DONE]" not in seen.body
    assert '"error"' in seen.body
    assert await pools.outcomes() == [("large", "broken_stream")]
