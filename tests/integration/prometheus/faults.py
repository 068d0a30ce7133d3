"""A proxy in front of a real Prometheus, and what can go wrong between it and the operator."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode

HANG = 3.0
"""Seconds; longer than a client of these tests waits."""


@dataclass(frozen=True)
class Answer:
    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    """Close the connection half way through the body."""


Forward = Callable[[dict[str, str]], Answer]
"""Asks the real Prometheus with the parameters of a query."""
Fault = Callable[[dict[str, str], Forward], Answer]


class Proxy:
    """Answers with `fault`, which may ask the Prometheus at `upstream` itself."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.fault: Fault = healthy
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = parse_qs(self.path.partition("?")[2])
                asked = {name: values[0] for name, values in query.items()}
                answer = proxy.fault(asked, proxy.forward)
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(answer.body)))
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                half = len(answer.body) // 2
                self.wfile.write(answer.body[:half] if answer.cut else answer.body)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """Stay quiet about clients that have given up."""

        self.handler, self.factory = Handler, Server
        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self._serve()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def open(self) -> None:
        """Listen again, on the same port."""
        self.server = self.factory(("127.0.0.1", self.port), self.handler)
        self._serve()

    def forward(self, asked: dict[str, str]) -> Answer:
        try:
            url = f"{self.upstream}/api/v1/query?{urlencode(asked)}"
            with urllib.request.urlopen(url, timeout=60) as answer:
                return Answer(answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.read(), error.code)

    def _serve(self) -> None:
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


def healthy(asked: dict[str, str], forward: Forward) -> Answer:
    return forward(asked)


def hangs(_: dict[str, str], __: Forward) -> Answer:
    time.sleep(HANG)
    return Answer(b"")


def cut(asked: dict[str, str], forward: Forward) -> Answer:
    return Answer(forward(asked).body, cut=True)


def answers(status: int, text: str = "", **headers: str) -> Fault:
    return lambda _, __: Answer(text.encode(), status, headers)


def adds(**more: list[str]) -> Fault:
    """Say more beside the result, as Thanos and Mimir do."""

    def fault(asked: dict[str, str], forward: Forward) -> Answer:
        return Answer(json.dumps(json.loads(forward(asked).body) | more).encode())

    return fault


def empty(_: dict[str, str], __: Forward) -> Answer:
    return Answer(json.dumps(_vector([])).encode())


def fails_for(word: str) -> Fault:
    """Fail those queries only that hold a word."""

    def fault(asked: dict[str, str], forward: Forward) -> Answer:
        return Answer(b"shard is down", 500) if word in asked["query"] else forward(asked)

    return fault


def frozen() -> Fault:
    """Give every query its first answer again: a cache that is never renewed."""
    answered: dict[str, Answer] = {}

    def fault(asked: dict[str, str], forward: Forward) -> Answer:
        query = asked["query"]
        if query not in answered:
            answered[query] = forward(asked)
        return answered[query]

    return fault


def skewed(seconds: float) -> Fault:
    """Give answers as a store whose clock is ahead by so much, or behind where negative."""

    def fault(asked: dict[str, str], forward: Forward) -> Answer:
        moved = {**asked, "time": f"{float(asked['time']) - seconds:.3f}"}
        rows: list[Any] = json.loads(forward(moved).body)["data"]["result"]
        for row in rows:
            at, value = row["value"]
            time_of = "timestamp(" in asked["query"]
            shifted = str(float(value) + seconds) if time_of else value
            row["value"] = [at + seconds, shifted]
        return Answer(json.dumps(_vector(rows)).encode())

    return fault


def _vector(rows: list[Any]) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": "vector", "result": rows}}
