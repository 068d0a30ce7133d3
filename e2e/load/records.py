"""What happened to each request, as one JSON line per request, and what they add up to."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Outcome = Literal["ok", "failed", "cancelled", "unsent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One request, as its client saw it."""

    at: float
    """When it was sent: seconds since the epoch, so that it can be laid beside other records."""
    feature: str
    conversation: str
    number: int = 0
    """Position in its feature: with the feature, the request's identity."""
    outcome: Outcome
    """ok: a whole answer. failed: an error, a broken stream, or no end in time. cancelled: cut off
    by the end of the load. unsent: too many were under way (`Profile.max_in_flight`)."""
    status: int = 0
    """HTTP status; 0 means no answer."""
    ttft: float | None = None
    """Seconds from sending to the first byte of the answer's body; None: there was none."""
    duration: float = 0.0
    """Seconds from sending to the end."""
    tokens: int = 0
    """Completion tokens."""
    pool: str = ""
    """From the response header `x-tokenfleet-served-by`."""
    rule: str = ""
    """From the same header."""
    error: str = ""
    """What failed, in a few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One request that was sent; its record follows when it has ended."""

    at: float
    feature: str
    number: int


def to_line(event: Record | Sent) -> str:
    """Write one line."""
    kind = "record" if isinstance(event, Record) else "sent"
    return json.dumps({kind: asdict(event)}, separators=(",", ":"))


def sent_from_line(line: str) -> Sent | None:
    """Read one line; None for a line that is none of a request sent."""
    found = _member(line, "sent")
    return Sent(**found) if found else None


def from_line(line: str) -> Record | None:
    """Read one line; None for a line that is not a record, such as a warning or half a line."""
    found = _member(line, "record")
    return Record(**found) if found else None


def _member(line: str, name: str) -> dict[str, Any] | None:
    try:
        data = json.loads(line)
    except ValueError:
        return None
    found = data.get(name) if isinstance(data, dict) else None
    return found if isinstance(found, dict) else None


def quantile(values: Sequence[float], q: float) -> float | None:
    """Return the nearest-rank quantile, 0 < q <= 1; None where there is no value."""
    if not values:
        return None
    ordered = sorted(values)
    rank = max(1, -(-int(q * 10_000) * len(ordered) // 10_000))
    return ordered[min(rank, len(ordered)) - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Requests added up."""

    sent: int
    ok: int
    failed: int
    cancelled: int
    unsent: int
    by_pool: dict[str, int]
    """Answered requests by pool."""
    ttft_p50: float | None
    ttft_p99: float | None


def summarise(records: Iterable[Record]) -> Summary:
    """Add up."""
    seen = list(records)
    outcomes = Counter(record.outcome for record in seen)
    waits = [record.ttft for record in seen if record.ttft is not None]
    return Summary(
        sent=len(seen) - outcomes["unsent"],
        ok=outcomes["ok"],
        failed=outcomes["failed"],
        cancelled=outcomes["cancelled"],
        unsent=outcomes["unsent"],
        by_pool=dict(sorted(Counter(r.pool for r in seen if r.outcome == "ok").items())),
        ttft_p50=quantile(waits, 0.50),
        ttft_p99=quantile(waits, 0.99),
    )
