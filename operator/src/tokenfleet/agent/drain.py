"""Leaving without dropping a stream: what runs before Envoy is told to stop."""

import asyncio
import logging
from datetime import timedelta
from typing import Final

from tokenfleet.agent.envoy import Admin, AdminError

logger = logging.getLogger(__name__)

NOTICE_SECONDS: Final = 5.0
"""For how long new connections are still served at least: kube-proxy and clients learn from the
EndpointSlice that this pod is leaving, and that takes them a moment."""
STEP_SECONDS: Final = 0.5


async def drain(admin: Admin, timeout: timedelta) -> None:  # noqa: ASYNC109  # a whole procedure
    """Wait until no request is under way, for `timeout` at most."""
    try:
        await admin.drain()
        waited = 0.0
        while waited < timeout.total_seconds():
            if waited >= NOTICE_SECONDS and await admin.active_requests() == 0:
                return
            await asyncio.sleep(STEP_SECONDS)
            waited += STEP_SECONDS
        logger.warning("requests are still under way after %s", timeout)
    except AdminError as error:
        logger.warning("envoy is gone already: %s", error)
