"""Objects read from the API server within this process, under the names that kubectl knows.

A story asks several times a second whether something has come about. Each start of kubectl takes a
tenth of a second of processor time; a read over a connection that is open takes a few milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT: Final = 60.0
"""Seconds for one read."""
DISCOVERY: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
"""All kinds of a root in one answer (Kubernetes API, "Aggregated discovery")."""


class ReadError(Exception):
    """The API server refused, did not answer, or has no such kind."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind that the API server serves."""

    root: str
    """Path of its group and version, such as `/apis/apps/v1`."""
    version: str
    """`apiVersion` of its objects."""
    kind: str
    plural: str
    namespaced: bool

    def path(self, namespace: str, name: str = "") -> str:
        """Return the path of the list, or of one object."""
        within = f"/namespaces/{namespace}" if self.namespaced else ""
        return f"{self.root}{within}/{self.plural}" + (f"/{name}" if name else "")


class Objects:
    """Reads as one kubeconfig may."""

    def __init__(self, kubeconfig: Path) -> None:
        # Here and not above: it takes more than a second of processor time, and much of what imports
        # this file never reads.
        from kubernetes.config import new_client_from_config  # noqa: PLC0415

        self._client = new_client_from_config(config_file=str(kubeconfig))
        self._known: dict[str, list[Resource]] = {}

    def get(self, namespace: str, kind: str, name: str, user: str = "") -> dict[str, Any] | None:
        """Return one object as `kubectl get -o json` does, or None where there is none.

        Args:
            user: to be impersonated; empty for the kubeconfig's own.

        Raises:
            ReadError: there is no such kind, or the API server refused or did not answer.
        """
        (resource,) = self._resources(kind)
        found = self._read(resource.path(namespace, name), user)
        return None if found is None else _shown(found, resource)

    def list(
        self, namespace: str, kinds: str, selector: str = "", user: str = ""
    ) -> list[dict[str, Any]]:
        """Return the objects of kinds, as in `pods,services`, or of a category.

        Raises:
            ReadError: as in `get`.
        """
        query = f"?{urlencode({'labelSelector': selector})}" if selector else ""
        found: list[dict[str, Any]] = []
        for resource in self._resources(kinds):
            answer = self._read(f"{resource.path(namespace)}{query}", user)
            if answer is None:
                self._known.clear()
                message = f"the server no longer serves {resource.plural}"
                raise ReadError(message)
            found += [_shown(item, resource) for item in answer["items"]]
        return found

    def _resources(self, kinds: str) -> list[Resource]:
        return [resource for kind in kinds.split(",") for resource in self._resolved(kind.lower())]

    def _resolved(self, kind: str) -> list[Resource]:
        if kind not in self._known:
            self._known = self._discovered()
        if kind not in self._known:
            message = f'the server doesn\'t have a resource type "{kind}"'
            raise ReadError(message)
        return self._known[kind]

    def _discovered(self) -> dict[str, list[Resource]]:
        """Return each name that kubectl would take; where groups share one, the first has it."""
        names: dict[str, list[Resource]] = {}
        for root in ("/api", "/apis"):
            answer = self._read(root, accept=DISCOVERY) or {"items": []}
            for group in answer["items"]:
                name = group["metadata"].get("name", "")
                for resource, described in _served(root, name, group["versions"][0]):
                    for known in _names(resource, described, name):
                        names.setdefault(known, [resource])
                    for category in described.get("categories", ()):
                        names.setdefault(category, []).append(resource)
        return names

    def _read(
        self, path: str, user: str = "", accept: str = "application/json"
    ) -> dict[str, Any] | None:
        import urllib3.exceptions  # noqa: PLC0415  with the client, above

        asked = {"Accept": accept, **({"Impersonate-User": user} if user else {})}
        try:
            method, url, headers, *_ = self._client.param_serialize(
                "GET", path, header_params=asked, auth_settings=["BearerToken"]
            )
            answer = self._client.call_api(method, url, headers, _request_timeout=TIMEOUT)
            body = answer.read()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            message = f"GET {path}: {error}"
            raise ReadError(message) from error
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        if answer.status != HTTPStatus.OK:
            raise ReadError(_words(answer.status, body))
        found: dict[str, Any] = json.loads(body)
        return found


def objects(kubeconfig: Path) -> Objects:
    """Return the one reader of a kubeconfig, with its connections and what it has discovered."""
    return _as_written(kubeconfig, kubeconfig.stat().st_mtime_ns)


@cache
def _as_written(kubeconfig: Path, _written: int) -> Objects:
    # A cluster that was made again has another authority in the same file.
    return Objects(kubeconfig)


def _served(
    root: str, group: str, version: dict[str, Any]
) -> Iterator[tuple[Resource, dict[str, Any]]]:
    name = version["version"]
    within = f"{root}/{group}/{name}" if group else f"{root}/{name}"
    for described in version["resources"]:
        yield (
            Resource(
                root=within,
                version=f"{group}/{name}" if group else name,
                kind=described["responseKind"]["kind"],
                plural=described["resource"],
                namespaced=described["scope"] == "Namespaced",
            ),
            described,
        )


def _names(resource: Resource, described: dict[str, Any], group: str) -> Iterator[str]:
    for name in {
        resource.plural,
        resource.kind.lower(),
        described.get("singularResource", ""),
        *described.get("shortNames", ()),
    } - {""}:
        yield name
        if group:
            yield f"{name}.{group}"


def _words(status: int, body: bytes) -> str:
    """Return what the `Status` of a refusal says, or the answer as it is."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, TypeError, KeyError):
        return f"the server answered {status}: {body[:1000].decode(errors='replace')}"


def _shown(found: dict[str, Any], resource: Resource) -> dict[str, Any]:
    """Return the object with what items of a list lack, without what kubectl does not show."""
    found["metadata"].pop("managedFields", None)
    return {"apiVersion": resource.version, "kind": resource.kind, **found}
