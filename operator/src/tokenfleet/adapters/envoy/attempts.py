"""What every attempt leaves behind: the raw material of the control loop.

Attempts are counted where they happen, on the router filter's upstream log: on the connection
manager a pool whose errors are retried away would not appear at all. Loggers write when an attempt
ends, but a 120 s stream must not be seen 120 s late, so the log is also flushed every `FLUSH_MS`:

    raw stat   written                                     value
    attempt    at the end                                  duration, with response code and flags
    ttft       at the end, if before the first flush       end of request -> first byte of the body
    ttft       at the first flush, if headers are there    the same
    ttft       by the request filter, if even later        the same (lua/request.lua)
    overdue    at the flush after a ladder boundary,       1, with the flush's number
               if not even headers are there

`exposition` makes `tokenfleet_time_to_first_token_seconds` and `tokenfleet_late_attempts_total` of
them. Every attempt is decided for every boundary when the boundary has passed, never twice.

Envoy's histograms are exact at numbers of two digits only (circllhist). So the flush falls at
multiples of 1.1 s, after round numbers: an attempt cut off by a limit of 1 s or 2 s has ended, and
lies wholly below the next edge, when the flush looks.
"""

from typing import Final

from tokenfleet.adapters.envoy.wire import LABELS, STAT_PREFIX, Json, extension
from tokenfleet.api.ladder import LADDER_MILLISECONDS

FLUSH_MS: Final = 1_100
"""Milliseconds between flushes of the upstream log. A sample is scrapeable this, and one stats
flush (1 s), after the first byte. Shorter costs more per long stream: about 15 us a flush."""

ATTEMPT: Final = "attempt"
TTFT: Final = "ttft"
OVERDUE: Final = "overdue"


def flush_after(boundary_ms: int) -> int:
    """Return the number of the first flush that comes after a ladder boundary's histogram bin."""
    step = 1
    while boundary_ms >= step * 100:
        step *= 10
    edge = (boundary_ms // step + 1) * step  # the next number of two digits
    return max(1, -(-edge // FLUSH_MS))


FLUSHES: Final = tuple(sorted({flush_after(boundary) for boundary in LADDER_MILLISECONDS}))
"""Numbers of the flushes that count attempts without a first token."""

HISTOGRAM_BUCKETS: Final = tuple(
    sorted({*LADDER_MILLISECONDS, *(number * FLUSH_MS for number in FLUSHES)})
)
"""Upper boundaries of the raw histograms, in milliseconds: the ladder and the flushes."""


def upstream_log() -> list[Json]:
    """Return the loggers of the router filter."""
    first = "%COMMON_DURATION(US_TX_END:US_RX_BODY_BEG:ms)%"
    answered = _status("GE", 200)
    good_end = _all(
        _type("UpstreamEnd"), _duration("LE", FLUSH_MS - 1), answered, _status("LE", 299)
    )
    good_flush = _all(_type("UpstreamPeriodic"), *_flush(1), answered, _status("LE", 299))
    return [
        logger(
            histogram(ATTEMPT, "%DURATION%", detailed=True),
            when=_type("UpstreamEnd"),
        ),
        logger(histogram(TTFT, first), when=good_end),
        logger(histogram(TTFT, first), when=good_flush),
        *(
            logger(
                counter(OVERDUE, tags=[{"name": "flush", "value_format": str(number)}]),
                when=_all(_type("UpstreamPeriodic"), *_flush(number), _status("EQ", 0)),
            )
            for number in FLUSHES
        ),
    ]


def first_token_log() -> list[Json]:
    """Return the logger of the internal listener that takes late first tokens."""
    return [logger({"histograms": [_histogram(TTFT, "%REQ(x-wait)%", [_key("%REQ(x-key)%")])]})]


def labels(*, detailed: bool = False) -> list[Json]:
    """Return the tag of a stat: who sent what where, and how it ended if `detailed`.

    One tag with everything in it: each costs every request as much as a header.
    """
    ending = ";%RESPONSE_CODE%;%RESPONSE_FLAGS%" if detailed else ""
    return [_key(f"%ROUTE_NAME%|%REQ({LABELS})%;%UPSTREAM_CLUSTER_RAW%{ending}")]


def logger(stats: Json, *, when: Json | None = None) -> Json:
    """Return an access logger that counts."""
    result = extension(
        "tokenfleet.stats",
        "envoy.extensions.access_loggers.stats.v3.Config",
        stats_scope={"prefix": STAT_PREFIX},
        **stats,
    )
    return result if when is None else {**result, "filter": when}


def histogram(name: str, value: str, *, detailed: bool = False) -> Json:
    """Return one histogram of milliseconds."""
    return {"histograms": [_histogram(name, value, labels(detailed=detailed))]}


def microseconds(name: str, value: str) -> Json:
    """Return one histogram of microseconds."""
    return {"histograms": [_histogram(name, value, labels(), unit="Microseconds")]}


def counter(name: str, *, value: str = "", tags: list[Json] | None = None) -> Json:
    """Return one counter, of occurrences or of a value."""
    amount: Json = {"value_format": value} if value else {"value_fixed": 1}
    return {"counters": [{"stat": {"name": name, "tags": labels() + (tags or [])}, **amount}]}


def _histogram(name: str, value: str, tags: list[Json], unit: str = "Milliseconds") -> Json:
    return {"stat": {"name": name, "tags": tags}, "unit": unit, "value_format": value}


def _key(value: str) -> Json:
    return {"name": "key", "value_format": value}


def _type(name: str) -> Json:
    return {"log_type_filter": {"types": [name]}}


def _flush(number: int) -> tuple[Json, Json]:
    # Half a flush to either side: timers fire up to a millisecond early, and late under load.
    first = number * FLUSH_MS - FLUSH_MS // 2
    return (_duration("GE", first), _duration("LE", first + FLUSH_MS - 1))


def _duration(op: str, milliseconds: int) -> Json:
    return {"duration_filter": {"comparison": _comparison(op, milliseconds)}}


def _status(op: str, status: int) -> Json:
    return {"status_code_filter": {"comparison": _comparison(op, status)}}


def _comparison(op: str, value: int) -> Json:
    # Envoy asks for a runtime key to override the number; nothing ever sets this one.
    return {"op": op, "value": {"default_value": value, "runtime_key": "tokenfleet.unset"}}


def _all(*filters: Json) -> Json:
    return {"and_filter": {"filters": list(filters)}}
