"""What the API server would refuse of an object, judged from the schema of its kind.

The models hold names, limits and patterns by themselves. Here is what stands beside them in the
CRD and is the API server's to judge: the type that a value has on the wire, words that a list holds
twice, and the rules in CEL. The order is the API server's: nulls are left out, defaults filled in,
types looked at, then rules, from the outside in (apiextensions, structural schemas).
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

from tokenfleet.api.cel import CelError, compiled
from tokenfleet.api.conventions import LIST_TYPE, VALIDATIONS, Model
from tokenfleet.api.crdgen import INT_OR_STRING, schema_of
from tokenfleet.api.wording import instead

Node = Mapping[str, Any]

TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}
"""Type in a schema -> what JSON and YAML give for it."""

WORDS: Final[Mapping[str, str]] = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "fields",
    "array": "a list",
}


def refusals(model: type[Model], body: Mapping[str, Any]) -> Iterator[str]:
    """Yield what would be refused, as `spec.rules.0.fallbackRefs: why`; nothing for a good object.

    Rules that compare with a stored object are left out: there is none.
    """
    schema = _schema(model)
    stored = _filled({key: value for key, value in body.items() if key != "status"}, schema)
    yield from _refused(stored, schema, ())


@cache
def _schema(model: type[Model]) -> Node:
    return schema_of(model)


def _filled(value: Any, node: Node) -> Any:
    """Return a copy without nulls, and with the schema's defaults, of what the schema describes."""
    if not node.keys() & {"properties", "additionalProperties", "items"}:
        return value  # metadata, which may be of any depth
    if isinstance(value, dict):
        fields = node.get("properties", {})
        more = node.get("additionalProperties")
        rest = more if isinstance(more, dict) else {}
        given = {key: one for key, one in value.items() if one is not None}
        absent = {
            key: copy.deepcopy(field["default"])
            for key, field in fields.items()
            if key not in given and "default" in field
        }
        return {
            key: _filled(one, fields.get(key, rest)) for key, one in {**given, **absent}.items()
        }
    if isinstance(value, list):
        return [_filled(one, node.get("items", {})) for one in value]
    return value


def _refused(value: Any, node: Node, path: tuple[str, ...]) -> Iterator[str]:
    wrong = _mistyped(value, node)
    if wrong:
        yield _told(path, wrong)
        return
    if lacking := [name for name in node.get("required", ()) if name not in value]:
        unknown = value.keys() - node["properties"].keys()
        yield from (
            _told((*path, name), f"must be given{instead(name, unknown)}") for name in lacking
        )
        return  # rules are about what is there
    if twice := _twice(value, node):
        yield _told(path, f"holds {twice} twice")
    for rule in node.get(VALIDATIONS, ()):
        if not _holds(rule["rule"], value):
            yield _told((*path, *rule.get("fieldPath", "").split(".")[1:]), rule["message"])
    for key, one, below in _below(value, node):
        yield from _refused(one, below, (*path, key))


def _below(value: Any, node: Node) -> Iterator[tuple[str, Any, Node]]:
    if isinstance(value, dict):
        fields, more = node.get("properties", {}), node.get("additionalProperties")
        for key, one in value.items():
            below = fields.get(key, more)
            if isinstance(below, dict):
                yield key, one, below
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield str(number), one, node.get("items", {})


def _mistyped(value: Any, node: Node) -> str:
    """Say what is wrong with a value's type; empty where nothing is."""
    if node.get(INT_OR_STRING):
        return "" if _is(value, "string") or _is(value, "integer") else "must be a number or a text"
    wanted = node.get("type")
    if wanted is None or _is(value, wanted):
        return ""
    if wanted == "string" and not isinstance(value, dict | list):
        broken = (
            r["message"] for r in node.get(VALIDATIONS, ()) if not _holds(r["rule"], str(value))
        )
        return next(broken, f'must be a text: write "{str(value)[:40]}", in quotes')
    return f"must be {WORDS[wanted]}"


def _is(value: Any, wanted: str) -> bool:
    if isinstance(value, bool):
        return wanted == "boolean"
    return isinstance(value, TYPES[wanted])


def _twice(value: Any, node: Node) -> str:
    """Return what a set, or a map by its keys, holds more than once."""
    kind = node.get(LIST_TYPE)
    if not isinstance(value, list) or kind not in {"set", "map"}:
        return ""
    keys: Sequence[str] = node.get("x-kubernetes-list-map-keys", ())
    seen: list[str] = []
    for one in value:
        if kind == "map" and not isinstance(one, dict):
            continue  # refused where its own type is looked at
        known = " ".join(str(one.get(key, "")) for key in keys) if kind == "map" else str(one)
        if known in seen:
            return known
        seen.append(known)
    return ""


def _holds(rule: str, value: Any) -> bool:
    if "oldSelf" in rule:
        return True
    try:
        return bool(compiled(rule)(value))
    except CelError:
        return False  # a rule without a value refuses, as it does in the API server


def _told(path: Sequence[str], why: str) -> str:
    return f"{'.'.join(path)}: {why}" if path else why
