"""Reads a stream of server-sent events as an OpenAI server writes it (HTML standard, section 9.2)."""

import json


class StreamReader:
    """Takes the body in pieces of any size; says how many tokens came and whether it ended well."""

    def __init__(self) -> None:
        self.finished = False
        """True once `data: [DONE]` was read: without it the stream broke off."""
        self.error = ""
        """Message of an error that was sent inside the stream."""
        self._pieces = 0
        self._usage: int | None = None
        self._rest = b""

    @property
    def tokens(self) -> int:
        """Completion tokens: from `usage` where the server sent it, else the pieces of text."""
        return self._pieces if self._usage is None else self._usage

    def feed(self, data: bytes) -> None:
        """Take the next piece of the body."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                self._event(line.removeprefix(b"data:").strip())

    def _event(self, data: bytes) -> None:
        if data == b"[DONE]":
            self.finished = True
            return
        try:
            event = json.loads(data)
        except ValueError:
            self.error = "an event is not JSON"
            return
        if "error" in event:
            self.error = str(event["error"])[:200]
        if event.get("usage"):
            self._usage = int(event["usage"].get("completion_tokens", 0))
        for choice in event.get("choices") or ():
            if (choice.get("delta") or {}).get("content") or choice.get("text"):
                self._pieces += 1
