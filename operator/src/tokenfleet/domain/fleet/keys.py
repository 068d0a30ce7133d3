"""Names of objects: the key that the store, the queue and the planners share."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tokenfleet.api.v1alpha1.modelroute import MODEL_ROUTE
from tokenfleet.api.v1alpha1.modelrouter import MODEL_ROUTER
from tokenfleet.api.v1alpha1.servingpool import SERVING_POOL
from tokenfleet.api.v1alpha1.tokenslo import TOKEN_SLO

POOL = SERVING_POOL.kind
ROUTER = MODEL_ROUTER.kind
ROUTE = MODEL_ROUTE.kind
SLO = TOKEN_SLO.kind
NAMESPACE = "Namespace"
INFERENCE_POOL = "InferencePool"
VISITED = (POOL, ROUTER, ROUTE, SLO)
"""Kinds that are visited; every other kind is seen only for their sake."""


class ObjectKey(NamedTuple):
    """One object of the fleet, by kind, namespace and name."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """Write the key as people do: `ServingPool team-a/chat`."""
        return f"{self.kind} {self.namespace}/{self.name}"


def key_of(body: Mapping[str, Any]) -> ObjectKey:
    """Return the key of an object's JSON."""
    metadata = body["metadata"]
    return ObjectKey(body["kind"], metadata.get("namespace", ""), metadata["name"])


def controller_of(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the controlling owner reference, or None."""
    owners = body["metadata"].get("ownerReferences", ())
    return next((owner for owner in owners if owner.get("controller")), None)
