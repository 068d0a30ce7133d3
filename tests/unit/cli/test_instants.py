"""Durations of flags are read the same way by every command, and refused by the flag's name."""

from datetime import timedelta

import pytest

from tokenfleet.cli.instants import positive, seconds_or_more


def test_durations_are_read() -> None:
    assert positive("--last", "500ms") == timedelta(milliseconds=500)
    assert seconds_or_more("--every", "1m30s") == timedelta(seconds=90)


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (positive, "0s", "--for must be more than 0, not 0s"),
        (seconds_or_more, "999ms", "--for must be 1s or more, not 999ms"),
        (positive, "soon", "^--for: "),
        (seconds_or_more, "soon", "^--for: "),
    ],
)
def test_what_is_no_such_duration_is_refused_by_name(read, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read("--for", text)
