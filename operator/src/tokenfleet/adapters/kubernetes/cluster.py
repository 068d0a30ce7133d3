"""The Kubernetes API by raw JSON over `kubernetes.aio`: no typed models on the way.

The generated client gives authentication (kubeconfig, projected tokens that it reads again every
minute) and TLS; bodies stay dictionaries. It retries nothing: the queue does.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies

import aiohttp
from kubernetes.aio import client, config

from tokenfleet.adapters.kubernetes.errors import error_of
from tokenfleet.adapters.kubernetes.kubeconfig import must_exist, usable
from tokenfleet.ports import Body, NotFoundError, PortError, RefusedError, Resource

PAGE: Final = 500
"""Objects per page of a LIST; the page size that kubectl uses."""

TIMEOUT: Final = 30.0
"""Seconds for one call. The API server's own limit is 60 s; a visit that waits longer than this
had better fail and be retried."""

HTTP_ERROR: Final = 400

NO_API_SERVER: Final = "what answers there is no API server"

JSON: Final = "application/json"
METADATA_ONLY: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""What every API server knows since 1.15 ("Receiving resources as Tables" and "metadata only")."""

Query = list[tuple[str, str]]


async def connect(kubeconfig: str | None = None, context: str | None = None) -> client.ApiClient:
    """Make a client from a file, or from the pod's service account, else from KUBECONFIG.

    Args:
        kubeconfig: the file; None: see above.
        context: a context of the file, or of KUBECONFIG; None: the current one.

    Raises:
        UnconfiguredError: there is neither, or the file cannot be used.
    """
    configuration = client.Configuration()
    with usable(kubeconfig):
        if kubeconfig is not None or context or not _in_a_pod(configuration):
            must_exist(kubeconfig)
            await config.load_kube_config(kubeconfig, context, client_configuration=configuration)
        configuration.retries = None
        # With it, each request looks for a netrc and for proxies, in other threads: three quarters
        # of its cost. API servers know no netrc.
        configuration.client_session_kwargs = {"trust_env": bool(getproxies())}
        return client.ApiClient(configuration)


def _in_a_pod(configuration: client.Configuration) -> bool:
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException:
        return False
    return True


