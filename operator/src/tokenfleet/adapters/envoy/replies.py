"""How Envoy words the errors that it makes by itself, before or behind the request filter.

The module answers for itself, in the shape of the API that was called. What is left is what it
cannot see: requests that are no HTTP or stop being it, header floods, places that failed.
Clients of Anthropic's API read another shape; they are known by path or by `anthropic-version`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tokenfleet.adapters.envoy.wire import NAMESPACE, Json, canonical, openai_error

ANTHROPIC_PATH: Final = "/v1/messages"
ANTHROPIC_HEADER: Final = "anthropic-version"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    """One wording."""

    statuses: tuple[int, ...]
    message: str
    kind: str
    """OpenAI's `type`."""
    code: str
    anthropic: str
    """Anthropic's `type`."""


def local_reply_config(body_limit: int) -> Json:
    """Return the wordings, by status and API.

    Args:
        body_limit: bytes of the largest request body.
    """
    replies = (
        _Reply(
            statuses=(413,),
            message=f"the request body is larger than {body_limit} bytes",
            kind="invalid_request_error",
            code="request_too_large",
            anthropic="request_too_large",
        ),
        _Reply(
            statuses=(431,),
            message="the request headers are larger than 60 KiB, or more than 100",
            kind="invalid_request_error",
            code="headers_too_large",
            anthropic="invalid_request_error",
        ),
        _Reply(
            statuses=(404,),
            message="there is nothing at this path",
            kind="invalid_request_error",
            code="not_found",
            anthropic="not_found_error",
        ),
        _Reply(
            statuses=(408, 504),
            message="no answer in time",
            kind="server_error",
            code="timeout",
            anthropic="timeout_error",
        ),
        _Reply(
            statuses=(500, 502, 503),
            message="no pool could serve the request",
            kind="server_error",
            code="service_unavailable",
            anthropic="overloaded_error",
        ),
        _Reply(
            statuses=(400, 403, 501),
            message="the request is not one that an HTTP server can take",
            kind="invalid_request_error",
            code="bad_request",
            anthropic="invalid_request_error",
        ),
    )
    return {"mappers": [mapper for reply in replies for mapper in _mappers(reply)]}


def _mappers(reply: _Reply) -> tuple[Json, ...]:
    openai = openai_error(reply.message, reply.kind, reply.code)
    if reply.kind == reply.anthropic:
        # One body that both kinds of clients read: of a request that Envoy could not read, as one
        # with too many headers, it does not know the path either.
        return (_mapper([_made_up(reply.statuses)], {"type": "error", **openai}),)
    anthropic = {
        "type": "error",
        "error": {"type": reply.anthropic, "message": reply.message},
    }
    return (
        _mapper([_made_up(reply.statuses), _of_anthropic()], anthropic),
        _mapper([_made_up(reply.statuses)], openai),
    )


def _mapper(filters: Sequence[Json], body: Json) -> Json:
    return {
        "filter": filters[0] if len(filters) == 1 else {"and_filter": {"filters": list(filters)}},
        "body_format_override": {
            "text_format_source": {"inline_string": canonical(body)},
            "content_type": "application/json",
        },
    }


def _made_up(statuses: Sequence[int]) -> Json:
    filters = [
        {
            "status_code_filter": {
                "comparison": {
                    "op": "EQ",
                    "value": {"default_value": status, "runtime_key": f"tokenfleet.{status}"},
                }
            }
        }
        for status in statuses
    ]
    one: Json = filters[0] if len(filters) == 1 else {"or_filter": {"filters": filters}}
    return {"and_filter": {"filters": [_not_worded(), one]}}


def _not_worded() -> Json:
    """Return what tells the errors that Envoy makes up from those that the module words itself.

    The module leaves a mark where it answers; without one, no filter was asked, or Envoy answered
    behind them. A value that the mark never has never matches.
    """
    matcher = {
        "filter": NAMESPACE,
        "path": [{"key": "worded"}],
        "value": {"string_match": {"exact": "no"}},
    }
    return {"metadata_filter": {"matcher": matcher, "match_if_key_not_found": True}}


def _of_anthropic() -> Json:
    path = {"name": ":path", "string_match": {"prefix": ANTHROPIC_PATH}}
    version = {"name": ANTHROPIC_HEADER, "present_match": True}
    return {
        "or_filter": {
            "filters": [{"header_filter": {"header": header}} for header in (path, version)]
        }
    }
