r"""PromQL of one tick: pure text, and at most 30 queries however many objectives there are.

One family of series is asked once for all rules and pools. Where a family is wanted over several
windows, one query holds several of them, each marked by a label:

    label_replace(sum by (...) (increase(M[60s])), "window", "60000", "", "")
    or label_replace(sum by (...) (increase(M[180s])), "window", "180000", "", "")

`increase` comes before `sum`, so that a router that restarts does not look like negative traffic.
Boundaries are matched as `1(\\.0+)?`: Prometheus 2 stores `le="1"` and Prometheus 3 `le="1.0"`.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from tokenfleet.adapters.prometheus import engine_signals
from tokenfleet.domain.slo.objectives.spec import Level, LevelObjective, ObjectiveSpec, Promise
from tokenfleet.domain.slo.observation.measurement import RouterReplica, Signal

FIRST_TOKENS: Final = "tokenfleet_time_to_first_token_seconds_bucket"
"""Attempts by the time to their first token; failed ones never enter it."""
LATE: Final = "tokenfleet_late_attempts_total"
"""Attempts without a first token at a threshold, or failed before one; by `threshold`."""
ATTEMPTS: Final = "tokenfleet_attempts_total"
"""Attempts that ended, by `outcome`."""
DURATIONS: Final = "tokenfleet_attempt_duration_seconds_bucket"
"""Attempts that ended, however they did, by their length."""
TPOT: Final = "tokenfleet_time_per_output_token_seconds_bucket"
"""Streams by the rest of them divided by its tokens; those that failed are in `+Inf` only."""
USAGE: Final = {
    "requests": 'tokenfleet_requests_total{outcome="ok"}',
    "missing": "tokenfleet_usage_missing_total",
    "prompt": "tokenfleet_prompt_tokens_total",
    "cached": "tokenfleet_cached_prompt_tokens_total",
    "completion": "tokenfleet_completion_tokens_total",
    "written": "tokenfleet_cache_creation_prompt_tokens_total",
}
"""Field of `Usage` -> its series."""
ENGINE_CACHE: Final = {"hits": "cache_hits", "queries": "cache_queries"}
"""Field of `EngineCache` -> that of the engines' `Signals`."""
ENGINE_GAUGES: Final = ("kv_cache", "waiting")
"""Fields of `EngineLoad` that are gauges under the same names of `Signals`."""
LOAD_WINDOW: Final = timedelta(minutes=1)
"""Window of how full engines are where no objective says otherwise."""
SPECULATION_WINDOW: Final = timedelta(minutes=30)
"""Window of the acceptance of proposed tokens: it is about models and prompts, not about load."""
STARTED: Final = "tokenfleet_requests_started_total"
"""Requests as clients sent them, each once however often it was retried, from their start on."""
ENDED: Final = "tokenfleet_requests_total"
"""The same at their end, by `outcome`."""

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
    ABANDONED = "abandoned"
    OUTCOMES = "outcomes"
    DURATIONS = "durations"
    TPOT = "tpot"
    LADDER = "ladder"
    DURATION_LADDER = "duration-ladder"
    TPOT_LADDER = "tpot-ladder"
    USAGE = "usage"
    ENGINE_CACHE = "engine-cache"
    ENGINE_LOAD = "engine-load"
    SCRAPES = "scrapes"
    DEMAND = "demand"
    NEWEST = "newest"


BUDGET: Final = {
    Family.GOOD: 4,
    Family.BAD: 4,
    Family.ABANDONED: 1,
    Family.OUTCOMES: 2,
    Family.DURATIONS: 2,
    Family.TPOT: 2,
    Family.LADDER: 2,
    Family.DURATION_LADDER: 1,
    Family.TPOT_LADDER: 1,
    Family.USAGE: 2,
    Family.ENGINE_CACHE: 1,
    Family.ENGINE_LOAD: 1,
    Family.SCRAPES: 1,
    Family.DEMAND: 1,
    Family.NEWEST: 1,
}
"""Most queries of each family; their sum is at most `MAX_QUERIES`."""


@dataclass(frozen=True, slots=True)
class Query:
    """One query and what its rows mean."""

    family: Family
    text: str


