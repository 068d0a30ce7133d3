"""A few plain calls to the API server, over one connection, with the standard library alone."""

from __future__ import annotations

import http.client
import io
import json
import ssl
import urllib.error
from typing import Any, Final

from e2e.cluster import paths, pki_files

CONFLICT: Final = 409
NOT_FOUND: Final = 404
FIRST_ERROR: Final = 400


class Api:
    """The API server, spoken to with one client certificate."""

    def __init__(self, user: str) -> None:
        self._context = ssl.create_default_context(cafile=str(pki_files.certificate("ca")))
        self._context.load_cert_chain(pki_files.certificate(user), pki_files.key(user))
        self._open: http.client.HTTPSConnection | None = None

    def get(self, path: str) -> dict[str, Any]:
        """Return the object or list at `path`."""
        return self._call("GET", path)

    def create(self, path: str, body: dict[str, Any]) -> None:
        """Create an object; one that exists already is left as it is."""
        try:
            self._call("POST", path, body)
        except urllib.error.HTTPError as error:
            if error.code != CONFLICT:
                raise

    def patch(self, path: str, body: dict[str, Any]) -> None:
        """Merge `body` into the object at `path`."""
        self._call("PATCH", path, body, "application/merge-patch+json")

    def delete(self, path: str) -> None:
        """Delete the object at `path`; one that is gone already is fine."""
        try:
            self._call("DELETE", path)
        except urllib.error.HTTPError as error:
            if error.code != NOT_FOUND:
                raise

    def _call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        sent = None if body is None else json.dumps(body)
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        connection, self._open = self._open or self._connection(), None
        try:
            connection.request(method, path, sent, headers)
            response = connection.getresponse()
            answer = response.read()
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        self._open = connection  # not one that failed: the server may have started again
        if response.status >= FIRST_ERROR:
            raise urllib.error.HTTPError(
                f"{paths.API_URL}{path}", response.status, response.reason, response.headers,
                io.BytesIO(answer),
            )  # fmt: skip
        found: dict[str, Any] = json.loads(answer)
        return found

    def _connection(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(
            paths.NODE_ADDRESS, paths.API_PORT, timeout=10, context=self._context
        )
