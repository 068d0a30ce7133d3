"""Problems: what keeps an object from doing what its spec says, and what its user can do about it.

A problem is a value that travels from the place that notices it to a condition of the object. What
the outside world does wrong is not a problem but a `PortError`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing a user can fix."""

    condition: str
    """Condition type that turns False, one of `tokenfleet.api.conditions`."""
    reason: str
    """CamelCase reason of that condition; part of the API."""
    message: str
    """Lower case; names the object, the number and the remedy."""
