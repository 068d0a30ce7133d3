"""What the loops tell the outside about themselves, free of any metrics client."""

from typing import Protocol


class Telemetry(Protocol):
    """Counts and gauges, by the names that controller-runtime made known."""

    def visited(self, controller: str, result: str, seconds: float) -> None:
        """One visit ended; result is success, error, conflict or refused."""
        ...

    def wrote(self, kind: str, verb: str) -> None:
        """One call changed (or confirmed) an object."""
        ...

    def diverged(self, kind: str, count: int) -> None:
        """A resync found copies that the watch had missed."""
        ...

    def ticked(self, seconds: float, *, ok: bool) -> None:
        """One tick of measurements ended."""
        ...

    def decided(self, namespace: str, route: str, transition: str) -> None:
        """The control loop took one transition, on a rule of this ModelRoute."""
        ...
