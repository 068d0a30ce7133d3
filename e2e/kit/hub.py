"""A hub of models on this machine: the three answers that downloads ask of Hugging Face's.

    GET  /api/models/REPO[/revision/REV]     what files there are, and their sizes
    HEAD /REPO/resolve/REV/FILE              commit, checksum and size
    GET  /REPO/resolve/REV/FILE              the bytes, in parts where a part is asked for

Which headers and fields clients read is what `huggingface_hub` 2.4 looks for.
"""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

COMMIT = "a" * 40


@dataclass
class Hub:
    """Repositories, and what was asked of them."""

    repositories: Mapping[str, Mapping[str, bytes]]
    """Repository -> file -> content."""
    token: str = ""
    """What clients must show; empty: nothing."""
    sizes: bool = True
    """Whether sizes are told."""
    url: str = ""
    fetched: list[str] = field(default_factory=list)
    """Files whose bytes were asked for, in their order."""
    revisions: set[str] = field(default_factory=set)
    """Revisions that files were asked for at."""


def server_of(made: Hub, host: str, port: int) -> ThreadingHTTPServer:
    """Return the server of a hub, which serves when it is told to."""
    return ThreadingHTTPServer((host, port), type("Handler", (_Handler,), {"hub": made}))


@contextmanager
def hub(
    repositories: Mapping[str, Mapping[str, bytes]], *, token: str = "", sizes: bool = True
) -> Iterator[Hub]:
    """Serve repositories until the block ends."""
    made = Hub(repositories, token=token, sizes=sizes)
    server = server_of(made, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, *, body: bool) -> None:
        if self.hub.token and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            return self._send(401, b"{}", {"X-Error-Code": "GatedRepo"}, body=body)
        path = unquote(self.path.partition("?")[0]).strip("/")
        if path.startswith("api/models/"):
            return self._list(path.removeprefix("api/models/").partition("/revision/")[0])
        repository, _, rest = path.partition("/resolve/")
        revision, _, name = rest.partition("/")
        content = self.hub.repositories.get(repository, {}).get(name)
        if content is None:
            return self._send(404, b"{}", {"X-Error-Code": "EntryNotFound"}, body=body)
        self.hub.revisions.add(revision)
        if body:
            self.hub.fetched.append(f"{repository}/{name}")
        checksum = hashlib.sha256(content).hexdigest()
        told = {"X-Repo-Commit": COMMIT, "ETag": f'"{checksum}"', "Accept-Ranges": "bytes"}
        return self._send(200, content, told, body=body)

    def _list(self, repository: str) -> None:
        files = self.hub.repositories.get(repository)
        if files is None:
            return self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"}, body=True)
        siblings = [
            {"rfilename": name, **({"size": len(content)} if self.hub.sizes else {})}
            for name, content in files.items()
        ]
        told = {"id": repository, "modelId": repository, "sha": COMMIT, "siblings": siblings}
        return self._send(
            200, json.dumps(told).encode(), {"Content-Type": "application/json"}, body=True
        )

    def _send(self, status: int, content: bytes, told: Mapping[str, str], *, body: bool) -> None:
        asked = self.headers.get("Range", "")
        if status == 200 and body and asked.startswith("bytes="):
            first = int(asked.removeprefix("bytes=").partition("-")[0])
            told = {**told, "Content-Range": f"bytes {first}-{len(content) - 1}/{len(content)}"}
            status, content = 206, content[first:]
        self.send_response(status)
        for name, value in {**told, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)
