"""An API server over HTTP with many objects in it, in a process of its own.

    python -m tests.bench.operator_api PORT OWN_NAMESPACES ROUTES FOREIGN ENDPOINTS

It is tests.support.fake_cluster behind the paths that Kopf and the operator use, so that what is
measured is the real process with its watches, its JSON and its store.
"""

import asyncio
import json
import sys
from collections.abc import Iterator
from typing import Any, Final

from aiohttp import web

from tests.bench.operator_fleet import objects
from tests.support.fake_cluster import FakeCluster
from tests.unit.domain.fleet import builders
from tokenfleet.ports import ConflictError, NotFoundError, Resource
from tokenfleet.reconcilers.resources import BY_KIND, LEASES, MONITORS

RESOURCES: Final = [resource for resource in BY_KIND.values() if resource != MONITORS]
VERBS: Final = ["get", "list", "watch", "create", "update", "patch", "delete"]


def foreign(count: int, endpoints: int) -> Iterator[dict[str, Any]]:
    """Services of others and their slices, as large as clusters make them."""
    labels = {"app.kubernetes.io/name": "shop", "app.kubernetes.io/managed-by": "Helm"}
    for number in range(count):
        namespace, name = f"other-{number % 100}", f"shop-{number}"
        service = builders.service(name, ("http", 80), selector={"app": name}, clusterIP="10.1.2.3")
        (pieces,) = builders.slices(name, 0, port="http")
        pieces["endpoints"] = [
            {
                "addresses": [f"10.{number % 250}.{number // 250}.{n}"],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "targetRef": {
                    "kind": "Pod",
                    "name": f"{name}-{n}",
                    "namespace": namespace,
                    "uid": f"3a0b6c1e-0000-4000-8000-{number:06d}{n:06d}",
                },
                "nodeName": f"node-{n}.example",
                "zone": f"zone-{n % 3}",
            }
            for n in range(endpoints)
        ]
        for body in (service, pieces):
            metadata = body["metadata"] | {"namespace": namespace, "uid": f"foreign-{number}"}
            metadata["labels"] = {**labels, **metadata.get("labels", {})}
            metadata["managedFields"] = [
                {
                    "manager": "kube-controller-manager",
                    "fieldsV1": {f"f:{n}": {} for n in range(12)},
                }
            ]
            yield {**body, "metadata": metadata}


def _another_attempt(route: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {**route["spec"], "failover": {"attempts": 2}}}


def _nobody_ready(slices: dict[str, Any]) -> dict[str, Any]:
    return {"endpoints": [{**one, "conditions": {"ready": False}} for one in slices["endpoints"]]}


EDITS: Final = {"ModelRoute": _another_attempt, "EndpointSlice": _nobody_ready}
"""Kind -> what is changed of it: a spec by a user, a pool's last replica by the cluster."""


