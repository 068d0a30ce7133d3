"""Keeps the node what a cloud's would be: cluster roles, GPUs on offer, volumes for claims.

One small loop that looks and corrects, so that a kubelet that started again (and forgot its GPUs)
or a claim made a moment ago needs no event to be noticed.
"""

from __future__ import annotations

import shutil
import time
import urllib.error
from typing import Any, Final

from e2e.cluster import paths
from e2e.cluster.api import Api
from e2e.cluster.offers import GPU_RESOURCE, GPUS, STORAGE_CLASS
from e2e.cluster.progress import say

LOOK_EVERY: Final = 1.0
"""Seconds; two or three small reads each."""
PROVISIONER: Final = "tokenfleet.dev/host-path"

RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"
BOOTSTRAP: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    (
        "/apis/storage.k8s.io/v1/storageclasses",
        {
            "metadata": {
                "name": STORAGE_CLASS,
                "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
            },
            "provisioner": PROVISIONER,
            "reclaimPolicy": "Delete",
            "volumeBindingMode": "Immediate",
        },
    ),
    (
        f"{RBAC}/clusterroles",
        {
            "metadata": {"name": "tokenfleet:coredns"},
            "rules": [
                {
                    "apiGroups": [""],
                    "resources": ["services", "namespaces", "pods", "endpoints"],
                    "verbs": ["list", "watch", "get"],
                },
                {
                    "apiGroups": ["discovery.k8s.io"],
                    "resources": ["endpointslices"],
                    "verbs": ["list", "watch"],
                },
            ],
        },
    ),
    (
        f"{RBAC}/clusterrolebindings",
        {
            "metadata": {"name": "tokenfleet:coredns"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "tokenfleet:coredns",
            },
            "subjects": [
                {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "User",
                    "name": "tokenfleet:coredns",
                }
            ],
        },
    ),
)


def main() -> None:
    """Look and correct for as long as the node runs."""
    # The node's own administrator: it makes cluster roles and patches the node's status.
    api = Api("admin")
    made = False
    while True:
        try:
            if not made:
                for path, body in BOOTSTRAP:
                    api.create(path, body)
                made = True
            offer_gpus(api)
            provide_volumes(api)
        except (urllib.error.URLError, OSError, TimeoutError) as error:
            say(f"will look again: {error}")
        time.sleep(LOOK_EVERY)


def offer_gpus(api: Api) -> None:
    """Advertise the GPUs when the node does not: the kubelet drops them whenever it starts."""
    node = f"/api/v1/nodes/{paths.NODE_NAME}"
    try:
        offered = api.get(node)["status"].get("capacity", {}).get(GPU_RESOURCE)
    except urllib.error.HTTPError as error:
        if error.code == 404:  # not registered yet
            return
        raise
    if offered != GPUS:
        api.patch(f"{node}/status", {"status": {"capacity": {GPU_RESOURCE: GPUS}}})
        say(f"the node offers {GPUS} {GPU_RESOURCE}")


def provide_volumes(api: Api) -> None:
    """Make a folder and a volume for each claim that waits; remove those that nobody claims."""
    for claim in api.get("/api/v1/persistentvolumeclaims?resourceVersion=0")["items"]:
        waits = claim["status"].get("phase") == "Pending" and not claim["spec"].get("volumeName")
        if waits and claim["spec"].get("storageClassName") == STORAGE_CLASS:
            _provide(api, claim)
    for volume in api.get("/api/v1/persistentvolumes?resourceVersion=0")["items"]:
        ours = volume["spec"].get("storageClassName") == STORAGE_CLASS
        if ours and volume["status"].get("phase") == "Released":
            name = volume["metadata"]["name"]
            shutil.rmtree(paths.VOLUMES / name, ignore_errors=True)
            api.delete(f"/api/v1/persistentvolumes/{name}")


def _provide(api: Api, claim: dict[str, Any]) -> None:
    name = f"pvc-{claim['metadata']['uid']}"
    folder = paths.VOLUMES / name
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)  # pods run under any user id, and host paths know no fsGroup
    api.create(
        "/api/v1/persistentvolumes",
        {
            "metadata": {
                "name": name,
                "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER},
            },
            "spec": {
                "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
                "accessModes": claim["spec"]["accessModes"],
                "persistentVolumeReclaimPolicy": "Delete",
                "storageClassName": STORAGE_CLASS,
                "hostPath": {"path": str(folder), "type": "Directory"},
                "claimRef": {
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "namespace": claim["metadata"]["namespace"],
                    "name": claim["metadata"]["name"],
                    "uid": claim["metadata"]["uid"],
                },
            },
        },
    )


if __name__ == "__main__":
    main()
