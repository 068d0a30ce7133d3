"""The access log: one JSON object per request on standard output, in the words of the metrics.

Envoy writes what the connection knows; the module leaves the rest in dynamic metadata. Members that
do not apply are `null`. The schema is documented in operator/docs/router.md.
"""

from typing import Final

from tokenfleet.adapters.envoy.wire import NAMESPACE, Json, extension

FIELDS: Final = {
    "time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
    "method": "%REQ(:METHOD)%",
    "path": "%PATH(NQ)%",
    "protocol": "%PROTOCOL%",
    "status": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "duration_ms": "%DURATION%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "replica": "%UPSTREAM_HOST%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "traceparent": "%REQ(TRACEPARENT)%",
}
"""What Envoy knows of every request."""

MEASURED: Final = (
    "route",
    "rule",
    "pool",
    "model",
    "feature",
    "request_type",
    "outcome",
    "attempts",
    "stream",
    "prompt_tokens",
    "cached_prompt_tokens",
    "completion_tokens",
    "ttft_ms",
)
"""What the module knows of requests that a route took."""

BAD_OUTCOMES: Final = "server_error|throttled|connect|timeout|broken_stream|cancelled|client_error"
_ERROR_STATUS: Final = 400


def access_log(wanted: str) -> list[Json]:
    """Return the loggers of the connection manager.

    Args:
        wanted: `Off`, `Errors` (a status of 400 or more, or an outcome that is not ok) or `All`.
    """
    if wanted == "Off":
        return []
    log = extension(
        "tokenfleet.requests",
        "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
        log_format={
            "json_format": {
                **FIELDS,
                **{name: f"%DYNAMIC_METADATA({NAMESPACE}:{name})%" for name in MEASURED},
            }
        },
    )
    return [log if wanted == "All" else {**log, "filter": _errors()}]


def _errors() -> Json:
    status: Json = {
        "comparison": {
            "op": "GE",
            # Envoy asks for a runtime key to override the number; nothing ever sets this one.
            "value": {"default_value": _ERROR_STATUS, "runtime_key": "tokenfleet.unset"},
        }
    }
    outcome: Json = {
        "matcher": {
            "filter": NAMESPACE,
            "path": [{"key": "outcome"}],
            "value": {"string_match": {"safe_regex": {"google_re2": {}, "regex": BAD_OUTCOMES}}},
        },
        "match_if_key_not_found": False,
    }
    return {
        "or_filter": {"filters": [{"status_code_filter": status}, {"metadata_filter": outcome}]}
    }
