"""Small stand-ins for the other ports, and for telemetry."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from tokenfleet.domain.fleet.keys import ObjectKey
from tokenfleet.ports import Acknowledgement, PortError, UserReport

T0 = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


class FakeClock:
    def __init__(self, start: datetime = T0) -> None:
        self.time = start

    def now(self) -> datetime:
        return self.time

    def advance(self, **by: float) -> None:
        self.time += timedelta(**by)


class FakeAgents:
    """Agents by address; an address that is not there does not answer."""

    def __init__(self) -> None:
        self.acknowledgements: dict[str, Acknowledgement] = {}
        self.configurations: dict[str, Mapping[str, str]] = {}
        self.reports: dict[str, UserReport] = {}

    async def acknowledgement(self, address: str) -> Acknowledgement:
        if address not in self.acknowledgements:
            msg = f"agent {address} does not answer"
            raise PortError(msg)
        return self.acknowledgements[address]

    async def configuration(self, address: str, _: ObjectKey) -> Mapping[str, str] | None:
        if address not in self.acknowledgements:
            msg = f"agent {address} does not answer"
            raise PortError(msg)
        return self.configurations.get(address)

    async def users(self, address: str, _: ObjectKey) -> UserReport:
        if address not in self.reports:
            msg = f"agent {address} does not answer"
            raise PortError(msg)
        return self.reports[address]


class CountingTelemetry:
    def __init__(self) -> None:
        self.counts: Counter[tuple[str, ...]] = Counter()

    def visited(self, controller: str, result: str, seconds: float) -> None:
        self.counts["visited", controller, result] += 1

    def wrote(self, kind: str, verb: str) -> None:
        self.counts["wrote", kind, verb] += 1

    def diverged(self, kind: str, count: int) -> None:
        self.counts["diverged", kind] += count

    def ticked(self, seconds: float, *, ok: bool) -> None:
        self.counts["ticked", str(ok)] += 1

    def decided(self, namespace: str, route: str, transition: str) -> None:
        self.counts["decided", transition] += 1
