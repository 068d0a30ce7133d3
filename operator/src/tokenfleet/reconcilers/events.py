"""Events for people: one object per happening, with a series that counts.

Written as `v1` and not as `events.k8s.io/v1`, which is the same object: the newer API refuses
`firstTimestamp`, `lastTimestamp` and `count`, by which `kubectl get events --sort-by` and `kubectl
describe` sort and count.

An Event that repeats within the series' life updates `series.count` instead of adding objects, as
the API conventions ask. A token bucket for each object keeps a flapping one from flooding etcd.

A note with an identifier stands for one decision and is told until it is told (fleet/untold.py):
its Event has the same name and the same words whoever tells it, so telling it twice changes
nothing, and no bucket holds it back: the control loop paces itself.
"""

import hashlib
import logging
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tokenfleet.domain.fleet.conditions import rfc3339
from tokenfleet.domain.fleet.keys import ObjectKey, key_of
from tokenfleet.domain.fleet.plan import EventNote
from tokenfleet.ports import Body, Clock, Cluster, NotFoundError, PortError, RefusedError
from tokenfleet.reconcilers.telemetry import Telemetry

EVENTS_MANAGER: Final = "tokenfleet/events"
CONTROLLER: Final = "tokenfleet.dev/operator"
"""Who says it."""

SERIES_LIFE: Final = timedelta(minutes=6)
"""A repetition after this long starts a new Event, as in client-go's recorder."""

BUCKET_SIZE: Final = 25
"""Events of one object in a burst; client-go's spam filter."""

REFILL: Final = timedelta(seconds=30)
"""Time for one more token. client-go refills in 5 min; decisions of a control loop that steps every
few minutes must not be swallowed."""

EVENT_LIFE: Final = timedelta(hours=1)
"""How long the API server keeps an Event by default; what was refused for so long is given up."""

REMEMBERED: Final = 4096
"""Series and buckets kept in memory; the oldest are dropped."""

NOTE_LIMIT: Final = 1024
"""Bytes; the API server's limit."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Series:
    name: str
    started: datetime
    last: datetime
    count: int


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: datetime


class Recorder:
    """Tells what happened to an object."""

    def __init__(
        self, cluster: Cluster, clock: Clock, *, instance: str, telemetry: Telemetry
    ) -> None:
        """Write Events as `instance`, the pod's name."""
        self._cluster, self._clock = cluster, clock
        self._instance, self._telemetry = instance, telemetry
        self._series: OrderedDict[tuple[ObjectKey, EventNote], _Series] = OrderedDict()
        self._buckets: OrderedDict[ObjectKey, _Bucket] = OrderedDict()

    async def tell(self, owner: Body, note: EventNote) -> bool:
        """Write one Event, or count it in its series.

        Returns:
            False where telling it again may help.
        """
        key, now = key_of(owner), self._clock.now()
        uid = owner["metadata"].get("uid", "")
        if note.id:
            at = note.at or now
            series = _Series(_event_name(key, f"{uid}/{note.id}"), at, at, 1)
        elif self._take_token(key, now):
            series = self._next(key, uid, note, now)
        else:
            return True
        try:
            await self._cluster.apply(self._body(owner, note, series), manager=EVENTS_MANAGER)
        except (RefusedError, NotFoundError) as error:
            # Terminating namespaces refuse new objects; then there is nobody left to tell.
            log.debug("event for %s refused: %s", key, error)
            return not note.id or now - series.started > EVENT_LIFE
        except PortError as error:
            log.warning("event for %s not written: %s", key, error)
            return False
        else:
            self._telemetry.wrote("Event", "apply")
        return True

    def _take_token(self, key: ObjectKey, now: datetime) -> bool:
        bucket = self._buckets.pop(key, None) or _Bucket(BUCKET_SIZE, now)
        refill = max(now - bucket.at, timedelta()) / REFILL
        bucket.tokens, bucket.at = min(bucket.tokens + refill, BUCKET_SIZE), now
        self._buckets[key] = bucket
        if len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    def _next(self, key: ObjectKey, uid: str, note: EventNote, now: datetime) -> _Series:
        series = self._series.pop((key, note), None)
        if series is None or now - series.last > SERIES_LIFE:
            seed = f"{uid}/{note}/{now.timestamp()}/{self._instance}"
            series = _Series(_event_name(key, seed), now, now, 0)
        series.count, series.last = series.count + 1, now
        self._series[key, note] = series
        if len(self._series) > REMEMBERED:
            self._series.popitem(last=False)
        return series

    def _body(self, owner: Body, note: EventNote, series: _Series) -> dict[str, Any]:
        metadata = owner["metadata"]
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": series.name, "namespace": metadata["namespace"]},
            "eventTime": _micro(series.started),
            "firstTimestamp": rfc3339(series.started),
            "lastTimestamp": rfc3339(series.last),
            "count": series.count,
            "type": note.type,
            "reason": note.reason,
            "action": note.action,
            "message": note.note.encode()[:NOTE_LIMIT].decode(errors="ignore"),
            "reportingComponent": CONTROLLER,
            # Another process may tell the same again: equal words, equal Event.
            "reportingInstance": "tokenfleet" if note.id else self._instance[:128],
            "source": {"component": CONTROLLER},
            "involvedObject": {
                "apiVersion": owner["apiVersion"],
                "kind": owner["kind"],
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata.get("uid", ""),
            },
        }
        if series.count > 1:
            body["series"] = {"count": series.count, "lastObservedTime": _micro(series.last)}
        return body


def _event_name(about: ObjectKey, seed: str) -> str:
    return f"{about.name[:200]}.{hashlib.sha256(seed.encode()).hexdigest()[:16]}"


def _micro(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
