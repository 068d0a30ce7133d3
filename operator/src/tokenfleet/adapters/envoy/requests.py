"""What clients saw: one record per request, whatever attempts it took, and the tokens it used."""

from typing import Final

from tokenfleet.adapters.envoy.attempts import counter, histogram, logger, microseconds
from tokenfleet.adapters.envoy.wire import Json, extension

REQUEST: Final = "request"
PROMPT: Final = "prompt_tokens"
CACHED: Final = "cached_prompt_tokens"
COMPLETION: Final = "completion_tokens"
USAGE_MISSING: Final = "usage_missing"
PACE: Final = "pace"
"""Microseconds from a stream's first token to its end, by token after the first: the attempt whose
answer the client got is the only one with usage. The request filter leaves it (lua/request.lua)."""

_NAMESPACE: Final = "tokenfleet"
_USAGE: Final = (
    (PROMPT, ("usage", "prompt_tokens")),
    (CACHED, ("usage", "prompt_tokens_details", "cached_tokens")),
    (COMPLETION, ("usage", "completion_tokens")),
)

EVENT_LIMIT: Final = 64 * 1024
"""Bytes of the largest streamed event that is searched for usage; the event that carries it has a
few hundred."""


def access_log() -> list[Json]:
    """Return the loggers of the connection manager."""
    return [
        logger(histogram(REQUEST, "%DURATION%", detailed=True)),
        *(
            # Without the filter every answer that has no usage would be logged as an error.
            logger(
                counter(name, value=f"%DYNAMIC_METADATA({_NAMESPACE}:{name})%"), when=_found(name)
            )
            for name, _ in _USAGE
        ),
        logger(
            microseconds(PACE, f"%DYNAMIC_METADATA({_NAMESPACE}:{PACE})%"),
            when=_found(PACE),
        ),
        logger(
            counter(USAGE_MISSING),
            when={
                "and_filter": {
                    "filters": [
                        _status("GE", 200),
                        _status("LE", 299),
                        {
                            "header_filter": {
                                "header": {"name": "x-tokenfleet-model", "present_match": True}
                            }
                        },
                        _missing(PROMPT),
                    ]
                }
            },
        ),
    ]


def stream_usage() -> Json:
    """Return the filter that reads `usage` from streams; the request filter reads whole answers.

    Neither delays nor changes a byte. A stream carries usage when the request asked for it with
    `stream_options.include_usage`, or the engine is told to always send it.
    """
    return extension(
        "tokenfleet.stream-usage",
        "envoy.extensions.filters.http.sse_to_metadata.v3.SseToMetadata",
        response_rules={
            "max_event_size": EVENT_LIMIT,
            "content_parser": extension(
                "envoy.content_parsers.json",
                "envoy.extensions.content_parsers.json.v3.JsonContentParser",
                rules=[{"rule": _rule(name, path)} for name, path in _USAGE],
            ),
        },
    )


def _rule(name: str, path: tuple[str, ...]) -> Json:
    return {
        "selectors": [{"key": key} for key in path],
        "on_present": {"metadata_namespace": _NAMESPACE, "key": name, "type": "NUMBER"},
    }


def _found(name: str) -> Json:
    return _usage_filter(name, {"present_match": True}, absent=False)


def _missing(name: str) -> Json:
    # Matches where the key is not there; no count is negative, so where it is there it does not.
    return _usage_filter(name, {"double_match": {"exact": -1.0}}, absent=True)


def _usage_filter(name: str, value: Json, *, absent: bool) -> Json:
    return {
        "metadata_filter": {
            "matcher": {"filter": _NAMESPACE, "path": [{"key": name}], "value": value},
            "match_if_key_not_found": absent,
        }
    }


def _status(op: str, status: int) -> Json:
    return {
        "status_code_filter": {
            "comparison": {
                "op": op,
                "value": {"default_value": status, "runtime_key": "tokenfleet.unset"},
            }
        }
    }
