"""The Kubernetes API over `kubernetes.aio`."""

from tokenfleet.adapters.kubernetes.cluster import KubernetesCluster, connect

__all__ = ["KubernetesCluster", "connect"]
