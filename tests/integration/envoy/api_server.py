"""Three collections of a Kubernetes API, and its keys: enough for list and watch, and for going away."""

import asyncio
import json
from base64 import b64encode
from typing import Any

from aiohttp import web

from tests.support.tokens import published


class ApiServer:
    """Serves ConfigMaps, EndpointSlices and Secrets of one namespace."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, dict[str, Any]]] = {
            "configmaps": {},
            "endpointslices": {},
            "secrets": {},
        }
        self.forbidden: set[str] = set()
        """Collections that nobody may read."""
        self.version = 1
        self.port = 0
        self.lists = 0
        self._watchers: list[tuple[str, asyncio.Queue[dict[str, Any] | None]]] = []
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/openid/v1/jwks", self._keys)
        app.router.add_get("/api/v1/namespaces/{ns}/{kind}", self._collection)
        app.router.add_get("/apis/discovery.k8s.io/v1/namespaces/{ns}/{kind}", self._collection)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]

    async def _keys(self, _: web.Request) -> web.Response:
        return web.json_response(published())

    async def stop(self) -> None:
        for _, queue in self._watchers:
            queue.put_nowait(None)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def put(self, kind: str, name: str, body: dict[str, Any]) -> None:
        self.version += 1
        event = "MODIFIED" if name in self.objects[kind] else "ADDED"
        stored = {
            **body,
            "metadata": {
                **body.get("metadata", {}),
                "name": name,
                "resourceVersion": str(self.version),
            },
        }
        self.objects[kind][name] = stored
        self._tell(kind, {"type": event, "object": stored})

    def delete(self, kind: str, name: str) -> None:
        self.version += 1
        stored = self.objects[kind].pop(name)
        stored["metadata"]["resourceVersion"] = str(self.version)
        self._tell(kind, {"type": "DELETED", "object": stored})

    def secret(self, name: str, **keys: str) -> None:
        data = {key: b64encode(value.encode()).decode() for key, value in keys.items()}
        self.put("secrets", name, {"data": data})

    def config(self, router: str, text: str, memory: str = "{}") -> None:
        self.put("configmaps", f"{router}-config", {"data": {"config": text, "memory": memory}})

    def endpoints(self, service: str, ports: list[int], *, terminating: bool = False) -> None:
        """One slice per replica: on the loopback they differ by port only."""
        wanted = {f"{service}-{port}": port for port in ports}
        for name in [n for n in self.objects["endpointslices"] if n.rpartition("-")[0] == service]:
            if name not in wanted:
                self.delete("endpointslices", name)
        for name, port in wanted.items():
            conditions = {"ready": not terminating, "serving": True, "terminating": terminating}
            self.put("endpointslices", name, {
                "metadata": {"labels": {"kubernetes.io/service-name": service}},
                "addressType": "IPv4",
                "ports": [{"name": "http", "port": port}],
                "endpoints": [{"addresses": ["127.0.0.1"], "conditions": conditions}],
            })  # fmt: skip

    def expire_watches(self) -> None:
        """Answer running watches as etcd does after compaction."""
        gone = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}
        for _, queue in self._watchers:
            queue.put_nowait(gone)

    def _tell(self, kind: str, event: dict[str, Any]) -> None:
        for watched, queue in self._watchers:
            if watched == kind:
                queue.put_nowait(event)

    async def _collection(self, request: web.Request) -> web.StreamResponse:
        kind = request.match_info["kind"]
        if kind in self.forbidden:
            raise web.HTTPForbidden
        if request.query.get("watch") != "true":
            self.lists += 1
            items = list(self.objects[kind].values())
            return web.json_response(
                {"metadata": {"resourceVersion": str(self.version)}, "items": items}
            )
        response = web.StreamResponse()
        await response.prepare(request)
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        watcher = (kind, queue)
        since = int(request.query["resourceVersion"])
        for stored in self.objects[kind].values():
            if int(stored["metadata"]["resourceVersion"]) > since:
                queue.put_nowait({"type": "MODIFIED", "object": stored})
        self._watchers.append(watcher)
        try:
            while (event := await queue.get()) is not None:
                await response.write(json.dumps(event).encode() + b"\n")
        finally:
            self._watchers.remove(watcher)
        return response
