r"""PromQL of one tick: pure text, and at most 30 queries however many objectives there are.

One family of series is asked once for all rules and pools. Where a family is wanted over several
windows, one query holds several of them, each marked by a label:

    label_replace(sum by (...) (increase(M[60s])), "window", "60000", "", "")
    or label_replace(sum by (...) (increase(M[180s])), "window", "180000", "", "")

`increase` comes before `sum`, so that a router that restarts does not look like negative traffic.
Boundaries are matched as `1(\\.0+)?`: Prometheus 2 stores `le="1"` and Prometheus 3 `le="1.0"`.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from tokenfleet.domain.slo.objectives import ObjectiveSpec
from tokenfleet.domain.slo.observation import RouterReplica

FIRST_TOKENS: Final = "tokenfleet_time_to_first_token_seconds_bucket"
"""Attempts by the time to their first token; failed ones never enter it."""
LATE: Final = "tokenfleet_late_attempts_total"
"""Attempts without a first token at a threshold, or failed before one; by `threshold`."""
REQUESTS: Final = "tokenfleet_requests_total"
"""Requests as clients sent them, each once however often it was retried."""

RULE: Final = ("namespace", "route", "rule")
LABELS: Final = ("feature", "request_type")

MAX_QUERIES: Final = 30
"""Promised to the owners of the Prometheus, per tick."""
DEMAND_WINDOW: Final = timedelta(minutes=3)
"""Window of demand where no objective says otherwise; else the shortest long window, which is
covered whenever a shift is decided. A longer one would show a new route too little demand, and the
capacity guard would let too much through."""


class Family(StrEnum):
    """What a query asks for."""

    GOOD = "good"
    BAD = "bad"
    LADDER = "ladder"
    SCRAPES = "scrapes"
    DEMAND = "demand"
    NEWEST = "newest"


BUDGET: Final = {
    Family.GOOD: 10,
    Family.BAD: 10,
    Family.LADDER: 4,
    Family.SCRAPES: 4,
    Family.DEMAND: 1,
    Family.NEWEST: 1,
}
"""Most queries of each family; their sum is `MAX_QUERIES`."""


@dataclass(frozen=True, slots=True)
class Query:
    """One query and what its rows mean."""

    family: Family
    text: str


def queries(
    objectives: Iterable[ObjectiveSpec], replicas: Collection[RouterReplica]
) -> tuple[Query, ...]:
    """Return the queries of one tick, in the order of `Family`; equal sets, equal text."""
    wanted = list(objectives)
    windows = sorted({window for slo in wanted for window in slo.windows.all})
    long = sorted({slo.windows.long for slo in wanted})
    thresholds = sorted({slo.threshold for slo in wanted})
    split = LABELS if any(slo.features or slo.request_types for slo in wanted) else ()
    found = [Query(Family.DEMAND, _demand(min(long, default=DEMAND_WINDOW)))]
    if wanted:
        matcher = _one_of(thresholds)
        good = (*RULE, "pool", *split, "le")
        bad = (*RULE, "pool", *split, "threshold")
        ladder = (*RULE, *split, "le")
        found += _batched(Family.GOOD, windows, good, f'{FIRST_TOKENS}{{le=~"{matcher}"}}')
        found += _batched(Family.BAD, windows, bad, f'{LATE}{{threshold=~"{matcher}"}}')
        found += _batched(Family.LADDER, long, ladder, FIRST_TOKENS)
    if replicas:
        up = _up(replicas)
        found.append(Query(Family.NEWEST, f"max by (namespace, pod) (timestamp({up}))"))
        found += [
            Query(Family.SCRAPES, _marked(part, lambda w: _scrapes(up, w)))
            for part in _parts(long or [DEMAND_WINDOW], BUDGET[Family.SCRAPES])
        ]
    return tuple(sorted(found, key=lambda query: list(Family).index(query.family)))


def _batched(
    family: Family, windows: Sequence[timedelta], by: Sequence[str], series: str
) -> list[Query]:
    grouping = ", ".join(by)

    def expression(window: timedelta) -> str:
        return f"sum by ({grouping}) (increase({series}[{_span(window)}]))"

    return [Query(family, _marked(part, expression)) for part in _parts(windows, BUDGET[family])]


def _parts(windows: Sequence[timedelta], most: int) -> list[Sequence[timedelta]]:
    size = -(-len(windows) // most)
    return [windows[i : i + size] for i in range(0, len(windows), size)]


def _marked(windows: Sequence[timedelta], expression: Callable[[timedelta], str]) -> str:
    return " or ".join(
        f'label_replace({expression(window)}, "window", "{_milliseconds(window)}", "", "")'
        for window in windows
    )


def _demand(window: timedelta) -> str:
    return f"sum by ({', '.join(RULE)}) (rate({REQUESTS}[{_span(window)}]))"


def _scrapes(up: str, window: timedelta) -> str:
    # A pod that two jobs scrape counts once: the better one.
    return f"max by (namespace, pod) (sum_over_time({up}[{_span(window)}]))"


def _up(replicas: Iterable[RouterReplica]) -> str:
    namespaces = "|".join(sorted({re.escape(r.namespace) for r in replicas}))
    pods = "|".join(sorted({re.escape(r.pod) for r in replicas}))
    return f'up{{namespace=~"{_quoted(namespaces)}",pod=~"{_quoted(pods)}"}}'


def _one_of(thresholds: Iterable[timedelta]) -> str:
    return "|".join(_boundary(threshold) for threshold in thresholds)


def _boundary(threshold: timedelta) -> str:
    digits = f"{threshold.total_seconds():.3f}".rstrip("0").rstrip(".")
    if "." in digits:
        return digits.replace(".", r"\\.") + "0*"
    return digits + r"(\\.0+)?"


def _quoted(pattern: str) -> str:
    return pattern.replace("\\", "\\\\")


def _span(window: timedelta) -> str:
    milliseconds = _milliseconds(window)
    return f"{milliseconds // 1000}s" if milliseconds % 1000 == 0 else f"{milliseconds}ms"


def _milliseconds(window: timedelta) -> int:
    return window // timedelta(milliseconds=1)
