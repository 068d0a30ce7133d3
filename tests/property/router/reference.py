"""What the readers have to say, by Python's own parser.

Written from the text of the claims alone: nothing here is shared with the readers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

RENAMED: Final = 're/"named"'
DEPTH: Final = 512


class Number(str):
    """A number as it is written."""

    __slots__ = ()


class Pairs(list[tuple[str, Any]]):
    """An object with all its members."""

    def last(self, key: str) -> Any:
        """The value that a dict would hold."""
        return next((value for name, value in reversed(self) if name == key), ABSENT)


ABSENT: Final = object()


def parse(body: bytes) -> Pairs | None:
    """Parse strictly; None where the body is no JSON object, no UTF-8 or nested too deep."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        tree = json.loads(
            body.decode(),
            object_pairs_hook=Pairs,
            parse_constant=refuse,
            parse_int=Number,
            parse_float=Number,
        )
    except (ValueError, RecursionError):
        return None
    return tree if isinstance(tree, Pairs) and _depth(tree) <= DEPTH else None


def _depth(tree: Any) -> int:
    level, depth = [tree], 0
    while level := [x for x in level if type(x) in (Pairs, list)]:
        depth += 1
        level = [y for x in level for y in ([v for _, v in x] if type(x) is Pairs else x)]
    return depth


@dataclass(frozen=True, slots=True)
class Request:
    """What a request's body says."""

    model: bytes
    stream: bool
    tools: bool
    prompt_cache_key: bytes | None
    previous_response_id: bytes | None
    rewritten: Any
    """The body after both edits, as a tree."""


def request(body: bytes) -> Request | None:
    """Read a request; None where it is to be refused."""
    tree = parse(body)
    if tree is None or len({key for key, _ in tree}) != len(tree):
        return None
    model = tree.last("model")
    if type(model) is not str or not model:
        return None
    try:
        name = model.encode()
    except UnicodeEncodeError:
        return None
    arrays = [value for key in ("tools", "functions") if type(value := tree.last(key)) is list]
    return Request(
        model=name,
        stream=tree.last("stream") is True,
        tools=any(arrays),
        prompt_cache_key=_bytes(tree.last("prompt_cache_key")),
        previous_response_id=_bytes(tree.last("previous_response_id")),
        rewritten=_asking(Pairs((k, RENAMED if k == "model" else v) for k, v in tree)),
    )


def _bytes(value: Any) -> bytes | None:
    return value.encode("utf-8", "surrogatepass") if type(value) is str else None


def _asking(tree: Pairs) -> Pairs:
    options = tree.last("stream_options")
    asked = ("include_usage", True)
    if options is ABSENT:
        return Pairs([("stream_options", Pairs([asked])), *tree])
    if options is None:
        replaced = Pairs([asked])
    elif type(options) is not Pairs:
        return tree
    elif options.last("include_usage") is ABSENT:
        replaced = Pairs([asked, *options])
    elif options.last("include_usage") in (False, None):
        # The last of equal keys is the one that counts, and the one that is changed.
        at = max(n for n, (key, _) in enumerate(options) if key == "include_usage")
        replaced = Pairs([*options[:at], asked, *options[at + 1 :]])
    else:
        return tree
    return Pairs((k, replaced if k == "stream_options" else v) for k, v in tree)


Counts = tuple[int, int, int, int]
"""Prompt, cached, cache creation, completion."""


class UncountableError(Exception):
    """A count that is none."""


def usage_in(tree: Pairs) -> Pairs | None:
    """The usage object of an answer or an event."""
    for holder in (tree, tree.last("response"), tree.last("message")):
        if type(holder) is Pairs and type(usage := holder.last("usage")) is Pairs:
            return usage
    return None


def counts(usage: Pairs | None) -> Counts | None:
    """All counts of a usage object, or none."""
    if usage is None:
        return None
    try:
        return _counts(usage)
    except UncountableError:
        return None


def _count(usage: Any, key: str) -> int | None:
    value = usage.last(key) if type(usage) is Pairs else None
    if value is None or value is ABSENT:
        return None
    if type(value) is not Number or not value.isdigit() or int(value) >= 2**64:
        raise UncountableError(key)
    return int(value)


def _counts(usage: Pairs) -> Counts | None:
    of_prompt, of_input = usage.last("prompt_tokens_details"), usage.last("input_tokens_details")
    read, created = (_count(usage, f"cache_{what}_input_tokens") for what in ("read", "creation"))
    cached = (_count(of_prompt, "cached_tokens"), _count(of_input, "cached_tokens"), read)
    creation = (_count(of_prompt, "created_cache_tokens"), created)
    given, output = _count(usage, "input_tokens"), _count(usage, "output_tokens")
    prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    total = _count(usage, "total_tokens")
    top = 2**64 - 1  # sums stay below it
    if prompt is None and given is not None:
        prompt = min(top, given + min(top, (read or 0) + (created or 0)))
    completion = output if completion is None else completion
    if prompt is None:
        if total is None or total < (completion or 0):
            return None
        prompt = total - (completion or 0)
    if completion is None:
        if total is None:
            return None
        completion = max(0, total - prompt)
    return (prompt, _first(cached, prompt), _first(creation, prompt), completion)


def _first(counts: tuple[int | None, ...], most: int) -> int:
    return min(most, next((count for count in counts if count is not None), 0))


def has_error(tree: Pairs) -> bool:
    """Whether a whole answer is an error: what a client's truth test says of `error`."""
    return _is_true(tree.last("error"))


def _is_true(value: Any) -> bool:
    if value is ABSENT or value is None:
        return False
    return value != "0" if type(value) is Number else bool(value)


def is_error(tree: Pairs) -> bool:
    """Whether a whole answer is an error in any of the shapes."""
    kind, made = tree.last("type"), tree.last("object")
    named = "error" in (kind, made) or kind == "response.failed"
    return named or has_error(tree) or has_detail(tree)


def has_detail(tree: Pairs) -> bool:
    """Whether it is FastAPI's error: `detail`, and nothing that an answer has."""
    told = _is_true(tree.last("detail"))
    return told and type(tree.last("choices")) is not list and usage_in(tree) is None
