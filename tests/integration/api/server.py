"""The API server as these tests use it: one object in, the stored object or the refusal out."""

import json
from pathlib import Path
from typing import Any

import httpx
import yaml

from e2e.kit import repository
from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.proxy import ApiProxy
from e2e.kit.waiting import wait_served
from tokenfleet.api.conventions import API_VERSION
from tokenfleet.api.v1alpha1.kinds import KINDS

PLURALS = {kind.kind: kind.plural for kind, _ in KINDS}
CRDS = tuple(sorted((repository() / "crds").glob("tokenfleet.dev_*.yaml")))

# As `helm install tokenfleet` writes them: a later release in the same cluster can then take the
# CRDs over, as it does those of a release before it.
_OWNERSHIP = {
    "labels": {"app.kubernetes.io/managed-by": "Helm"},
    "annotations": {
        "meta.helm.sh/release-name": "tokenfleet",
        "meta.helm.sh/release-namespace": "tokenfleet-system",
    },
}


class ApiServer(ApiProxy):
    """Creates and changes custom resources; by default as a dry run, which stores nothing."""

    def __init__(self, namespace: Namespace) -> None:
        super().__init__(namespace.cluster)
        self.namespace = namespace

    def create(self, body: dict[str, Any], *, dry_run: bool = True) -> httpx.Response:
        """POST an object with strict field validation."""
        return self._client.post(
            self._path(body), json=self._complete(body), params=_query(dry_run=dry_run)
        )

    def change(
        self,
        body: dict[str, Any],
        patch: dict[str, Any],
        *,
        subresource: str = "",
        dry_run: bool = True,
    ) -> httpx.Response:
        """Apply a merge patch to the stored object, or to its `/status`."""
        return self._client.patch(
            f"{self._path(body)}/{body['metadata']['name']}{subresource}",
            content=json.dumps(patch),
            headers={"Content-Type": "application/merge-patch+json"},
            params=_query(dry_run=dry_run),
        )

    def delete(self, body: dict[str, Any]) -> None:
        """Delete an object; one that is gone is fine."""
        self._client.delete(f"{self._path(body)}/{body['metadata']['name']}")

    def _complete(self, body: dict[str, Any]) -> dict[str, Any]:
        metadata = {"namespace": self.namespace.name, **body["metadata"]}
        return {"apiVersion": API_VERSION, **body, "metadata": metadata}

    def _path(self, body: dict[str, Any]) -> str:
        version = body.get("apiVersion", API_VERSION)
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        kind = body["kind"]
        return f"{root}/namespaces/{self.namespace.name}/{PLURALS.get(kind, f'{kind.lower()}s')}"


def definitions() -> dict[str, dict[str, Any]]:
    """Return the schemas of the generated CRDs, by kind."""
    found = {}
    for path in CRDS:
        crd = yaml.safe_load(path.read_text(encoding="utf-8"))
        version = crd["spec"]["versions"][0]
        found[crd["spec"]["names"]["kind"]] = version["schema"]["openAPIV3Schema"]
    return found


def install_crds(cluster: Cluster, folder: Path | None = None) -> None:
    """Apply the generated CRDs and wait until the API server serves them."""
    documents = []
    for path in CRDS if folder is None else sorted(folder.glob("*.yaml")):
        crd = yaml.safe_load(path.read_text(encoding="utf-8"))
        crd["metadata"] |= _OWNERSHIP
        documents.append(crd)
    kubectl = cluster.namespace("default")
    how = ("--server-side", "--field-manager=helm", "--force-conflicts")
    kubectl.run("apply", *how, "-f", "-", stdin=yaml.safe_dump_all(documents))
    wait_served(kubectl, *(crd["metadata"]["name"] for crd in documents))


def _query(*, dry_run: bool) -> dict[str, str]:
    return {"fieldValidation": "Strict", **({"dryRun": "All"} if dry_run else {})}