def queries(
    objectives: Iterable[Promise], replicas: Collection[RouterReplica], *, split: bool = False
) -> tuple[Query, ...]:
    """Return the queries of one tick, in the order of `Family`; equal sets, equal text.

    Args:
        objectives: what must be judged.
        replicas: the router replicas whose scrapes are looked at.
        split: by feature and request type, although no objective selects by them.
    """
    wanted = list(objectives)
    long = sorted({slo.windows.long for slo in wanted})
    covered = sorted({*long, *_windows(slo for slo in wanted if isinstance(slo, ObjectiveSpec))})
    narrow = split or any(slo.features or slo.request_types for slo in wanted)
    labels = LABELS if narrow else ()
    found = [Query(Family.DEMAND, _demand(min(long, default=DEMAND_WINDOW), labels))]
    judged = [slo for slo in wanted if isinstance(slo, ObjectiveSpec)]
    found += _first_tokens([slo for slo in judged if slo.signal is Signal.TTFT], labels)
    found += _ended([slo for slo in judged if slo.signal is not Signal.TTFT], labels)
    found += _levels(wanted, labels)
    # Also without objectives: what speculation is worth is nobody's promise.
    shortest = min((slo.windows.short for slo in wanted), default=LOAD_WINDOW)
    found.append(_engine_load(shortest))
    if replicas:
        up = _up(replicas)
        found.append(Query(Family.NEWEST, f"max by (namespace, pod) (timestamp({up}))"))
        found += [
            Query(Family.SCRAPES, _marked(part, lambda w: _scrapes(up, w)))
            for part in _parts(covered or [DEMAND_WINDOW], BUDGET[Family.SCRAPES])
        ]
    return tuple(sorted(found, key=lambda query: list(Family).index(query.family)))


def _first_tokens(objectives: Sequence[ObjectiveSpec], split: Sequence[str]) -> list[Query]:
    """Return what judges first tokens: good and bad are decided by the router."""
    if not objectives:
        return []
    windows, matcher = _windows(objectives), _one_of(slo.threshold for slo in objectives)
    by = (*RULE, "pool", *split)
    return [
        *_batched(Family.GOOD, windows, (*by, "le"), f'{FIRST_TOKENS}{{le=~"{matcher}"}}'),
        *_batched(Family.BAD, windows, (*by, "threshold"), f'{LATE}{{threshold=~"{matcher}"}}'),
        *_batched(Family.ABANDONED, windows, by, f'{ATTEMPTS}{{outcome="cancelled"}}'),
        *_ladder(Family.LADDER, objectives, split, FIRST_TOKENS),
    ]


def _ended(objectives: Sequence[ObjectiveSpec], split: Sequence[str]) -> list[Query]:
    """Return what judges attempts that have ended: their outcomes, and how long they took."""
    if not objectives:
        return []
    by = (*RULE, "pool", *split)
    outcomes = f'{ATTEMPTS}{{outcome!="cancelled"}}'
    judged = [slo for slo in objectives if slo.signal is not Signal.TPOT]
    found = _batched(Family.OUTCOMES, _windows(judged), (*by, "outcome"), outcomes)
    for signal, family, ladder, series, whole in (
        (Signal.END_TO_END, Family.DURATIONS, Family.DURATION_LADDER, DURATIONS, ""),
        (Signal.TPOT, Family.TPOT, Family.TPOT_LADDER, TPOT, r"|\\+Inf"),
    ):
        mine = [slo for slo in objectives if slo.signal is signal]
        if mine:
            matcher = _one_of(slo.threshold for slo in mine)
            buckets = f'{series}{{le=~"{matcher}{whole}"}}'
            found += _batched(family, _windows(mine), (*by, "le"), buckets)
            found += _ladder(ladder, mine, split, series)
    return found


def _levels(objectives: Iterable[Promise], split: Sequence[str]) -> list[Query]:
    """Return what cost and cache objectives are read from, and what shifts cost."""
    wanted = list(objectives)
    levels = [slo for slo in wanted if isinstance(slo, LevelObjective)]
    priced = {slo.windows.level for slo in wanted if slo.max_cost_per_hour is not None}
    windows = sorted(priced.union(*(slo.windows.levels for slo in levels)))
    cached = sorted({w for slo in levels if slo.level is Level.CACHE for w in slo.windows.levels})
    return [
        *_kinds(Family.USAGE, windows, (*RULE, "pool", *split), USAGE),
        *_engine_caches(cached),
    ]


