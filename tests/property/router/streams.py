"""Streamed answers for the readers, and what they have to say of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, Final

from tests.property.router import reference
from tests.property.router.reference import ABSENT, Pairs

Event = tuple[str, str]
"""Its name, empty for none, and its data."""

WORDS: Final = ("a", " word", "é", '"', '\\"finish_reason":"stop"', "\n\n", "漢😀", "data: {}", "")
ERRORS: Final = (
    {"error": {"message": "m", "type": "rate_limit_error", "code": 429}},
    {"error": "boom"},
    {"type": "error", "error": {"type": "overloaded_error", "message": "m"}},
    {"type": "response.failed", "response": {"error": {"code": "server_error"}}},
    {"object": "error", "message": "m", "code": 400},
    {"detail": "Not Found"},
)
NO_ERRORS: Final = ({"error": None}, {"error": {}}, {"x": {"error": "m"}}, {})
GIVEN_UP: Final = (
    "abort", "error", "cancelled", "timeout", "insufficient_system_resource", "network_error",
)  # fmt: skip
NO_JSON: Final = ("no json", "{", '{"choices":[', "[]", '{"a":NaN,"b":1', "\ud800", "DONE")


class Streams:
    """A source of streams; equal seeds give equal streams."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def body(self) -> bytes:
        """A stream of one of the APIs, most of them whole."""
        random = self._random
        events = list(random.choice((self._chat, self._responses, self._messages))())
        if random.random() < 0.2:
            self._insert(events, ("", json.dumps(random.choice(ERRORS))))
        if random.random() < 0.1:
            self._insert(events, ("", json.dumps(random.choice(NO_ERRORS))))
        if random.random() < 0.1:
            self._insert(events, (random.choice(("", "error")), random.choice(NO_JSON)))
        if random.random() < 0.2:
            del events[random.randrange(len(events) + 1) :]
        end = random.choice((b"\n", b"\n", b"\n", b"\r\n", b"\r"))
        text = b"\xef\xbb\xbf" if random.random() < 0.05 else b""
        text += b"".join(self._written(event, end) for event in events)
        return text[: random.randrange(len(text) + 1)] if random.random() < 0.1 else text

    def _insert(self, events: list[Event], event: Event) -> None:
        events.insert(self._random.randrange(len(events) + 1), event)

    def _written(self, event: Event, end: bytes) -> bytes:
        random = self._random
        name, data = event
        lines = []
        if random.random() < 0.05:
            lines.append(
                random.choice((b": ping", b":", b"id: 7", b"retry: 1", b"data", b"x", b"event:x"))
            )
        if name:
            lines.append((b"event: " if random.random() < 0.9 else b"event:") + name.encode())
        field = b"data: " if random.random() < 0.8 else b"data:"
        raw = data.encode("utf-8", "surrogatepass")
        if random.random() < 0.1:
            raw = raw.replace(b'{"', b'{\n"').replace(b"]}", b"]\n}")
        lines += [field + line for line in raw.split(b"\n")]
        if random.random() < 0.02:
            lines.append(random.choice((b"", b": keep-alive\n")))
        return end.join([*lines, b"", b""])

    def _dumps(self, event: dict[str, Any]) -> str:
        random = self._random
        separators = (",", ":") if random.random() < 0.7 else None
        return json.dumps(event, separators=separators, ensure_ascii=random.random() < 0.5)

    def _tokens(self) -> Sequence[str]:
        return self._random.choices(WORDS, k=self._random.choice((0, 1, 2, 4)))

    def _chat(self) -> Iterator[Event]:
        random = self._random
        completions = random.random() < 0.2
        choices = random.choice((1, 1, 1, 2, 3))

        def chunk(index: int, finish: str | None = None, **delta: Any) -> Event:
            choice: dict[str, Any] = {"index": index}
            choice |= {"text": delta.get("content", "")} if completions else {"delta": delta}
            if finish or random.random() < 0.8:
                choice["finish_reason"] = finish
            event = {"id": "c-1", "object": "chunk", "model": "m", "choices": [choice]}
            if random.random() < 0.2:
                event["usage"] = random.choice((None, self._usage("prompt", "completion")))
            return "", self._dumps(event)

        for index in range(choices):
            if random.random() < 0.8:
                yield chunk(index, role="assistant", content="")
        for word in self._tokens():
            name = random.choice(("content", "content", "content", "reasoning", "refusal"))
            yield chunk(random.randrange(choices), **{name: word})
        if random.random() < 0.2:
            calls = [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]
            yield chunk(0, tool_calls=random.choice(([], calls)))
        for index in range(choices):
            if random.random() < 0.95:
                yield chunk(index, random.choice(("stop", "stop", "length", *GIVEN_UP)))
        if random.random() < 0.7:
            usage = random.choice((None, *[self._usage("prompt", "completion")] * 5))
            yield "", self._dumps({"choices": [], "usage": usage})
        if random.random() < 0.9:
            yield "", "[DONE]"

    def _usage(self, given: str, made: str) -> dict[str, Any]:
        random = self._random
        usage: dict[str, Any] = {f"{given}_tokens": random.randrange(1000)}
        if random.random() < 0.95:
            usage[f"{made}_tokens"] = random.choice((random.randrange(1000), None, 1, "1", 1.5))
        if random.random() < 0.3:
            usage["total_tokens"] = random.randrange(2000)
        if random.random() < 0.3:
            details = random.choice((None, {}, {"cached_tokens": random.randrange(1000)}))
            usage[f"{given}_tokens_details"] = details
        return usage

    def _typed(self, event: dict[str, Any]) -> Event:
        return event["type"] if self._random.random() < 0.9 else "", self._dumps(event)

    def _responses(self) -> Iterator[Event]:
        random = self._random
        yield self._typed({"type": "response.created", "response": {"usage": None, "error": None}})
        yield self._typed({"type": "response.output_item.added", "item": {"type": "message"}})
        for word in self._tokens():
            kind = random.choice(("output_text", "reasoning_text", "function_call_arguments"))
            yield self._typed({"type": f"response.{kind}.delta", "delta": word, "logprobs": []})
        yield self._typed({"type": "response.output_text.done", "text": "a"})
        end = random.choice(("completed", "completed", "incomplete", "failed", "cancelled"))
        status = random.choice((end, end, end, "failed", "cancelled"))
        response = {"status": status, "usage": self._usage("input", "output"), "error": None}
        yield self._typed({"type": f"response.{end}", "response": response})

    def _messages(self) -> Iterator[Event]:
        random = self._random
        usage = self._usage("input", "output")
        for name in ("cache_read_input_tokens", "cache_creation_input_tokens"):
            if random.random() < 0.4:
                usage[name] = random.choice((None, random.randrange(1000)))
        message = {"content": [], "usage": usage}
        yield self._typed({"type": "message_start", "message": message})
        yield self._typed({"type": "ping"})
        block = random.choice(("text", "thinking", "tool_use"))
        yield self._typed({"type": "content_block_start", "content_block": {"type": block}})
        for word in self._tokens():
            delta = random.choice(({"text": word}, {"thinking": word}, {"partial_json": word}))
            yield self._typed({"type": "content_block_delta", "delta": {"type": "x", **delta}})
        yield self._typed({"type": "content_block_stop", "index": 0})
        delta = {"stop_reason": "end_turn", "stop_sequence": random.choice((None, "x"))}
        usage = {"output_tokens": random.randrange(1000)}
        yield self._typed({"type": "message_delta", "delta": delta, "usage": usage})
        if random.random() < 0.9:
            yield self._typed({"type": "message_stop"})


