"""An Envoy's admin interface that says one thing after the other."""

from typing import TypeVar

from tokenfleet.agent.envoy import AdminError, EnvoyGoneError

T = TypeVar("T")

BUSY = AdminError("ReadTimeout")
GONE = EnvoyGoneError("All connection attempts failed")


def said_next(said: list[T | AdminError]) -> T:
    """Take what is said next, or raise it; the last one is said for ever."""
    found = said.pop(0) if len(said) > 1 else said[0]
    if isinstance(found, AdminError):
        raise found
    return found
