"""The middleware keeps headers back until there is a body to send."""

import ast
import asyncio
from importlib import resources
from typing import Any

import pytest

from tokenfleet.domain.pools import engines
from tokenfleet.domain.pools.engines.hold_start import HoldStart

START = {"type": "http.response.start", "status": 200, "headers": []}


def body(content: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": content, "more_body": more}


def sent(*messages: dict[str, Any], scope: str = "http") -> list[list[dict[str, Any]]]:
    """Return, for each message of the application, what reached the server because of it."""
    steps: list[list[dict[str, Any]]] = []

    async def send(message: Any) -> None:
        steps[-1].append(message)

    async def application(_scope: Any, _receive: Any, send_on: Any) -> None:
        for message in messages:
            steps.append([])
            await send_on(message)

    async def receive() -> Any:
        return {}

    asyncio.run(HoldStart(application)({"type": scope}, receive, send))
    return steps


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param([START, body(b"a", more=True), body(b"b")], [[], [START, body(b"a", more=True)], [body(b"b")]], id="a stream starts with its first bytes"),
        pytest.param([START, body(b"", more=True), body(b"a", more=True)], [[], [], [START, body(b"a", more=True)]], id="an empty chunk does not start it"),
        pytest.param([START, body(b"")], [[], [START, body(b"")]], id="an empty answer ends"),
        pytest.param([START, body(b"a")], [[], [START, body(b"a")]], id="a whole answer"),
        pytest.param([START, body(b"a", more=True), body(b"", more=True)], [[], [START, body(b"a", more=True)], [body(b"", more=True)]], id="afterwards everything passes"),
        pytest.param([START, {"type": "http.response.pathsend"}], [[], [START, {"type": "http.response.pathsend"}]], id="an extension that sends a file"),
    ],
)  # fmt: skip
def test_headers_wait_for_bytes(messages: Any, expected: Any) -> None:
    assert expected == sent(*messages)


def test_websockets_pass_untouched() -> None:
    message = {"type": "websocket.accept"}

    assert [[message]] == sent(message, scope="websocket")


def test_nothing_is_sent_for_an_application_that_fails_before_its_first_byte() -> None:
    """The server then answers 500 itself, which a proxy can fail over."""
    reached: list[Any] = []

    async def send(message: Any) -> None:
        reached.append(message)

    async def application(_scope: Any, _receive: Any, send_on: Any) -> None:
        await send_on(START)
        raise RuntimeError

    async def receive() -> Any:
        return {}

    with pytest.raises(RuntimeError):
        asyncio.run(HoldStart(application)({"type": "http"}, receive, send))

    assert reached == []


def test_the_file_needs_nothing_but_the_standard_library() -> None:
    """It runs in containers we do not build."""
    source = resources.files(engines).joinpath("hold_start.py").read_text()
    imported = {
        getattr(node, "module", None) or node.names[0].name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }

    assert imported == {"collections.abc", "typing"}
