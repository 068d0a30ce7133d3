"""What the cluster is like, as far as the objects that run a fleet depend on it."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Facts that hold for the whole installation."""

    pod_monitors: bool = False
    """Whether the cluster serves PodMonitor."""
    inference_pools: bool = False
    """Whether the cluster serves InferencePool."""
    leader_worker_sets: bool = False
    """Whether the cluster serves LeaderWorkerSet."""
    fixed_ids: bool = True
    """Whether pods name their user and group; False leaves both to the cluster, as OpenShift
    asks."""
    operator_namespace: str = ""
    """Namespace of the operator's pods; empty where it runs outside the cluster."""
    operator_account: str = ""
    """Its service account, as `system:serviceaccount:NAMESPACE:NAME`; empty where it has none."""


PLAIN: Final = Platform()
"""A cluster without extras."""
