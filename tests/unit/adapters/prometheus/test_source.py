"""The client's edges, against a server that misbehaves on purpose."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.unit.domain.slo.builders import T0
from tokenfleet.adapters.prometheus.source import (
    Access,
    AccessError,
    PartialError,
    PrometheusSource,
)
from tokenfleet.ports import PortError

ROW = {"metric": {"route": "chat"}, "value": [T0.timestamp(), "1.5"]}


def vector(*rows: object, **more: object) -> bytes:
    data = {"resultType": "vector", "result": list(rows)}
    return json.dumps({"status": "success", "data": data, **more}).encode()


class Server:
    status = 200
    body = vector(ROW)
    delay = 0.0

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.path = ""
        self.answered: dict[str, str] = {}
        self.over = threading.Event()
        self.hits = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.headers = dict(self.headers)
                outer.path = self.path
                outer.hits += 1
                if outer.over.wait(outer.delay):
                    return  # nobody waits for it any more
                self.send_response(outer.status)
                for name, value in outer.answered.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}/"


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.over.set()
    running.http.shutdown()
    running.http.server_close()


async def ask(url: str, **access):
    source = PrometheusSource(Access(url=url, **access))
    try:
        return await source.query("up", at=T0)
    finally:
        source.close()


async def test_a_vector_becomes_samples(server: Server) -> None:
    (sample,) = await ask(server.url)

    assert (sample.labels, sample.value, sample.timestamp) == ({"route": "chat"}, 1.5, T0)


async def ask_range(url: str):
    source = PrometheusSource(Access(url=url))
    half = timedelta(milliseconds=500)
    try:
        return await source.query_range(
            "up", start=T0 + half, end=T0 + half + timedelta(minutes=1), step=30 * half
        )
    finally:
        source.close()


async def test_a_matrix_becomes_series_at_exactly_the_instants_asked_for(server: Server) -> None:
    """The client library rounds to seconds; a replay of ticks needs the milliseconds."""
    first = T0.timestamp() + 0.5
    server.body = vector({"metric": {"route": "chat"}, "values": [[first, "1"], [first + 15, "2"]]})

    (series,) = await ask_range(server.url)

    asked = parse_qs(urlsplit(server.path).query)
    assert (series.labels, series.points) == ({"route": "chat"}, [(first, 1), (first + 15, 2)])
    assert asked["start"] == [f"{first:.3f}"]
    assert asked["end"] == [f"{first + 60:.3f}"]
    assert asked["step"] == ["15"]


async def test_what_is_not_a_matrix_is_an_error(server: Server) -> None:
    with pytest.raises(PortError, match="not a range vector"):
        await ask_range(server.url)


async def test_warnings_are_a_partial_answer(server: Server) -> None:
    server.body = vector(ROW, warnings=["one store is down"])

    with pytest.raises(PartialError, match="one store is down"):
        await ask(server.url)


async def test_a_label_that_says_warnings_is_no_warning(server: Server) -> None:
    server.body = vector({"metric": {"route": "warnings"}, "value": [0, "1"]})

    assert len(await ask(server.url)) == 1


@pytest.mark.parametrize("status", [400, 429, 500, 503])
async def test_a_refusal_is_asked_once(server: Server, status: int) -> None:
    server.status = status

    with pytest.raises(PortError, match=str(status)):
        await ask(server.url)
    assert server.hits == 1


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<html>", id="not JSON"),
        pytest.param(b"{}", id="no data"),
        pytest.param(vector({"metric": {}}), id="a row without a value"),
        pytest.param(vector("text"), id="a row that is no object"),
        pytest.param(vector({"metric": {}, "value": [1e30, "1"]}), id="a time that is none"),
        pytest.param(vector({"metric": {}, "value": [1e999, "1"]}), id="a time without end"),
        pytest.param(b'["warnings"]', id="no object"),
        pytest.param(b'{"data": ' + b"[" * 100_000, id="deeper than can be read"),
    ],
)
async def test_what_is_no_vector_is_an_error(server: Server, body: bytes) -> None:
    server.body = body

    with pytest.raises(PortError):
        await ask(server.url)


async def test_a_slow_store_is_given_up(server: Server) -> None:
    server.delay = 10.0

    with pytest.raises(PortError, match="did not answer within"):
        await ask(server.url, timeout=timedelta(seconds=0.2))


async def test_nobody_listening_is_an_error() -> None:
    with pytest.raises(PortError):
        await ask("http://127.0.0.1:1")


async def test_credentials_and_headers_are_sent(server: Server, tmp_path) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    await ask(server.url, headers={"X-Scope-OrgID": "team-a"}, bearer_token_file=token)

    assert server.headers["Authorization"] == "Bearer secret"
    assert server.headers["X-Scope-OrgID"] == "team-a"


async def test_basic_authentication_is_sent(server: Server, tmp_path) -> None:
    password = tmp_path / "password"
    password.write_text("open sesame\n")
    await ask(server.url, username="ali", password_file=password)

    assert server.headers["Authorization"].startswith("Basic ")


async def test_a_folder_of_headers_is_read_before_every_query(server: Server, tmp_path) -> None:
    """A mounted Secret: one file per header, beside hidden folders of its own."""
    (tmp_path / "..data").mkdir()
    (tmp_path / "X-Scope-OrgID").write_text("team-a\n")
    source = PrometheusSource(Access(url=server.url, headers_folder=tmp_path))
    try:
        await source.query("up", at=T0)
        first = server.headers["X-Scope-OrgID"]
        (tmp_path / "X-Scope-OrgID").write_text("team-b")
        await source.query("up", at=T0)
    finally:
        source.close()

    assert (first, server.headers["X-Scope-OrgID"]) == ("team-a", "team-b")


@pytest.mark.parametrize("status", [301, 302, 307])
async def test_credentials_are_not_carried_elsewhere(server: Server, status: int) -> None:
    server.status, server.answered = status, {"Location": "http://127.0.0.1:1/login"}

    with pytest.raises(AccessError, match=r"sends the query on to http://127\.0\.0\.1:1/login"):
        await ask(server.url)


async def test_a_refusal_without_credentials_names_what_to_set(server: Server) -> None:
    server.status = 403

    with pytest.raises(AccessError, match=r"HTTP 403, Forbidden.*set prometheus.tokenSecretRef"):
        await ask(server.url)
