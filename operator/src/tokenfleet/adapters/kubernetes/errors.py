"""HTTP answers of the API server as the errors of `ports`."""

from datetime import timedelta
from http import HTTPStatus
from typing import Final

from tokenfleet.ports import ConflictError, NotFoundError, PortError, RefusedError

_REFUSALS: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)

_UNKNOWN_FIELD: Final = "failed to create typed patch object"
"""How a server-side apply with a field that the schema does not have fails: with status 500, where
every other verb says 400."""


def error_of(status: int, message: str, retry_after: str | None) -> PortError:
    """Return the error that an answer stands for.

    Args:
        status: HTTP status, 400 or above.
        message: what the server says about it.
        retry_after: value of the header `Retry-After`: seconds, or None.
    """
    if status == HTTPStatus.CONFLICT:
        return ConflictError(message)
    if status == HTTPStatus.NOT_FOUND:
        return NotFoundError(message)
    if status in _REFUSALS or _UNKNOWN_FIELD in message:
        return RefusedError(message)
    seconds = int(retry_after) if retry_after and retry_after.isdecimal() else None
    return PortError(message, retry_after=None if seconds is None else timedelta(seconds=seconds))
