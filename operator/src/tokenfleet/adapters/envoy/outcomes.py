"""How an attempt or a request ended, from Envoy's response code and response flags.

Flags are Envoy's (config/observability/access_log, `%RESPONSE_FLAGS%`). Code 0 means that no
response header arrived: the flag says why, and without a flag the client had gone.
"""

from typing import Final

OUTCOMES: Final = (
    "ok",
    "client_error",
    "server_error",
    "throttled",
    "connect",
    "timeout",
    "broken_stream",
    "cancelled",
)
"""Values of the metric label `outcome`."""

FAILED_BEFORE_ANSWER: Final = frozenset(
    {"server_error", "throttled", "connect", "timeout", "broken_stream"}
)
"""Without a 2xx answer these are the pool's fault: late for every threshold."""

_BY_FLAG: Final = (
    # The first that is there decides: the client's going away explains whatever else is flagged.
    ("DC", "cancelled"),
    ("UT", "timeout"),
    ("SI", "timeout"),
    ("UF", "connect"),
    ("UH", "connect"),
    ("UO", "connect"),
    ("NC", "connect"),
    ("UC", "broken_stream"),
    ("UR", "broken_stream"),
    ("LR", "broken_stream"),
    ("UPE", "broken_stream"),
)

_CLIENT_ERRORS: Final = range(400, 500)
_GOOD: Final = range(100, 400)
_THROTTLED: Final = 429


def outcome(code: str, flags: str) -> str:
    """Return one of `OUTCOMES`.

    Args:
        code: the response code; `0` when no response header arrived.
        flags: response flags separated by commas; `-` for none.
    """
    present = set(flags.split(","))
    flagged = next((result for flag, result in _BY_FLAG if flag in present), None)
    if flagged is not None:
        return flagged
    number = int(code)
    if number == 0:
        return "cancelled"
    if number == _THROTTLED:
        return "throttled"
    if number in _GOOD:
        return "ok"
    return "client_error" if number in _CLIENT_ERRORS else "server_error"


def answered(code: str) -> bool:
    """Tell whether a 2xx answer had begun: only such attempts have a first token."""
    return code.startswith("2") and len(code) == len("200")
