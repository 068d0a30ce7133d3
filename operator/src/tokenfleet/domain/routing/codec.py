"""The document in `<router>-config`: canonical JSON of a `RouterConfig` with its revision.

Equal configurations have equal bytes: keys are sorted, absence is `null`, and nothing is optional
but what was added to a version (`ir.ADDED`), which is written where it is used.
Reading is strict: an unknown key, a missing key, a wrong type or a schema version that this program
does not know is a `CodecError`, never a guess. A reader knows `SCHEMA_VERSION` and the one before.

    version 2: pools name their Service's uid, port name and address family, the names that engines
               accept and their window; rules have limits; the router says what it tells
    version 1: pools name their Service's port by its number; one limit per route
"""

import json
from dataclasses import dataclass, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

from tokenfleet.api.conditions import PROGRAMMED
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.routing.earlier import EARLIER_VERSION, upgraded
from tokenfleet.domain.routing.ir import (
    ACCESS_LOGS,
    BUCKETS,
    SCHEMA_VERSION,
    RouterConfig,
    Rule,
)

SIZE_MAX: Final = 700 * 1024
"""Bytes of all data of `<router>-config`. The API server takes 1 MiB (etcd 1.5 MiB); the rest is
left to metadata, managed fields and the JSON escaping of one more version."""


REVISION_MAX: Final = 2**53 - 1
"""Largest revision; above it JSON readers differ (RFC 8259, section 6)."""


class CodecError(ValueError):
    """The document is not one that this program can read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A configuration and its place in the order of all configurations of its router."""

    revision: int
    """1 or more; grows by every change of the configuration."""
    config: RouterConfig


def encode(document: Document) -> str:
    """Write a document; equal documents give equal text."""
    return json.dumps(
        {
            "schemaVersion": SCHEMA_VERSION,
            "revision": document.revision,
            "config": _written(document.config),
        },
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=True,
    )


def _written(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_written(item) for item in value]
    if not is_dataclass(value):
        return value
    return {
        one.name: _written(found)
        for one in fields(value)
        if (found := getattr(value, one.name)) != one.default or "added" not in one.metadata
    }


def decode(text: str) -> Document:
    """Read a document.

    Raises:
        CodecError: the text is not a document of a known schema version.
    """
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        msg = f"not JSON: {error}"
        raise CodecError(msg) from error
    if not isinstance(raw, dict) or raw.keys() != {"schemaVersion", "revision", "config"}:
        msg = "not an object of schemaVersion, revision and config"
        raise CodecError(msg)
    document = Document(
        revision=_value(int, raw["revision"], "revision"),
        config=_value(RouterConfig, _current(raw["schemaVersion"], raw["config"]), "config"),
    )
    _check(document)
    return document


def too_large(data: dict[str, str]) -> Problem | None:
    """Return the problem of a `<router>-config` whose data do not fit, or None."""
    size = sum(len(key.encode()) + len(value.encode()) for key, value in data.items())
    if size <= SIZE_MAX:
        return None
    return Problem(
        condition=PROGRAMMED,
        reason="ConfigTooLarge",
        message=f"the router's configuration needs {size} bytes, more than {SIZE_MAX}; the last"
        " good one stays in force; move routes to a second ModelRouter",
    )


def _current(version: Any, config: Any) -> Any:
    """Return the configuration in the words of `SCHEMA_VERSION`."""
    if version == SCHEMA_VERSION:
        return config
    if version != EARLIER_VERSION:
        known = f"{EARLIER_VERSION} and {SCHEMA_VERSION}"
        msg = f"schemaVersion is {version!r}; this version reads {known}"
        raise CodecError(msg)
    try:
        return upgraded(config)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = f"config is not one of schemaVersion {EARLIER_VERSION}: {error}"
        raise CodecError(msg) from error


def _check(document: Document) -> None:
    if not 1 <= document.revision <= REVISION_MAX:
        msg = f"revision is {document.revision}, not between 1 and {REVISION_MAX}"
        raise CodecError(msg)
    if document.config.access_log not in ACCESS_LOGS:
        msg = f"access_log is {document.config.access_log!r}, not one of {', '.join(ACCESS_LOGS)}"
        raise CodecError(msg)
    known = {pool.name for pool in document.config.pools}
    for route in document.config.routes:
        for rule in route.rules:
            _check_rule(f"{route.name}/{rule.name}", rule, known)


def _check_rule(where: str, rule: Rule, known: set[str]) -> None:
    used = {part.pool for part in rule.ranges} | {use.pool for use in rule.adapters}
    strangers = (set(rule.chain) - known) | (used - set(rule.chain))
    if strangers:
        msg = f"{where} names unknown pools {', '.join(sorted(strangers))}"
        raise CodecError(msg)
    edges = [0, *(part.end for part in rule.ranges)]
    gapless = [part.first for part in rule.ranges] == edges[:-1] and edges == sorted(set(edges))
    if edges[-1] != (BUCKETS if rule.chain else 0) or not gapless:
        msg = f"{where} has ranges that do not cover the buckets 0 to {BUCKETS}"
        raise CodecError(msg)


def _value(kind: Any, raw: Any, where: str) -> Any:
    if get_origin(kind) is UnionType:
        inner = next(part for part in get_args(kind) if part is not NoneType)
        return None if raw is None else _value(inner, raw, where)
    if get_origin(kind) is tuple:
        if not isinstance(raw, list):
            msg = f"{where} is not a list"
            raise CodecError(msg)
        return tuple(_value(get_args(kind)[0], item, f"{where}[{i}]") for i, item in enumerate(raw))
    if is_dataclass(kind):
        return _object(kind, raw, where)
    if type(raw) is not kind:
        msg = f"{where} is not {kind.__name__}"
        raise CodecError(msg)
    return raw


def _object(kind: Any, raw: Any, where: str) -> Any:
    names = {field.name for field in fields(kind)}
    needed = {field.name for field in fields(kind) if "added" not in field.metadata}
    if not isinstance(raw, dict) or not needed <= raw.keys() <= names:
        wrong = sorted(names.symmetric_difference(raw)) if isinstance(raw, dict) else ["not one"]
        msg = f"{where} is not an object of {kind.__name__}: {', '.join(map(str, wrong))}"
        raise CodecError(msg)
    hints = get_type_hints(kind)
    return kind(**{name: _value(hints[name], raw[name], f"{where}.{name}") for name in raw})
