"""The pure parts of the load, and the client against a small real server."""

import asyncio
import json

import pytest

from e2e.load import client
from e2e.load.events import StreamReader
from e2e.load.profile import Feature, Profile, arrivals, body, from_json, to_json
from e2e.load.records import (
    Record,
    Sent,
    from_line,
    quantile,
    sent_from_line,
    summarise,
    to_line,
)


def profile(**changes) -> Profile:
    """Return a short load on one feature."""
    defaults = {
        "url": "http://127.0.0.1:1",
        "model": "chat",
        "features": (Feature(name="suggestions", rate=50.0),),
        "duration": 10.0,
    }
    return Profile(**{**defaults, **changes})


def test_a_profile_survives_its_json() -> None:
    assert profile() == from_json(to_json(profile()))


def test_equal_profiles_give_equal_arrivals_and_another_seed_gives_others() -> None:
    assert arrivals(profile()) == arrivals(profile())
    assert arrivals(profile()) != arrivals(profile(seed=2))


def test_poisson_arrivals_keep_the_rate_and_the_duration() -> None:
    found = arrivals(profile(duration=100.0))

    assert 4700 < len(found) < 5300
    assert all(0 < a.at < 100 for a in found)
    assert found == sorted(found, key=lambda a: a.at)


def test_fixed_arrivals_are_evenly_spaced() -> None:
    found = arrivals(profile(arrivals="fixed", duration=1.0))

    assert len(found) in {49, 50}
    assert found[10].at == pytest.approx(11 / 50)


def test_no_load_outlives_the_limit() -> None:
    slow = (Feature(name="f", rate=1.0),)

    assert max(a.at for a in arrivals(profile(features=slow, duration=1e6))) < 900


def test_the_body_carries_model_conversation_and_asks_for_usage() -> None:
    arrival = arrivals(profile())[0]

    sent = body(arrival, "chat")

    assert sent["model"] == "chat"
    assert sent["prompt_cache_key"] == arrival.conversation
    assert sent["stream_options"] == {"include_usage": True}


def test_without_conversations_no_key_is_sent() -> None:
    assert "prompt_cache_key" not in body(arrivals(profile(conversations=0))[0], "chat")


STREAM = (
    b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'
    b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
    b'data: {"choices":[{"delta":{"content":"b"}}]}\n\n'
    b'data: {"choices":[],"usage":{"completion_tokens":7}}\n\n'
    b"data: [DONE]\n\n"
)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_stream_reads_the_same_in_pieces_of_any_size(size: int) -> None:
    reader = StreamReader()
    for start in range(0, len(STREAM), size):
        reader.feed(STREAM[start : start + size])

    assert (reader.finished, reader.tokens, reader.error) == (True, 7, "")


def test_a_stream_without_its_end_is_not_finished() -> None:
    reader = StreamReader()
    reader.feed(STREAM[: STREAM.index(b"data: [DONE]")])

    assert not reader.finished


def test_an_error_inside_a_stream_is_seen() -> None:
    reader = StreamReader()
    reader.feed(b'data: {"error":{"message":"out of memory"}}\n\ndata: [DONE]\n\n')

    assert "out of memory" in reader.error


def record(**changes) -> Record:
    """Return a good request."""
    defaults = {"at": 1.0, "feature": "f", "conversation": "c", "outcome": "ok", "pool": "p"}
    return Record(**{**defaults, **changes})


def test_a_record_survives_its_line_and_other_lines_are_no_records() -> None:
    assert record(ttft=0.5) == from_line(to_line(record(ttft=0.5)))
    assert from_line("Traceback (most recent call last):") is None
    assert from_line('"a string"') is None
    begun = Sent(at=1.0, feature="f", number=3)
    assert begun == sent_from_line(to_line(begun))
    assert from_line(to_line(begun)) is None


def test_the_summary_counts_every_outcome_once() -> None:
    outcomes = ["ok", "ok", "failed", "cancelled", "unsent"]

    found = summarise([record(outcome=outcome) for outcome in outcomes])

    assert (found.sent, found.ok, found.failed, found.cancelled, found.unsent) == (4, 2, 1, 1, 1)
    assert found.by_pool == {"p": 2}


