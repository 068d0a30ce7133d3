"""From rows to a `Measurement`: what was said, what was not, and what cannot be believed.

An absent row is kept absent: a pool without attempts has no series, and that is not the same as a
series of zeros. A value that is no finite number of at least 0 marks its cell as broken, and so do
two rows that contradict each other; the engine then holds.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from tokenfleet.adapters.prometheus.access import AccessError
from tokenfleet.adapters.prometheus.cells import cells_of
from tokenfleet.adapters.prometheus.queries import Family, Query, queries
from tokenfleet.adapters.prometheus.rows import END_OF_TIME, number, rule_of, sound, window_of
from tokenfleet.adapters.prometheus.source import PartialError
from tokenfleet.adapters.prometheus.usage import engine_loads_of, engines_of, usage_of
from tokenfleet.domain.slo.objectives.spec import Promise, due, fitting
from tokenfleet.domain.slo.observation.data_state import CLOCK_TOLERANCE
from tokenfleet.domain.slo.observation.history import extended
from tokenfleet.domain.slo.observation.measurement import (
    Failure,
    Ladder,
    Measurement,
    RouterReplica,
    RuleKey,
    RuleMeasurement,
    Scrapes,
    Signal,
)
from tokenfleet.ports import MetricSource, PortError, Sample

LOOK_AHEAD: Final = 2 * CLOCK_TOLERANCE
"""How far past now the newest sample is looked for, so that a Prometheus whose clock runs ahead is
seen; its own look-back of 5 min still covers everything before."""


async def measure(  # noqa: PLR0913 - what is asked, of whom and when
    source: MetricSource,
    *,
    objectives: Collection[Promise],
    replicas: Collection[RouterReplica],
    at: datetime,
    scrape_interval: timedelta,
    before: Measurement | None = None,
    split: bool = False,
) -> Measurement:
    """Ask everything that one tick needs; never raises for what the outside world did.

    Args:
        source: who is asked.
        objectives: what must be judged.
        replicas: the router replicas whose scrapes are looked at.
        at: the instant.
        scrape_interval: as declared; windows that are too short for it are asked for longer.
        before: the last measurement that succeeded. Long windows are asked for when they are due
            since then, and what came before is taken over; None: everything is asked for.
        split: by feature and request type, although no objective selects by them.
    """
    since = before.at if before is not None else None
    fitted = [fitting(slo, scrape_interval) for slo in objectives]
    wanted = queries([due(slo, at, since) for slo in fitted], replicas, split=split)
    try:
        # One first: where nobody answers, 29 more timeouts would only delay saying so.
        first = await _ask(source, wanted[0], at)
        rest = await asyncio.gather(*(_ask(source, query, at) for query in wanted[1:]))
    except PartialError as error:
        return _failed(at, scrape_interval, Failure("Partial", str(error)))
    except AccessError as error:
        return _failed(at, scrape_interval, Failure("AccessDenied", str(error)))
    except PortError as error:
        return _failed(at, scrape_interval, Failure("SourceError", str(error)))
    answers = list(zip(wanted, [first, *rest], strict=True))
    measured = read(answers, at=at, scrape_interval=scrape_interval)
    return extended(before, measured, {slo.windows.short for slo in fitted})


def read(
    answers: Iterable[tuple[Query, Sequence[Sample]]], *, at: datetime, scrape_interval: timedelta
) -> Measurement:
    """Sort the rows of all queries; their order does not matter."""
    rows: dict[Family, list[Sample]] = defaultdict(list)
    for query, samples in answers:
        rows[query.family] += samples
    cells = cells_of(rows)
    ladders: dict[RuleKey, list[Ladder]] = defaultdict(list)
    for family, signal in _LADDERS.items():
        for rule, found in _ladders(signal, rows[family]).items():
            ladders[rule] += found
    flows = _flows(rows[Family.DEMAND])
    usage = usage_of(rows[Family.USAGE])
    keys = sorted({*cells, *ladders, *flows, *usage})
    return Measurement(
        at=at,
        rules={
            key: RuleMeasurement(
                cells=tuple(cells.get(key, ())),
                ladders=tuple(ladders.get(key, ())),
                demand=sum(flows[key].values()) if key in flows else None,
                usage=tuple(usage.get(key, ())),
                flows={} if ("", "") in flows.get(key, {}) else flows.get(key, {}),
            )
            for key in keys
        },
        replicas=_scrapes(rows[Family.SCRAPES], rows[Family.NEWEST]),
        engines=engines_of(rows[Family.ENGINE_CACHE]),
        engine_loads=engine_loads_of(rows[Family.ENGINE_LOAD]),
        scrape_interval=scrape_interval,
    )


async def _ask(source: MetricSource, query: Query, at: datetime) -> Sequence[Sample]:
    ahead = LOOK_AHEAD if query.family is Family.NEWEST else timedelta(0)
    return await source.query(query.text, at=at + ahead)


def _failed(at: datetime, scrape_interval: timedelta, failure: Failure) -> Measurement:
    return Measurement(at=at, scrape_interval=scrape_interval, failure=failure)


_LADDERS: Final[Mapping[Family, Signal]] = {
    Family.LADDER: Signal.TTFT,
    Family.DURATION_LADDER: Signal.END_TO_END,
    Family.TPOT_LADDER: Signal.TPOT,
}


def _ladders(signal: Signal, rows: Iterable[Sample]) -> dict[RuleKey, list[Ladder]]:
    steps: dict[tuple[RuleKey, str, str, timedelta], dict[float, float]] = defaultdict(dict)
    for row in rows:
        key, window = rule_of(row), window_of(row)
        boundary = number(row.labels.get("le", ""))
        if key is None or window is None or boundary is None or not sound(row.value):
            continue
        labels = row.labels
        place = (key, labels.get("feature", ""), labels.get("request_type", ""), window)
        steps[place][boundary] = steps[place].get(boundary, 0.0) + row.value
    ladders: dict[RuleKey, list[Ladder]] = defaultdict(list)
    for (key, feature, request_type, window), buckets in sorted(steps.items()):
        ladders[key].append(
            Ladder(
                signal=signal,
                feature=feature,
                request_type=request_type,
                window=window,
                buckets=tuple(sorted(buckets.items())),
            )
        )
    return ladders


def _flows(rows: Iterable[Sample]) -> dict[RuleKey, dict[tuple[str, str], float]]:
    """Return the demand of every rule by feature and request type; empty names where not split."""
    flows: dict[RuleKey, dict[tuple[str, str], float]] = defaultdict(dict)
    for row in rows:
        key = rule_of(row)
        if key is not None and sound(row.value):
            labels = row.labels.get("feature", ""), row.labels.get("request_type", "")
            flows[key][labels] = flows[key].get(labels, 0.0) + row.value
    return flows


def _scrapes(
    successes: Iterable[Sample], newest: Iterable[Sample]
) -> dict[tuple[str, str], Scrapes]:
    counts: dict[tuple[str, str], dict[timedelta, float]] = defaultdict(dict)
    for row in successes:
        window = window_of(row)
        if window is not None and sound(row.value):
            counts[_pod(row)][window] = row.value
    times = {
        _pod(row): datetime.fromtimestamp(row.value, tz=UTC)
        for row in newest
        if sound(row.value) and row.value < END_OF_TIME
    }
    return {
        pod: Scrapes(successes=counts.get(pod, {}), newest=times.get(pod))
        for pod in sorted({*counts, *times})
    }


def _pod(row: Sample) -> tuple[str, str]:
    return (row.labels.get("namespace", ""), row.labels.get("pod", ""))