class Server:
    """Routes of one API server."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster = cluster
        self.requests = 0
        self._watching: list[tuple[str, asyncio.Queue[bytes]]] = []
        cluster.watchers.append(self._tell)

    def application(self) -> web.Application:
        app = web.Application(client_max_size=2**24)
        app.router.add_get("/api", self._core_versions)
        app.router.add_get("/apis", self._groups)
        app.router.add_get("/requests", self._counted)
        app.router.add_post("/edits/{kind}/{count}", self._edit)
        for group, version in sorted({(r.group, r.version) for r in RESOURCES}):
            app.router.add_get(_path(group, version), self._resources(group, version))
        for resource in RESOURCES:
            base = _path(resource.group, resource.version)
            if not resource.namespaced:
                app.router.add_get(f"{base}/{resource.plural}", self._collection(resource))
                continue
            place = f"{base}/namespaces/{{namespace}}/{resource.plural}"
            app.router.add_get(f"{base}/{resource.plural}", self._collection(resource))
            app.router.add_get(place, self._collection(resource))
            app.router.add_post(place, self._write(resource))
            app.router.add_get(f"{place}/{{name}}", self._one(resource))
            for path in (f"{place}/{{name}}", f"{place}/{{name}}/status"):
                app.router.add_patch(path, self._write(resource))
                app.router.add_put(path, self._write(resource))
        return app

    async def _counted(self, _: web.Request) -> web.Response:
        writes = sum(kind != LEASES.kind for _, kind, _ in self.cluster.calls)
        return web.json_response({"requests": self.requests, "writes": writes})

    def _count(self, resource: Resource) -> None:
        """Count a request, but for those that keep a Lease: they never end."""
        self.requests += resource != LEASES

    async def _edit(self, request: web.Request) -> web.Response:
        """Let users and the cluster change objects: one event for each."""
        kind, count = request.match_info["kind"], int(request.match_info["count"])
        own = [
            body
            for (found, namespace, _), body in sorted(self.cluster.objects.items())
            if found == kind and not namespace.startswith("other-")
        ]
        for body in own[:: max(1, len(own) // count)][:count]:
            self.cluster.put({**body, **EDITS[kind](body)})
        return web.json_response({})

    async def _core_versions(self, _: web.Request) -> web.Response:
        return web.json_response({"kind": "APIVersions", "versions": ["v1"]})

    async def _groups(self, _: web.Request) -> web.Response:
        groups = []
        for group, version in sorted({(r.group, r.version) for r in RESOURCES if r.group}):
            one = {"groupVersion": f"{group}/{version}", "version": version}
            groups.append({"name": group, "versions": [one], "preferredVersion": one})
        return web.json_response({"kind": "APIGroupList", "groups": groups})

    def _resources(self, group: str, version: str) -> Any:
        found = [
            {
                "name": resource.plural,
                "singularName": resource.kind.lower(),
                "namespaced": resource.namespaced,
                "kind": resource.kind,
                "verbs": VERBS,
            }
            for resource in RESOURCES
            if (resource.group, resource.version) == (group, version)
        ]

        async def answer(_: web.Request) -> web.Response:
            return web.json_response({"kind": "APIResourceList", "resources": found})

        return answer

    def _collection(self, resource: Resource) -> Any:
        async def answer(request: web.Request) -> web.StreamResponse:
            self._count(resource)
            if request.query.get("watch") == "true":
                return await self._watch(request, resource)
            first, limit = int(request.query.get("continue") or 0), int(request.query["limit"])
            found = self._listed(resource, request)
            page = found[first : first + limit]
            if "PartialObjectMetadataList" in request.headers.get("accept", ""):
                page = [{"metadata": body["metadata"]} for body in page]
            more = str(first + limit) if first + limit < len(found) else ""
            metadata = {"resourceVersion": "90", "continue": more}
            return web.json_response({"kind": "List", "metadata": metadata, "items": page})

        return answer

    def _listed(self, resource: Resource, request: web.Request) -> list[dict[str, Any]]:
        namespace = request.match_info.get("namespace", "")
        wanted = [part.split("=") for part in request.query.get("labelSelector", "").split(",")]
        return [
            body
            for (kind, place, _), body in self.cluster.objects.items()
            if kind == resource.kind and namespace in {"", place} and _has(body, wanted)
        ]

    async def _watch(self, request: web.Request, resource: Resource) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "application/json"})
        await response.prepare(request)
        waiting: asyncio.Queue[bytes] = asyncio.Queue()
        self._watching.append((resource.kind, waiting))
        try:
            while True:
                await response.write(await waiting.get())
        except ConnectionError:
            return response
        finally:
            self._watching.remove((resource.kind, waiting))

    def _tell(self, type_: str, body: dict[str, Any]) -> None:
        listening = [queue for kind, queue in self._watching if kind == body["kind"]]
        if listening:
            line = f"{json.dumps({'type': type_, 'object': body})}\n".encode()
            for queue in listening:
                queue.put_nowait(line)

    def _one(self, resource: Resource) -> Any:
        async def answer(request: web.Request) -> web.Response:
            self._count(resource)
            where = request.match_info["namespace"], request.match_info["name"]
            found = await self.cluster.get(resource, *where)
            return _status(404, "not found") if found is None else web.json_response(found)

        return answer

    def _write(self, resource: Resource) -> Any:
        async def answer(request: web.Request) -> web.Response:
            self._count(resource)
            body = {**await request.json(), "kind": resource.kind}
            body["metadata"].setdefault("namespace", request.match_info["namespace"])
            manager = request.query.get("fieldManager", "")
            try:
                if request.method != "PATCH":
                    stored = await self.cluster.replace(body)
                elif request.path.endswith("/status"):
                    stored = await self.cluster.apply_status(body, manager=manager)
                else:
                    stored = await self.cluster.apply(body, manager=manager)
            except ConflictError as error:
                return _status(409, str(error))
            except NotFoundError as error:
                return _status(404, str(error))
            return web.json_response(stored)

        return answer


def _has(body: dict[str, Any], wanted: list[list[str]]) -> bool:
    labels = body["metadata"].get("labels", {})
    return all(
        name in labels and labels[name] in (value or [labels[name]])
        for name, *value in wanted
        if name
    )


def _path(group: str, version: str) -> str:
    return f"/apis/{group}/{version}" if group else f"/api/{version}"


def _status(code: int, message: str) -> web.Response:
    return web.json_response({"kind": "Status", "code": code, "message": message}, status=code)


def main() -> None:
    port, namespaces, routes, others, endpoints = map(int, sys.argv[1:])
    cluster = FakeCluster()
    # No replicas of routers: their agents are not what is measured here.
    own = objects(namespaces=namespaces, routes=routes, slos_per_route=1, replicas=0)
    for body in (*own, *foreign(others, endpoints)):
        address = (body["kind"], body["metadata"]["namespace"], body["metadata"]["name"])
        cluster.objects[address] = body
    web.run_app(Server(cluster).application(), host="127.0.0.1", port=port, print=None)


if __name__ == "__main__":
    main()
