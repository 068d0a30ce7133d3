"""What a starting process waits for, and for how long that is ordinary."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

START_LIMIT: Final = 60.0
"""Seconds. Longer than an API server takes to come back from a rolling update; then a person should
know that this process does nothing."""


@dataclass(slots=True, kw_only=True)
class Startup:
    """Waiting before leadership is competed for."""

    monotonic: Callable[[], float]
    _waiting_for: str = field(default="", init=False)
    _since: float = field(default=0.0, init=False)

    def waits_for(self, what: str) -> None:
        """Note what is waited for; the time runs from the first thing on."""
        if not self._waiting_for:
            self._since = self.monotonic()
        self._waiting_for = what

    def goes_on(self) -> None:
        """Note that everything is there."""
        self._waiting_for = ""

    @property
    def problem(self) -> str:
        """Return what has been waited for too long; empty where nothing has."""
        waited = self.monotonic() - self._since
        if not self._waiting_for or waited < START_LIMIT:
            return ""
        return f"waiting for {self._waiting_for} for {waited:.0f} s"
