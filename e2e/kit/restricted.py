"""What the Pod Security standard `restricted` asks of the pods of stories."""

from typing import Any

USER = 65532
CONTAINER: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
"""`securityContext` of a container."""
POD: dict[str, Any] = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""`securityContext` of a pod."""
OWNER = {**POD, "fsGroup": USER}
"""The same for a pod that writes to a claim, or reads files that others may not."""
