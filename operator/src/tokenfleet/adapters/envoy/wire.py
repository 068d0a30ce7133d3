"""Words that the parts of Envoy's configuration share: types, headers, names, JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]
"""One Envoy message in its JSON form (protobuf's JSON mapping, snake case)."""

TRAFFIC_PORT: Final = 8080
ADMIN_PORT: Final = 9901

ROUTE_TABLE: Final = "traffic"
"""Name of the only RouteConfiguration."""
TRAFFIC_STAT_PREFIX: Final = "traffic"

NAMESPACE: Final = "tokenfleet"
"""Dynamic metadata that the module leaves for access logs and spans."""

WAIT: Final = "x-tokenfleet-wait"
"""On the answer of an attempt, inside only: whole seconds to wait before a sister is asked."""
SESSION_HEADER: Final = "x-session-id"
"""Where clients put a conversation's identity when the body has no `prompt_cache_key`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where Envoy listens."""

    host: str = "::"
    traffic: int = TRAFFIC_PORT
    admin: int = ADMIN_PORT


def typed(message: str, **fields: Any) -> Json:
    """Return a message with its type, for the places that take any type."""
    return {"@type": f"type.googleapis.com/{message}", **fields}


def extension(name: str, message: str, **fields: Any) -> Json:
    """Return a named extension configuration (`TypedExtensionConfig`)."""
    return {"name": name, "typed_config": typed(message, **fields)}


def address(host: str, port: int) -> Json:
    """Return a TCP address."""
    return {"socket_address": {"address": host, "port_value": port}}


def canonical(message: Mapping[str, Any]) -> str:
    """Write a message; equal messages have equal text."""
    return json.dumps(message, sort_keys=True, separators=(",", ":"))


def openai_error(message: str, kind: str, code: str | None, param: str | None = None) -> Json:
    """Return an error body as OpenAI's clients read it."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


CONNECTION_BUFFER: Final = 256 * 1024
"""Bytes that Envoy keeps for a connection ahead of who is to take them, and reads from one before
it turns to the next. Bodies of requests have a limit of their own, the route's."""
