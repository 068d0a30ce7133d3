"""Who sends a token, and whether they may read the fleet: the API server's own reviews.

TokenReview (authentication.k8s.io/v1) says who it is, SubjectAccessReview (authorization.k8s.io/v1)
whether they may list ModelRoutes where this operator looks. Answers are kept for a short while, by
the token's digest, so that a page that asks every few seconds is judged once a minute.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from tokenfleet.adapters.kubernetes.cluster import KubernetesCluster
from tokenfleet.api.conventions import GROUP
from tokenfleet.api.v1alpha1.modelroute import MODEL_ROUTE
from tokenfleet.ports import Clock, Reader, Resource

KEPT: Final = timedelta(minutes=1)
REMEMBERED: Final = 256
"""Tokens whose answers are kept; the oldest go first."""
LONGEST: Final = 16_384
"""Bytes of a token that is asked about at all."""

TOKENS: Final = Resource(
    group="authentication.k8s.io", version="v1", plural="tokenreviews", kind="TokenReview"
)
ACCESS: Final = Resource(
    group="authorization.k8s.io",
    version="v1",
    plural="subjectaccessreviews",
    kind="SubjectAccessReview",
)


class Reviews:
    """Implements `ports.Readers`."""

    def __init__(self, cluster: KubernetesCluster, clock: Clock, namespaces: Sequence[str]) -> None:
        """Ask `cluster`; readers must be able to read all `namespaces` (none: the cluster)."""
        self._cluster, self._clock = cluster, clock
        self._namespaces = tuple(namespaces) or ("",)
        self._known: OrderedDict[bytes, tuple[datetime, Reader]] = OrderedDict()

    async def reader(self, token: str) -> Reader:
        """Judge a token.

        Raises:
            PortError: the API server does not answer, or the operator may not ask.
        """
        if not token or len(token) > LONGEST:
            return Reader.UNKNOWN
        name, now = hashlib.sha256(token.encode()).digest(), self._clock.now()
        known = self._known.get(name)
        if known is not None and now - known[0] < KEPT:
            return known[1]
        found = await self._judged(token)
        self._known[name] = (now, found)
        self._known.move_to_end(name)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found

    async def _judged(self, token: str) -> Reader:
        status = await self._cluster.review(TOKENS, {"token": token})
        if not status.get("authenticated"):
            return Reader.UNKNOWN
        user = _subject(status.get("user", {}))
        for namespace in self._namespaces:
            what = {
                "group": GROUP,
                "resource": MODEL_ROUTE.plural,
                "verb": "list",
                "namespace": namespace,
            }
            asked = {**user, "resourceAttributes": what}
            if not (await self._cluster.review(ACCESS, asked)).get("allowed"):
                return Reader.REFUSED
        return Reader.ALLOWED


def _subject(user: Mapping[str, Any]) -> dict[str, Any]:
    """Return a TokenReview's user as a SubjectAccessReview names them."""
    found = {
        "user": user.get("username", ""),
        "uid": user.get("uid", ""),
        "groups": user.get("groups", []),
        "extra": user.get("extra", {}),
    }
    return {name: value for name, value in found.items() if value}
