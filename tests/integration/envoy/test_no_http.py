"""What Envoy refuses before any filter is asked: also that is told as JSON that clients can read."""

import json

import pytest

from tests.integration.envoy.conftest import CHAT, Fleet
from tests.integration.envoy.hostile import statuses, talk

pytestmark = pytest.mark.envoy

CHUNKED = b"transfer-encoding: chunked\r\n\r\n"
WEBSOCKET = b"connection: upgrade\r\nupgrade: websocket\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"hello\r\n\r\n", 400, id="no request"),
        pytest.param(b"GET /v1/models HTTP/1.1\r\n\r\n", 400, id="no host"),
        pytest.param(b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", 400, id="no length"),
        pytest.param(b"POST %s HTTP/1.1\r\nhost: x\r\ntransfer-encoding: cow\r\n\r\n", 501, id="no coding"),
        pytest.param(b"POST %s HTTP/1.1\r\nhost: x\r\n" + CHUNKED + b"zz\r\n", 400, id="no chunk"),
        pytest.param(b"POST %s HTTP/1.1\r\nhost: x\r\n" + CHUNKED + b'2\r\n{"\r\n-1\r\n', 400, id="no chunk in the middle of a body"),
        pytest.param(b"POST %s HTTP/1.1\r\nhost: x\r\n" + CHUNKED + b"0\r\nno trailer\r\n\r\n", 400, id="no trailer"),
        pytest.param(b"POST %s#x HTTP/1.1\r\nhost: x\r\n\r\n", 400, id="a fragment in the path"),
        pytest.param(b"GET %s HTTP/1.1\r\nhost: x\r\n" + WEBSOCKET + b"\r\n", 403, id="another protocol"),
    ],
)  # fmt: skip
async def test_what_is_no_http_is_refused_in_json(serving: Fleet, sent: bytes, status: int) -> None:
    request = sent.replace(b"%s", CHAT.encode())

    received = await talk(serving, request)

    assert statuses(received) == [status]
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head
    # One body that OpenAI's and Anthropic's clients both read.
    assert json.loads(body)["error"]["code"] == "bad_request"
    assert json.loads(body)["type"] == "error"
    assert not serving.large.requests


@pytest.mark.parametrize("path", [CHAT, "/v1/messages", "/v1/models"])
async def test_a_request_that_names_two_hosts_is_refused(serving: Fleet, path: str) -> None:
    method = "GET" if path == "/v1/models" else "POST"
    hosts = b"host: one\r\nhost: two\r\n"
    length = b"content-length: 2\r\n\r\n{}" if method == "POST" else b"\r\n"

    received = await talk(serving, f"{method} {path} HTTP/1.1\r\n".encode() + hosts + length)

    assert statuses(received) == [400]
    error = json.loads(received.partition(b"\r\n\r\n")[2])["error"]
    assert error["message"] == "the request does not name one host"


async def test_the_host_of_a_whole_url_is_the_one_that_counts(serving: Fleet) -> None:
    """Proxies ignore the other one (RFC 9112, section 3.2.2)."""
    body = b'{"model":"chat","messages":[]}'
    head = f"POST http://one{CHAT} HTTP/1.1\r\nhost: two\r\ncontent-length: {len(body)}\r\n\r\n"

    received = await talk(serving, head.encode() + body)

    assert statuses(received) == [200]
    assert [seen["host"] for seen in serving.large.headers] == ["one"]


async def test_an_upload_over_the_limit_is_read_before_it_is_refused(serving: Fleet) -> None:
    """Envoy says `100 Continue` before the module sees the request."""
    size = 2 * 1024 * 1024
    length = f"content-length: {size}\r\nexpect: 100-continue\r\n\r\n"
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\n{length}".encode()

    received = await talk(serving, head + b"x" * size)

    assert statuses(received) == [100, 413]
    assert json.loads(received.rpartition(b"\r\n\r\n")[2])["error"]["code"] == "request_too_large"


async def test_a_null_in_a_path_is_refused(serving: Fleet) -> None:
    received = await talk(serving, b"GET /v1/models%00 HTTP/1.1\r\nhost: x\r\n\r\n")

    assert statuses(received) == [400]
    assert (
        json.loads(received.partition(b"\r\n\r\n")[2])["error"]["message"] == "the path has a null"
    )


async def test_a_path_that_is_none_is_not_found(serving: Fleet) -> None:
    received = await talk(serving, b"OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")

    assert statuses(received) == [404]
    assert json.loads(received.partition(b"\r\n\r\n")[2])["error"]["code"] == "not_found"


@pytest.mark.parametrize("asked", ["gzip, deflate, br", "identity;q=0, *"])
async def test_no_engine_is_asked_for_a_compressed_answer(serving: Fleet, asked: str) -> None:
    """Its tokens could not be counted, nor its errors seen."""
    await serving.ask(headers={"accept-encoding": asked})

    assert serving.large.headers[-1]["accept-encoding"] == "identity"
