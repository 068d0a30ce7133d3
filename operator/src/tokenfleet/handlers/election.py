"""Leader election over one Lease, as in client-go's `tools/leaderelection`.

A follower takes the Lease when it has not seen it change for its whole duration, by its own
monotonic clock: clocks of two machines are never compared. A leader that cannot renew within
`RENEW_DEADLINE` stops writing, which is earlier than anybody else can take over, and ends. Every
write is a PUT with the resourceVersion that was read, so two candidates cannot both win.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from tokenfleet.ports import Body, Clock, Cluster, ConflictError, PortError, Resource

LEASE_DURATION: Final = 15.0
"""Seconds without a renewal after which a follower takes over; client-go's default."""

RENEW_DEADLINE: Final = 10.0
"""Seconds without a renewal after which the leader gives up. The difference to `LEASE_DURATION` is
the time that writes already under way have to reach the API server."""

RETRY_PERIOD: Final = 2.0
"""Seconds between renewals, and between attempts of a follower."""

log = logging.getLogger(__name__)


class Elector:
    """One candidate."""

    def __init__(
        self,
        cluster: Cluster,
        clock: Clock,
        *,
        lease: tuple[Resource, str, str],
        identity: str,
        monotonic: Callable[[], float],
    ) -> None:
        """Compete for `lease` (resource, namespace, name) as `identity`, unique per process."""
        self._cluster, self._clock = cluster, clock
        self._resource, self._namespace, self._name = lease
        self.identity = identity
        self._monotonic = monotonic
        self._record: Any = None
        self._record_seen_at = 0.0
        self._renewed_at = float("-inf")

    def leads(self) -> bool:
        """Tell whether this process may write now."""
        return self._monotonic() < self._renewed_at + RENEW_DEADLINE

    async def acquire(self) -> None:
        """Wait until this process leads."""
        log.info("waiting for lease %s/%s as %s", self._namespace, self._name, self.identity)
        # A call that took longer than the deadline wins a Lease that is lost already.
        while not (await self._try() and self.leads()):  # noqa: ASYNC110  # nobody sets an Event
            await asyncio.sleep(RETRY_PERIOD)
        log.info("leading")

    async def hold(self) -> None:
        """Renew until it fails for too long; returns when leadership is lost."""
        while self.leads():
            await asyncio.sleep(RETRY_PERIOD)
            try:
                async with asyncio.timeout(RENEW_DEADLINE / 2):
                    await self._try()
            except TimeoutError:
                # One call that hangs must not cost the lease: there is time for a second one.
                log.warning("lease %s/%s: no answer", self._namespace, self._name)
        log.error("lease %s/%s lost", self._namespace, self._name)

    async def release(self) -> None:
        """Let the next leader start at once."""
        if not self.leads():
            return
        self._renewed_at = float("-inf")
        try:
            lease = await self._cluster.get(self._resource, self._namespace, self._name)
            if lease is not None and lease["spec"].get("holderIdentity") == self.identity:
                # One second, because the API server refuses an empty duration.
                spec = {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
                await self._cluster.replace({**lease, "spec": spec})
                log.info("lease released")
        except PortError as error:
            log.warning("lease not released: %s", error)

    async def _try(self) -> bool:
        """Take or renew the Lease; return whether this process leads."""
        asked_at = self._monotonic()
        try:
            lease = await self._cluster.get(self._resource, self._namespace, self._name)
            self._observe(lease, asked_at)
            if lease is not None and not self._may_take(lease["spec"], asked_at):
                return False
            stored = await self._cluster.replace(self._wanted(lease))
        except ConflictError:
            # Somebody else was faster: the ordinary end of a race.
            return self.leads()
        except PortError as error:
            log.warning("lease %s/%s: %s", self._namespace, self._name, error)
            return self.leads()
        self._observe(stored, asked_at)
        # Counted from before the request: the server's copy is at least as young.
        self._renewed_at = asked_at
        return True

    def _observe(self, lease: Body | None, at: float) -> None:
        record = lease and (lease["metadata"]["resourceVersion"], lease["spec"])
        if record != self._record:
            self._record, self._record_seen_at = record, at

    def _may_take(self, spec: Body, now: float) -> bool:
        holder = spec.get("holderIdentity")
        # Ours, even if it has run out: the PUT succeeds only if nobody took it in between.
        if not holder or holder == self.identity:
            return True
        return bool(now >= self._record_seen_at + spec.get("leaseDurationSeconds", LEASE_DURATION))

    def _wanted(self, lease: Body | None) -> dict[str, Any]:
        now = _micro(self._clock.now())
        old = lease["spec"] if lease is not None else {}
        same = old.get("holderIdentity") == self.identity
        spec = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": int(LEASE_DURATION),
            "acquireTime": old.get("acquireTime", now) if same else now,
            "renewTime": now,
            "leaseTransitions": old.get("leaseTransitions", 0) + (lease is not None and not same),
        }
        if lease is not None:
            return {**lease, "spec": {**old, **spec}}
        return {
            "apiVersion": f"{self._resource.group}/{self._resource.version}",
            "kind": self._resource.kind,
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": spec,
        }


def _micro(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
