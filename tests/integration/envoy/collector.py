"""An OpenTelemetry collector that takes OTLP over HTTP and keeps spans for tests.

Just enough of protobuf's wire format (https://protobuf.dev/programming-guides/encoding/) to read
`ExportTraceServiceRequest` of opentelemetry-proto: names, identities and attributes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import unpack

from aiohttp import web

LENGTH_DELIMITED, FIXED_64, FIXED_32 = 2, 1, 5


@dataclass(frozen=True)
class Span:
    """One span."""

    trace: str
    span: str
    parent: str
    name: str
    attributes: dict[str, str | int | float | bool]


def fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Yield a message's fields: number, and the value as it is on the wire."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        number, kind = divmod(varint(), 8)
        if kind == 0:
            yield number, varint()
            continue
        size = {FIXED_64: 8, FIXED_32: 4}.get(kind) or varint()
        yield number, message[at : at + size]
        at += size


def inside(message: bytes, *path: int) -> Iterator[bytes]:
    """Yield the messages at a path of field numbers."""
    first, *rest = path
    for number, value in fields(message):
        if number == first and isinstance(value, bytes):
            yield from inside(value, *rest) if rest else (value,)


def value_of(message: bytes) -> str | int | float | bool:
    """Read an `AnyValue`."""
    number, value = next(fields(message))
    if number == 1 and isinstance(value, bytes):
        return value.decode()
    if number == 4 and isinstance(value, bytes):
        return float(unpack("<d", value)[0])
    assert isinstance(value, int)
    return bool(value) if number == 2 else value


def span_of(message: bytes) -> Span:
    """Read a `Span`."""
    parts = {number: value for number, value in fields(message) if number in {1, 2, 4, 5}}
    texts = {n: v if isinstance(v, bytes) else b"" for n, v in parts.items()}
    attributes = {}
    for pair in inside(message, 9):
        key = next(inside(pair, 1)).decode()
        attributes[key] = value_of(next(inside(pair, 2)))
    return Span(
        trace=texts.get(1, b"").hex(),
        span=texts.get(2, b"").hex(),
        parent=texts.get(4, b"").hex(),
        name=texts.get(5, b"").decode(),
        attributes=attributes,
    )


@dataclass
class Collector:
    """Listens on the loopback while a test runs."""

    spans: list[Span] = field(default_factory=list)
    port: int = 0
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/v1/traces", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        # ExportTraceServiceRequest.resource_spans.scope_spans.spans
        self.spans += [span_of(found) for found in inside(await request.read(), 1, 2, 2)]
        return web.Response()
