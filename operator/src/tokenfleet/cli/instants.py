"""Times and durations as flags take them."""

from datetime import UTC, datetime, timedelta

from tokenfleet.api.units import parse_duration


def instant(flag: str, text: str, now: datetime) -> datetime:
    """Read an RFC 3339 time, `now`, or a duration before now.

    Raises:
        ValueError: it is none of them; the message names the flag.
    """
    if text == "now":
        return now
    try:
        return now - parse_duration(text)
    except ValueError as error:
        hint = str(error).partition(": ")[2]
    at = moment(text)
    if at is None:
        msg = f"{flag} must be an RFC 3339 time with a zone, `now` or a duration, not {text!r}"
        raise ValueError(f"{msg}: {hint}" if hint else msg)
    return at


def moment(text: str) -> datetime | None:
    """Read an RFC 3339 time with a zone, in UTC; None: it is none, or no year has it."""
    try:
        at = datetime.fromisoformat(text)
        return None if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def positive(flag: str, text: str) -> timedelta:
    """Read a duration above 0.

    Raises:
        ValueError: it is none; the message names the flag.
    """
    value = _duration(flag, text)
    if value <= timedelta():
        msg = f"{flag} must be more than 0, not {text}"
        raise ValueError(msg)
    return value


def seconds_or_more(flag: str, text: str) -> timedelta:
    """Read a duration of a second or more.

    Raises:
        ValueError: it is none; the message names the flag.
    """
    value = _duration(flag, text)
    if value < timedelta(seconds=1):
        msg = f"{flag} must be 1s or more, not {text}"
        raise ValueError(msg)
    return value


def _duration(flag: str, text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        msg = f"{flag}: {error}"
        raise ValueError(msg) from error
