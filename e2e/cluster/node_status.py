"""What the API server says of the node while no kubelet does.

A kubelet that ended, or a node that was started again, leaves its last word behind: "Ready". Who
asks right after it would take that for the state of the one that is still starting.
"""

from __future__ import annotations

from typing import Any, Final

from e2e.cluster import paths
from e2e.cluster.api import Api

_STATUS: Final = f"/api/v1/nodes/{paths.NODE_NAME}/status"


def forget() -> None:
    """Take back that the node is ready, until its kubelet says so (again).

    Does nothing where the API server does not answer or knows no node: there nobody is told anything.
    """
    try:
        api = Api("admin")
        conditions = api.get(_STATUS)["status"].get("conditions", [])
        api.patch(_STATUS, {"status": {"conditions": unknown(conditions)}})
    except OSError:
        return


def unknown(conditions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a node's conditions as the node controller leaves them when a kubelet is silent."""
    silent = {
        "status": "Unknown",
        "reason": "NodeStatusUnknown",
        "message": "the kubelet has not reported since it started",
    }
    return [one | silent if one["type"] == "Ready" else one for one in conditions]
