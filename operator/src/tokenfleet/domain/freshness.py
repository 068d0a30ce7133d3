"""Whether an answer is young enough to be believed, by a clock that may be set back."""

from datetime import datetime, timedelta


def is_fresh(asked: datetime | None, at: datetime, age: timedelta) -> bool:
    """Tell whether what was asked at an instant is younger than an age; None: never asked.

    What was asked in the future was asked before the clock was set back, and is old.
    """
    return asked is not None and timedelta(0) <= at - asked < age
