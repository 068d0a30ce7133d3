"""Whether another operator may still write, as its Lease tells.

As in client-go's `tools/leaderelection`, clocks of two machines are never compared: a Lease that
has not changed for `SILENCE`, by our own clock, is held by nobody. That is longer than the time in
which a replica takes over from one that ended, so an upgrade of the other operator is no end of it.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from tokenfleet.api.conventions import DNS_SUBDOMAIN
from tokenfleet.api.names import is_dns_label
from tokenfleet.ports import Clock, Cluster, PortError, RefusedError
from tokenfleet.reconcilers.resources import LEASES

SILENCE: Final = timedelta(minutes=1)
"""Time without a renewal after which an operator is gone. It renews every 2 s; a single replica
whose node is drained is back within less, as long as the image need not be pulled."""

UNREADABLE: Final = timedelta(minutes=10)
"""Time after which an operator counts as gone whose Lease may not be read: waiting for ever would
leave a namespace without any. If it is there after all, the namespace changes hands this often at
most."""

ASK_AGAIN: Final = timedelta(seconds=10)
"""Age at which what is known of a Lease is asked for again, for all objects together."""


@dataclass(slots=True)
class _Seen:
    record: Any
    """What the Lease says; None: it may not be read."""
    since: datetime
    """When it was first seen to say that."""
    asked: datetime


class Leases:
    """What is known of the Leases of other operators."""

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        """Ask `cluster`."""
        self._cluster, self._clock = cluster, clock
        self._seen: dict[str, _Seen] = {}
        self._missing: dict[str, datetime] = {}

    async def gone(self, operator: str) -> bool:
        """Tell whether an operator, as NAMESPACE/NAME, writes no more; a doubt means no."""
        now = self._clock.now()
        missing = self._missing.get(operator)
        if missing is not None and now - missing < ASK_AGAIN:
            return True
        seen = self._seen.get(operator)
        if seen is None or now - seen.asked >= ASK_AGAIN:
            seen = await self._asked(operator, now)
        if seen is None:
            return True
        return now - seen.since >= (UNREADABLE if seen.record is None else SILENCE)

    async def _asked(self, operator: str, now: datetime) -> _Seen | None:
        """Read a Lease; return what is known of it, None where there is none."""
        namespace, _, name = operator.partition("/")
        if not (is_dns_label(namespace) and re.fullmatch(DNS_SUBDOMAIN, name)):
            return None  # Whoever may write a status may write anything; it is no path to ask.
        seen = self._seen.get(operator)
        try:
            lease = await self._cluster.get(LEASES, namespace, name)
        except RefusedError:
            record = None
        except PortError:
            seen = self._seen[operator] = seen or _Seen("unknown", now, now)
            seen.since = seen.asked = now  # Nothing is known of the time in between.
            return seen
        else:
            if lease is None:
                self._seen.pop(operator, None)
                self._missing[operator] = now
                return None
            record = (lease["metadata"]["resourceVersion"], lease["spec"].get("renewTime"))
        self._missing.pop(operator, None)
        if seen is None or seen.record != record:
            seen = self._seen[operator] = _Seen(record, now, now)
        seen.asked = now
        return seen
