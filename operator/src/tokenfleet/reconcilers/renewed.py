"""Answers over an hour, asked for every few minutes and believed until they are too old."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

from tokenfleet.domain.freshness import is_fresh
from tokenfleet.domain.slo.observation.measurement import Failure
from tokenfleet.ports import PortError

EVERY: Final = timedelta(minutes=5)
"""Between two questions: a twelfth of the hour."""

OLDEST: Final = timedelta(minutes=15)
"""Age from which an answer is no answer any more: three questions in a row have failed."""

NOBODY: Final = Failure("SourceError", "the operator runs without --prometheus-url")

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Renewed(Generic[T]):
    """One question."""

    answer: T | None = None
    """None: nothing is known."""
    failure: Failure = NOBODY
    """Why nothing is known."""
    _asked_at: datetime | None = None
    _known_at: datetime | None = None

    def due(self, at: datetime, *, every: timedelta = EVERY) -> bool:
        """Tell whether it is time to ask."""
        return not is_fresh(self._asked_at, at, every)

    async def ask(self, at: datetime, question: Callable[[], Awaitable[T]]) -> None:
        """Ask.

        Raises:
            PortError: the store failed.
        """
        self._asked_at = at
        try:
            self.answer, self._known_at = await question(), at
        except PortError as error:
            self.failure = Failure("SourceError", str(error))
            known = self._known_at
            if known is not None and not timedelta(0) <= at - known <= OLDEST:
                self.answer = None
            raise
