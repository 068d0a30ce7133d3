"""Servers that answer oddly, as an API server or a Prometheus in trouble does."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Final, NamedTuple


class Answer(NamedTuple):
    """One answer to everything."""

    status: int
    media: str
    body: str


def forbidden(resource: str, place: str = 'in the namespace "team-a"') -> Answer:
    """Answer as Kubernetes does where RBAC forbids."""
    text = (
        f'{resource}.tokenfleet.dev is forbidden: User "ann" cannot list resource "{resource}" in'
        f' API group "tokenfleet.dev" {place}'
    )
    return Answer(403, "application/json", json.dumps({"kind": "Status", "message": text}))


EMPTY_LIST: Final = Answer(200, "application/json", '{"metadata": {}, "items": []}')
UNKNOWN_GROUP: Final = Answer(404, "text/plain", "404 page not found\n")
LOGIN_PAGE: Final = Answer(200, "text/html", "<html><body>log in</body></html>")
NO_CREDENTIALS: Final = Answer(
    401, "application/json", '{"kind":"Status","message":"Unauthorized"}'
)
SOMETHING_ELSE: Final = Answer(200, "application/json", '{"ok": true}')
NO_SAMPLES: Final = Answer(
    200, "application/json", '{"status":"success","data":{"resultType":"vector","result":[]}}'
)


@contextmanager
def serving(answers: Mapping[str, Answer]) -> Iterator[str]:
    """Answer by what the path ends with, the most exact first; `` is everything else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            known = sorted(filter(path.endswith, answers), key=len)
            status, media, body = answers[known[-1]]
            self.send_response(status)
            self.send_header("content-type", media)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def kubeconfig(server: str, folder: Path) -> str:
    """Write a kubeconfig of it; return its path."""
    file = folder / "kubeconfig"
    body = {
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "team-a"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }  # fmt: skip
    file.write_text(json.dumps(body))
    return str(file)
