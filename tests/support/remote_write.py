"""Writes samples into a real Prometheus at any time, by its remote-write protocol (version 1).

The message is three levels of protobuf and the compression is Snappy: both have a form so plain
that a few lines write it (Snappy may hold literals only).

    WriteRequest { repeated TimeSeries timeseries = 1; }
    TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2; }
    Label        { string name = 1; string value = 2; }
    Sample       { double value = 1; int64 timestamp = 2; }   milliseconds
"""

import struct
import urllib.request
from collections.abc import Iterable, Mapping
from functools import lru_cache

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
"""The NaN by which Prometheus notes that a series ended."""

Point = tuple[float, float]
"""(seconds since 1970, value)."""
Written = tuple[str, Mapping[str, str], Iterable[Point]]
"""(name, labels, points in order of time)."""

LITERAL = 60_000
"""Bytes of one Snappy literal with a length of two bytes."""


def write(url: str, series: Iterable[Written]) -> None:
    """Write; raises HTTPError where Prometheus refuses, as for samples out of order."""
    message = b"".join(_field(1, _series(*one)) for one in series)
    request = urllib.request.Request(
        f"{url}/api/v1/write",
        data=_snappy(message),
        headers={
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status in {200, 204}


def _series(name: str, labels: Mapping[str, str], points: Iterable[Point]) -> bytes:
    named = {"__name__": name, **labels}
    pairs = b"".join(
        _field(1, _field(1, key.encode()) + _field(2, named[key].encode()))
        for key in sorted(named)
        if named[key]
    )
    return pairs + _samples(tuple(points))


@lru_cache(maxsize=64)
def _samples(points: tuple[Point, ...]) -> bytes:
    """Many series of a benchmark are alike; their samples are written once."""
    return b"".join(
        _field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(round(at * 1000)))
        for at, value in points
    )


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def _snappy(data: bytes) -> bytes:
    parts = [_varint(len(data))]
    for start in range(0, len(data), LITERAL):
        piece = data[start : start + LITERAL]
        parts += [b"\xf4" + struct.pack("<H", len(piece) - 1), piece]
    return b"".join(parts)
