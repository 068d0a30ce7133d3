"""Marks: of two operators that watch a namespace, one manages it and the other leaves it alone.

    no mark, or that of an operator that is gone -> write ours, and go on
    ours                                         -> go on
    that of another                              -> say so once, write nothing else, look again

The first mark in a namespace, and the first on what another operator had, is written before
anything else, by a write that fails where the object has changed: so two operators that begin
together agree before they write what objects need. All other marks come with the status.
"""

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from tokenfleet.domain.fleet.keys import ObjectKey, key_of
from tokenfleet.domain.fleet.operators import (
    OPERATOR,
    contender_of,
    operator_of,
    rival_note,
    rival_of,
    uncontended,
)
from tokenfleet.ports import Body, ConflictError, PortError
from tokenfleet.reconcilers.applier import Applier, NotLeaderError
from tokenfleet.reconcilers.events import Recorder
from tokenfleet.reconcilers.leases import Leases
from tokenfleet.reconcilers.store import Store

LOOK_AGAIN: Final = timedelta(minutes=1)
"""Time between two looks at what another operator manages, or watches too."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Takes objects for this operator, and leaves those of others alone."""

    me: str
    """This operator, by its Lease: NAMESPACE/NAME."""
    store: Store
    applier: Applier
    recorder: Recorder
    leases: Leases

    async def takes(self, owner: Body) -> bool:
        """Take an object, unless another operator manages it; return whether it is ours.

        Raises:
            ConflictError: it keeps changing meanwhile, perhaps by another operator's mark.
            NotLeaderError: nothing may be written.
        """
        try:
            return await self._takes(owner)
        except ConflictError:
            # The store knows by now what it has become; its children must not wait for that.
            fresh = self.store.get(key_of(owner))
            return fresh is not None and await self._takes(fresh)

    async def _takes(self, owner: Body) -> bool:
        marked = self.store.operators(owner["metadata"]["namespace"])
        live = {one for one in marked - {self.me} if not await self.leases.gone(one)}
        rival = rival_of(self.me, marked=marked, live=live)
        if rival:
            await self._left(owner, rival)
            return False
        whose = operator_of(owner)
        if whose != self.me and (whose or self.me not in marked):
            await self._mark(owner)
        return True

    async def contender(self, key: ObjectKey) -> str:
        """Return who else watches an object of ours; empty: nobody, as far as is known."""
        owner = self.store.get(key)
        other = contender_of(owner) if owner is not None else ""
        if owner is None or not other:
            return ""
        if other == self.me or await self.leases.gone(other):
            await self.applier.write_contender(owner, "")
            return ""
        return other

    async def _mark(self, owner: Body) -> None:
        status = {**uncontended(owner).get("status", {}), OPERATOR: self.me}
        try:
            await self.applier.write_status(owner, status)
        except (ConflictError, NotLeaderError):
            raise
        except PortError as error:
            # Definitions of an older version refuse a field that they do not know. Traffic goes on.
            log.warning("%s: not marked as ours: %s", key_of(owner), error)

    async def _left(self, owner: Body, rival: str) -> None:
        """Say, once, that an object is left alone."""
        if contender_of(owner) != self.me and await self.applier.write_contender(owner, self.me):
            await self.recorder.tell(owner, rival_note(self.me, rival))
