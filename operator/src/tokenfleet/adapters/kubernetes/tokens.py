"""Tokens of the operator's own service account, each for the agents of one router."""

import time
from collections.abc import Callable
from typing import Final

from tokenfleet.adapters.kubernetes.cluster import KubernetesCluster

LIFETIME: Final = 600
"""Seconds; the shortest that the API server grants."""

RENEWED: Final = 300
"""Seconds after which another one is asked for. Visits that begin with an old one are over long
before it ends."""


class AgentTokens:
    """Asks for tokens, and keeps each for half of its life."""

    def __init__(
        self,
        cluster: KubernetesCluster,
        account: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask for tokens of `account`, as `system:serviceaccount:NAMESPACE:NAME`."""
        _, _, self._namespace, self._name = account.split(":")
        self._cluster, self._monotonic = cluster, monotonic
        self._known: dict[str, tuple[str, float]] = {}

    async def __call__(self, audience: str) -> str:
        """Return a token for an audience.

        Raises:
            PortError: the API server gives none.
        """
        now = self._monotonic()
        self._known = {a: one for a, one in self._known.items() if now - one[1] < RENEWED}
        if audience not in self._known:
            token = await self._cluster.token(
                self._namespace, self._name, audience=audience, seconds=LIFETIME
            )
            self._known[audience] = token, now
        return self._known[audience][0]
