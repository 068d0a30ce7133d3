"""The security context of a pod, by the restricted Pod Security Standard."""

from typing import Any, Final

USER_ID: Final = 65532
"""Of nobody's, on every base image; files that a pod writes to a claim belong to this group."""


def pod_security(*, fixed_ids: bool, **more: Any) -> dict[str, Any]:
    """Return a pod's `securityContext`.

    Args:
        fixed_ids: False leaves user and groups to the cluster: OpenShift gives each namespace a
            range, and refuses any other number.
        more: further fields, which stand before the last one.
    """
    ids = {"runAsUser": USER_ID, "runAsGroup": USER_ID, "fsGroup": USER_ID} if fixed_ids else {}
    return {"runAsNonRoot": True, **ids, **more, "seccompProfile": {"type": "RuntimeDefault"}}
