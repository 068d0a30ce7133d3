"""Events for people (`events.k8s.io/v1`): one object per happening, with a series that counts.

An Event that repeats within the series' life updates `series.count` instead of adding objects, as
the API conventions ask. A token bucket for each object keeps a flapping one from flooding etcd.
Failing to tell is never a reason to fail a visit.
"""

import hashlib
import logging
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tokenfleet.domain.fleet.keys import ObjectKey, key_of
from tokenfleet.domain.fleet.plan import EventNote
from tokenfleet.ports import Body, Clock, Cluster, NotFoundError, PortError, RefusedError
from tokenfleet.reconcilers.telemetry import Telemetry

EVENTS_MANAGER: Final = "tokenfleet/events"

SERIES_LIFE: Final = timedelta(minutes=6)
"""A repetition after this long starts a new Event, as in client-go's recorder."""

BUCKET_SIZE: Final = 25
"""Events of one object in a burst; client-go's spam filter."""

REFILL: Final = timedelta(seconds=30)
"""Time for one more token. client-go refills in 5 min; decisions of a control loop that steps every
few minutes must not be swallowed."""

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

    async def tell(self, owner: Body, note: EventNote) -> None:
        """Write one Event, or count it in its series."""
        key, now = key_of(owner), self._clock.now()
        if not self._take_token(key, now):
            return
        series = self._next(key, owner["metadata"].get("uid", ""), note, now)
        try:
            await self._cluster.apply(self._body(owner, note, series), manager=EVENTS_MANAGER)
        except (RefusedError, NotFoundError) as error:
            # Terminating namespaces refuse new objects; there is nobody left to tell.
            log.debug("event for %s refused: %s", key, error)
        except PortError as error:
            log.warning("event for %s not written: %s", key, error)
        else:
            self._telemetry.wrote("Event", "apply")

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
            suffix = hashlib.sha256(seed.encode()).hexdigest()[:16]
            series = _Series(f"{key.name[:200]}.{suffix}", now, now, 0)
        series.count, series.last = series.count + 1, now
        self._series[key, note] = series
        if len(self._series) > REMEMBERED:
            self._series.popitem(last=False)
        return series

    def _body(self, owner: Body, note: EventNote, series: _Series) -> dict[str, Any]:
        metadata = owner["metadata"]
        body: dict[str, Any] = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": series.name, "namespace": metadata["namespace"]},
            "eventTime": _micro(series.started),
            "type": note.type,
            "reason": note.reason,
            "action": note.action,
            "note": note.note.encode()[:NOTE_LIMIT].decode(errors="ignore"),
            "reportingController": "tokenfleet.dev/operator",
            "reportingInstance": self._instance[:128],
            "regarding": {
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


def _micro(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