COMPLETE: Final = (
    "response.completed",
    "response.incomplete",
    "message_stop",
    "transcript.text.done",
)


class _State:
    """What the events of a stream said so far."""

    def __init__(self) -> None:
        self.failed = self.aborted = self.complete = self.done = False
        self.present: set[int] = set()
        self.finished: set[int] = set()
        self.outputs = 0
        self.usage: dict[str, Any] = {}

    def ending(self) -> str:
        if self.failed:
            return "Failed"
        if self.aborted:
            return "Aborted"
        finished = self.present and self.present == self.finished
        return "Complete" if self.complete or finished else "Cut"

    def counts(self) -> reference.Counts | None:
        if not self.usage:
            return None
        nested: dict[str, Pairs] = {}
        flat = Pairs()
        for path, value in self.usage.items():
            holder, _, name = path.rpartition("/")
            (nested.setdefault(holder, Pairs()) if holder else flat).append((name, value))
        return reference.counts(Pairs([*flat, *nested.items()]))

    def judge(self, name: str, data: bytes) -> bool:
        """Note an event; true where it is nothing but usage."""
        if data == b"[DONE]":
            self.done = True
            return False
        tree = reference.parse(data)
        if tree is None:
            self.failed |= name == "error"
            return False
        usage = reference.usage_in(tree)
        if usage is not None:
            self._update(usage)
        kind = name if name not in ("", "message") else tree.last("type")
        named = "error" in (tree.last("object"), kind) or kind == "response.failed"
        if named or reference.has_error(tree) or reference.has_detail(tree):
            self.failed = True
        elif type(choices := tree.last("choices")) is list:
            self._choices(choices)
            return not choices and usage is not None
        else:
            self._typed(str(kind), tree)
        return False

    def _update(self, usage: Pairs) -> None:
        self.usage.setdefault("told", None)
        for key, value in usage:
            members = value if type(value) is Pairs else [("", value)]
            for inner, count in members:
                if count is not None:
                    self.usage[f"{key}/{inner}" if inner else key] = count

    def _choices(self, choices: list[Any]) -> None:
        output = False
        for choice in choices:
            index = choice.last("index")
            index = 0 if index is ABSENT else int(index)
            self.present.add(index)
            delta = choice.last("delta")
            members = delta if type(delta) is Pairs else Pairs()
            output |= any(bool(value) for key, value in members if key != "role")
            output |= choice.last("text") not in ("", ABSENT)
            reason = choice.last("finish_reason")
            if reason is not ABSENT and reason is not None:
                self.finished.add(index)
                self.aborted |= reason in GIVEN_UP
        self.outputs += output

    def _typed(self, kind: str, tree: Pairs) -> None:
        delta = tree.last("delta")
        if type(delta) is Pairs:
            output = any(bool(value) for key, value in delta if key != "type")
        else:
            output = type(delta) is str and delta != ""
        self.complete |= kind in COMPLETE
        response = tree.last("response")
        holders = (tree, response if type(response) is Pairs else Pairs())
        given_up = any(holder.last("status") in ("failed", "cancelled") for holder in holders)
        self.aborted |= kind == "response.cancelled" or given_up
        quiet = (*COMPLETE, "response.cancelled", "message_delta")
        self.outputs += output and kind not in quiet


def read_stream(body: bytes) -> tuple[str, int, reference.Counts | None, bytes]:
    """Return how it ends, its events with output, its counts, and it without usage alone."""
    state = _State()
    passed, event = b"", b""
    name, data = b"", []
    lines = re.split(rb"(\r\n|\r|\n)", body)
    for number, (line, end) in enumerate(zip(lines[::2], lines[1::2], strict=False)):
        event += line + end
        field, colon, value = line.partition(b":")
        if number == 0:
            field = field.removeprefix(b"\xef\xbb\xbf")
        if field == b"data":
            data.append(value.removeprefix(b" ") if colon else b"")
        elif field == b"event":
            name = value.removeprefix(b" ")
        if line or state.done:
            continue
        joined = b"\n".join(data)
        if not (joined and state.judge(name.decode(), joined)):
            passed += event
        event, name, data = b"", b"", []
    return state.ending(), state.outputs, state.counts(), passed + event + lines[-1]