@pytest.mark.parametrize(
    ("q", "expected"),
    [(0.5, 5.0), (0.99, 10.0), (1.0, 10.0), (0.01, 1.0)],
)
def test_quantiles_are_nearest_ranks(q: float, expected: float) -> None:
    assert expected == quantile([float(n) for n in range(10, 0, -1)], q)
    assert quantile([], q) is None


class Server:
    """A raw HTTP/1.1 server on loopback that answers with what the test says."""

    def __init__(self, answer: bytes, *, hang: bool = False) -> None:
        self.answer, self.hang = answer, hang
        self.requests: list[bytes] = []

    async def __aenter__(self) -> str:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self.server.sockets[0].getsockname()
        return f"http://{host}:{port}"

    async def __aexit__(self, *_: object) -> None:
        self.server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        )
        self.requests.append(await reader.readexactly(length))
        writer.write(self.answer)
        await writer.drain()
        if self.hang:
            await asyncio.sleep(30)
        writer.close()


async def load_on(server: Server, **changes) -> list[Record]:
    """Run two requests against a server."""
    seen: list[Record | Sent] = []
    async with server as url:
        load = profile(
            url=url,
            features=(Feature(name="f", rate=20.0),),
            arrivals="fixed",
            duration=0.11,
            **changes,
        )
        await client.run(load, seen.append, asyncio.Event())
    records = [event for event in seen if isinstance(event, Record)]
    tried = {record.number for record in records if record.outcome != "unsent"}
    assert {event.number for event in seen if isinstance(event, Sent)} == tried
    return records


def answer(body: bytes, *, status: str = "200 OK", length: int | None = None) -> bytes:
    """Return an HTTP answer."""
    size = len(body) if length is None else length
    return (
        f"HTTP/1.1 {status}\r\ncontent-length: {size}\r\nx-tokenfleet-served-by: r/s/p;attempts=1\r\n"
        "connection: close\r\n\r\n"
    ).encode() + body


async def test_a_whole_answer_is_ok_and_names_its_pool() -> None:
    server = Server(answer(STREAM))

    first, second = await load_on(server)

    assert (first.outcome, first.status, first.pool, first.tokens) == ("ok", 200, "p", 7)
    assert first.ttft is not None
    assert second.outcome == "ok"
    assert json.loads(server.requests[0])["stream"] is True


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(answer(b"{}", status="503 Busy"), 503, id="an error status"),
        pytest.param(answer(STREAM[:60]), 200, id="a stream without its end"),
        pytest.param(answer(STREAM[:60], length=900), 200, id="a broken connection"),
        pytest.param(b"", 0, id="no answer"),
    ],
)
async def test_anything_less_than_a_whole_answer_failed(sent: bytes, status: int) -> None:
    for found in await load_on(Server(sent)):
        assert (found.outcome, found.status) == ("failed", status)
        assert found.error


async def test_the_end_of_the_load_cancels_what_still_runs() -> None:
    found = await load_on(Server(answer(STREAM[:60], length=900), hang=True), drain=0.3)

    assert [r.outcome for r in found] == ["cancelled", "cancelled"]


async def test_a_request_without_end_failed_after_its_time() -> None:
    hanging = Server(answer(STREAM[:60], length=900), hang=True)

    found = await load_on(hanging, request_timeout=0.2)

    assert [r.outcome for r in found] == ["failed", "failed"]


async def test_arrivals_beyond_the_bound_are_recorded_as_unsent() -> None:
    hanging = Server(answer(STREAM[:60], length=900), hang=True)

    found = await load_on(hanging, drain=0.2, max_in_flight=1)

    assert sorted(r.outcome for r in found) == ["cancelled", "unsent"]


async def test_stop_ends_the_sending() -> None:
    seen: list[Record] = []
    stop = asyncio.Event()
    stop.set()

    await client.run(profile(), seen.append, stop)

    assert seen == []
