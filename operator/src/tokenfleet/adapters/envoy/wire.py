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
LATE_LISTENER: Final = "first-token.internal"
"""Internal listener, and its Envoy cluster, that takes late first tokens. The dot keeps it apart
from every pool: pool names are DNS labels."""

STAT_PREFIX: Final = "tokenfleet"
"""Prefix of the stats that `exposition` turns into Tokenfleet's metrics."""

MODEL: Final = "x-tokenfleet-model"
FACTS: Final = "x-tokenfleet-facts"
"""What else rules look at, as `bucket=042 stream=true tools=false bytes=812`. One header, because
each costs Envoy as much as 50 words of a prompt."""
SERVED: Final = "x-tokenfleet-served"
"""`first:last:name`: first and last byte of the value of `model` in the body, with its quotes, and
the name that is there, the one that the pool that is asked first expects."""
LABELS: Final = "x-tokenfleet-labels"
"""`feature|request_type` after the route's allow-lists."""
WAIT: Final = "x-tokenfleet-wait"
"""On responses, inside only: milliseconds from the end of the attempt's request to its response
headers, and the labels."""
ROUTE: Final = "x-tokenfleet-route"
RULE: Final = "x-tokenfleet-rule"
POOL: Final = "x-tokenfleet-pool"

ROUTER_HEADERS: Final = (
    MODEL,
    FACTS,
    SERVED,
    LABELS,
    ROUTE,
    RULE,
    POOL,
)
"""Headers that only the router writes; a client's copies are removed before anything reads them."""

SESSION_HEADER: Final = "x-session-id"
"""Where clients put a conversation's identity when the body has no `prompt_cache_key`."""

LUA_FILTER: Final = "tokenfleet.request"
"""Name of the request filter; route metadata under this name is what its script can read."""


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
