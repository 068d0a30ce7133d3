"""Leaving without dropping a stream: what runs before Envoy is told to stop."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, TypeVar

from tokenfleet.agent.envoy import Admin, AdminError, EnvoyGoneError

logger = logging.getLogger(__name__)

T = TypeVar("T")

NOTICE_SECONDS: Final = 5.0
"""For how long new connections are still served at least: kube-proxy and clients learn from the
EndpointSlice that this pod is leaving, and that takes them a moment."""
STEP_SECONDS: Final = 0.5


async def drain(admin: Admin, timeout: timedelta) -> None:  # noqa: ASYNC109  # a whole procedure
    """Wait until Envoy says that no request is under way, or is gone; for `timeout` at most.

    An Envoy that is too busy to answer says neither.
    """
    try:
        async with asyncio.timeout(timeout.total_seconds()):
            await _answer(admin.drain)
            await asyncio.sleep(NOTICE_SECONDS)
            while await _answer(admin.active_requests) > 0:  # noqa: ASYNC110  Envoy is asked
                await asyncio.sleep(STEP_SECONDS)
    except TimeoutError:
        logger.warning("requests may still be under way after %s", timeout)
    except EnvoyGoneError as error:
        logger.warning("envoy is gone already: %s", error)


async def _answer(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask Envoy until it answers.

    Raises:
        EnvoyGoneError: there is none.
    """
    while True:
        try:
            return await ask()
        except EnvoyGoneError:
            raise
        except AdminError as error:
            logger.warning("envoy does not answer, asking again: %s", error)
        await asyncio.sleep(STEP_SECONDS)