def _engine_caches(windows: Sequence[timedelta]) -> list[Query]:
    """Return what engines counted of their caches, each kind marked."""

    def expression(window: timedelta) -> str:
        span = _span(window)
        return " or ".join(
            _of_kind(engine_signals.increase(signal, by=("namespace", "pool"), window=span), kind)
            for kind, signal in ENGINE_CACHE.items()
        )

    family = Family.ENGINE_CACHE
    return [Query(family, _marked(part, expression)) for part in _parts(windows, BUDGET[family])]


def _kinds(
    family: Family, windows: Sequence[timedelta], by: Sequence[str], kinds: Mapping[str, str]
) -> list[Query]:
    """Return several series in one query, each marked by its kind."""
    grouping = ", ".join(by)

    def expression(window: timedelta) -> str:
        return " or ".join(
            f'label_replace(sum by ({grouping}) (increase({series}[{_span(window)}])), "kind",'
            f' "{kind}", "", "")'
            for kind, series in kinds.items()
        )

    return [Query(family, _marked(part, expression)) for part in _parts(windows, BUDGET[family])]


def used_in(span: timedelta) -> Query:
    """Return what everything used in one span, by pool and labels."""
    (query,) = _kinds(Family.USAGE, [span], (*RULE, "pool", *LABELS), USAGE)
    return query


def asked_in(span: timedelta) -> Query:
    """Return the requests per second that clients sent to every rule in one span."""
    return Query(Family.DEMAND, _demand(span, ()))


def _engine_load(window: timedelta) -> Query:
    """Return how full engines are: gauges, so one window and no rate; and what drafts are worth."""
    span = _span(window)
    kinds = {kind: engine_signals.gauge(kind, window=span) for kind in ENGINE_GAUGES}
    kinds["acceptance"] = engine_signals.acceptance(window=_span(SPECULATION_WINDOW))
    text = " or ".join(_of_kind(expression, kind) for kind, expression in kinds.items())
    return Query(Family.ENGINE_LOAD, text)


def _of_kind(expression: str, kind: str) -> str:
    return f'label_replace({expression}, "kind", "{kind}", "", "")'


def _windows(objectives: Iterable[ObjectiveSpec]) -> list[timedelta]:
    return sorted({window for slo in objectives for window in slo.windows.all})


def _ladder(
    family: Family, objectives: Iterable[ObjectiveSpec], split: Sequence[str], series: str
) -> list[Query]:
    long = sorted({slo.windows.long for slo in objectives})
    return _batched(family, long, (*RULE, *split, "le"), series)


def _batched(
    family: Family, windows: Sequence[timedelta], by: Sequence[str], series: str
) -> list[Query]:
    grouping = ", ".join(by)

    def expression(window: timedelta) -> str:
        return f"sum by ({grouping}) (increase({series}[{_span(window)}]))"

    return [Query(family, _marked(part, expression)) for part in _parts(windows, BUDGET[family])]


def _parts(windows: Sequence[timedelta], most: int) -> list[Sequence[timedelta]]:
    size = max(1, -(-len(windows) // most))
    return [windows[i : i + size] for i in range(0, len(windows), size)]


def _marked(windows: Sequence[timedelta], expression: Callable[[timedelta], str]) -> str:
    return " or ".join(
        f'label_replace({expression(window)}, "window", "{_milliseconds(window)}", "", "")'
        for window in windows
    )


def _demand(window: timedelta, split: Sequence[str]) -> str:
    """Count starts: a pool that slows down ends fewer requests while as many are sent.

    Routers that were built before they counted starts are taken at their ends, each by its pod: an
    upgrade replaces them one by one.
    """
    by, span = ", ".join((*RULE, *split)), _span(window)
    pods = ", ".join((*RULE, *split, "pod"))
    return (
        f"sum by ({by}) (sum by ({pods}) (rate({STARTED}[{span}]))"
        f" or sum by ({pods}) (rate({ENDED}[{span}])))"
    )


def _scrapes(up: str, window: timedelta) -> str:
    # A pod that two jobs scrape counts once: the better one.
    return f"max by (namespace, pod) (sum_over_time({up}[{_span(window)}]))"


def _up(replicas: Iterable[RouterReplica]) -> str:
    namespaces = "|".join(sorted({re.escape(r.namespace) for r in replicas}))
    pods = "|".join(sorted({re.escape(r.pod) for r in replicas}))
    return f'up{{namespace=~"{_quoted(namespaces)}",pod=~"{_quoted(pods)}"}}'


def _one_of(thresholds: Iterable[timedelta]) -> str:
    return "|".join(_boundary(threshold) for threshold in sorted(set(thresholds)))


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
