"""The Kubernetes API on loopback, by `kubectl proxy`: cheap to poll, whatever the authentication."""

import os
import subprocess
from types import TracebackType
from typing import Any, Self

import httpx

from e2e.kit.kubectl import Cluster


class ApiProxy:
    """Reads objects over one connection; a context manager."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [self._cluster.kubectl, "proxy", "--port=0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **self._cluster.environment},
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()  # "Starting to serve on 127.0.0.1:41234"
        if not line:
            message = "`kubectl proxy` did not start"
            raise RuntimeError(message)
        self._client = httpx.Client(base_url=f"http://{line.split()[-1]}", timeout=60.0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()
        self._process.terminate()
        self._process.wait(timeout=60)

    def get(self, path: str) -> dict[str, Any] | None:
        """Return the JSON at an API path; None where there is nothing.

        Raises:
            httpx.HTTPError: the API server did not answer, or refused.
        """
        answer = self._client.get(path)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        answer.raise_for_status()
        return answer.json()

    def send(
        self,
        path: str,
        body: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request on to a pod or a Service: POST with a body, GET without; any status."""
        if body is None:
            return self._client.get(path, headers=headers)
        return self._client.post(path, json=body, headers=headers)

    def url(self, path: str) -> str:
        """Return the address of an API path, for programs of their own."""
        return str(self._client.base_url.join(path))

    def patch(self, path: str, change: dict[str, Any]) -> None:
        """Apply a JSON merge patch to an object.

        Raises:
            httpx.HTTPError: the API server did not answer, or refused.
        """
        merge = {"content-type": "application/merge-patch+json"}
        self._client.patch(path, json=change, headers=merge).raise_for_status()