class KubernetesCluster:
    """Implements `ports.Cluster`."""

    def __init__(
        self,
        api: client.ApiClient,
        resources: Iterable[Resource],
        *,
        namespaces: Sequence[str] = (),
        page: int = PAGE,
    ) -> None:
        """Address `resources`; LIST the whole cluster, or these namespaces only."""
        self._page = page
        self.on_answer: Callable[[str, str, int | None], None] = lambda *_: None
        """Told of each call: method, host, and status (None: there was no answer)."""
        self._api = api
        self._host = urlsplit(str(api.configuration.host)).netloc
        self._resources = {resource.kind: resource for resource in resources}
        self._namespaces = tuple(namespaces)

    async def get(self, resource: Resource, namespace: str, name: str) -> Body | None:
        """Return the object, or None where there is none."""
        try:
            return await self._call("GET", object_path(resource, namespace, name))
        except NotFoundError:
            return None

    async def list(self, resource: Resource, *, label_selector: str = "") -> Sequence[Body]:
        """Return all objects of a kind in the watched namespaces."""
        items: list[Body] = []
        for namespace in self._namespaces or ("",):
            pages = self.pages(resource, namespace=namespace, label_selector=label_selector)
            async for page in pages:
                items.extend(page)
        return items

    async def serves(self, resource: Resource) -> bool:
        """Tell whether the API server knows a kind."""
        try:
            found = await self._call("GET", group_path(resource))
        except NotFoundError:
            return False
        except RefusedError:
            # Discovery is closed to us: the lists will tell.
            return True
        return any(one["name"] == resource.plural for one in found.get("resources", ()))

    async def pages(
        self,
        resource: Resource,
        *,
        namespace: str = "",
        label_selector: str = "",
        metadata_only: bool = False,
    ) -> AsyncIterator[Sequence[Body]]:
        """Yield the objects of a kind, a page at a time."""
        place = f"/namespaces/{namespace}" if namespace else ""
        path = f"{group_path(resource)}{place}/{resource.plural}"
        version = f"{resource.group}/{resource.version}" if resource.group else resource.version
        accept = METADATA_ONLY if metadata_only else JSON
        token = ""
        while True:
            query = [("limit", str(self._page))]
            query += [("labelSelector", label_selector)] if label_selector else []
            query += [("continue", token)] if token else []
            page = await self._call("GET", path, query=query, accept=accept)
            # Items of a list do not say what they are, or that they are partial; everything else
            # here relies on it.
            names = {"apiVersion": version, "kind": resource.kind}
            items = page.pop("items", None)
            if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
                msg = f"GET {path}: {NO_API_SERVER}"
                raise PortError(msg)
            yield [{**item, **names} for item in items]
            token = (page.get("metadata") or {}).get("continue", "")
            if not token:
                return

    async def apply(self, body: Body, *, manager: str) -> Body:
        """Server-side apply with force; return the stored object."""
        return await self._patch(self._path(body), body, manager)

    async def apply_status(self, body: Body, *, manager: str) -> Body:
        """Server-side apply of the status subresource; return the stored object."""
        return await self._patch(f"{self._path(body)}/status", body, manager)

    async def replace(self, body: Body) -> Body:
        """PUT with the body's resourceVersion; create where it has none."""
        query = [("fieldValidation", "Strict")]
        if body["metadata"].get("resourceVersion"):
            return await self._call("PUT", self._path(body), query=query, body=body)
        collection = self._path(body).rpartition("/")[0]
        return await self._call("POST", collection, query=query, body=body)

    async def merge(
        self, resource: Resource, place: tuple[str, str], patch: Body, *, manager: str, dry: bool
    ) -> Body:
        """Merge a patch (RFC 7386) into an object's spec; return what is stored.

        Args:
            resource: the kind.
            place: namespace and name.
            patch: what changes.
            manager: field manager.
            dry: only let the API server judge it.

        Raises:
            ConflictError: the patch names another `resourceVersion` than the object has.
            RefusedError: the object would not be valid, or may not be changed.
        """
        query = [("fieldManager", manager), ("fieldValidation", "Strict")]
        query += [("dryRun", "All")] if dry else []
        path = object_path(resource, *place)
        media = "application/merge-patch+json"
        return await self._call("PATCH", path, query=query, body=patch, media=media)

    async def review(self, resource: Resource, spec: Body) -> Body:
        """Ask a question of the kind that is posted and not stored; return the answer's status."""
        version = f"{resource.group}/{resource.version}"
        body = {"apiVersion": version, "kind": resource.kind, "spec": spec}
        path = f"{group_path(resource)}/{resource.plural}"
        answer = await self._call("POST", path, body=body)
        status: Body = answer.get("status", {})
        return status

    async def delete(self, resource: Resource, namespace: str, name: str, *, uid: str) -> None:
        """Delete exactly this object; one that is gone already is fine."""
        options = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "preconditions": {"uid": uid},
            "propagationPolicy": "Background",
        }
        try:
            await self._call("DELETE", object_path(resource, namespace, name), body=options)
        except NotFoundError:
            return

    async def token(self, namespace: str, account: str, *, audience: str, seconds: int) -> str:
        """Return a new token of a service account.

        Raises:
            PortError: refused, or what came is no token.
        """
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        spec = {"audiences": [audience], "expirationSeconds": seconds}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        answer = await self._call("POST", path, body=body)
        try:
            return str(answer["status"]["token"])
        except (KeyError, TypeError) as error:
            msg = f"POST {path}: the answer holds no token"
            raise PortError(msg) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    def _path(self, body: Body) -> str:
        metadata = body["metadata"]
        resource = self._resources[body["kind"]]
        return object_path(resource, metadata["namespace"], metadata["name"])

    async def _patch(self, path: str, body: Body, manager: str) -> Body:
        query = [("fieldManager", manager), ("force", "true"), ("fieldValidation", "Strict")]
        media = "application/apply-patch+yaml"
        return await self._call("PATCH", path, query=query, body=body, media=media)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Mapping[str, Any] | None = None,
        media: str = JSON,
        accept: str = JSON,
    ) -> dict[str, Any]:
        headers = {"Accept": accept, "Content-Type": media}
        request = await self._api.param_serialize(
            method,
            path,
            query_params=query or [],
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            response = await self._api.call_api(*request, _request_timeout=TIMEOUT)
            data = await response.read()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            self.on_answer(method, self._host, None)
            late = f"no answer within {TIMEOUT:g} s" if isinstance(error, TimeoutError) else ""
            msg = f"{method} {path}: {late or str(error) or type(error).__name__}"
            raise PortError(msg) from error
        self.on_answer(method, self._host, response.status)
        if response.status >= HTTP_ERROR:
            retry_after = response.getheader("Retry-After")
            raise error_of(response.status, _message(method, path, data), retry_after)
        return _object(f"{method} {path}", data)


def group_path(resource: Resource) -> str:
    """Return the path of an API group and version."""
    if resource.group:
        return f"/apis/{resource.group}/{resource.version}"
    return f"/api/{resource.version}"


def object_path(resource: Resource, namespace: str, name: str) -> str:
    """Return the path of one object."""
    place = f"/namespaces/{namespace}" if resource.namespaced else ""
    return f"{group_path(resource)}{place}/{resource.plural}/{name}"


def _object(call: str, data: bytes) -> dict[str, Any]:
    """Return an answer's JSON.

    Raises:
        PortError: it is none, such as the login page of a proxy.
    """
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        msg = f"{call}: {NO_API_SERVER}"
        raise PortError(msg)
    return answer


def _message(method: str, path: str, data: bytes) -> str:
    try:
        text = json.loads(data).get("message", "")
    except (ValueError, AttributeError):
        text = data[:300].decode(errors="replace")
    return f"{method} {path}: {text}"
