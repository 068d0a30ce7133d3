"""ASGI middleware for engines: a response starts with its first bytes, not before.

A streaming server sends its response headers as soon as it has accepted a request. A proxy in front
can try another server only until headers have arrived: from then on a first token that never comes
cannot be failed over. This middleware keeps the headers back until there is a body to send, so that
waiting for the headers means waiting for the first token.

The operator mounts this file into engine containers; it runs there on whatever Python the image
has, so it uses nothing but the language. Its name and the name of its class are part of every pod
template: renaming either restarts every pool. See
https://asgi.readthedocs.io/en/latest/specs/www.html for the messages.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


class HoldStart:
    """Holds `http.response.start` until the first body bytes, or the end of an empty body."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection; everything but HTTP passes untouched."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        held: list[Message] = []

        async def release(message: Message) -> None:
            if message["type"] == "http.response.start":
                held.append(message)
                return
            empty = not message.get("body") and message.get("more_body", False)
            if held and message["type"] == "http.response.body" and empty:
                return  # nothing to send yet, more to come
            while held:
                await send(held.pop())
            await send(message)

        await self.app(scope, receive, release)
