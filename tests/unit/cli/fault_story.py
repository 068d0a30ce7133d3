"""A story with decisions (a pin, a pool without endpoints) and edits, told with failing writes.

What is claimed, told and counted is held against what is stored, at every write and at the end.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.support.fake_cluster import FakeCluster, Fault
from tests.unit.cli.operator_bench import FLEET, Bench, bare
from tests.unit.domain.fleet.builders import managed_pool, route
from tokenfleet.domain.fleet import router_config
from tokenfleet.domain.fleet.keys import VISITED, ObjectKey, key_of
from tokenfleet.domain.fleet.notes import Words, transition_notes, words
from tokenfleet.domain.fleet.plan import EventNote
from tokenfleet.ports import Body, ConflictError, PortError, RefusedError

PIN = {
    "type": "Pinned",
    "pinned": {
        "until": "2027-01-01T00:00:00Z",
        "rules": [
            {
                "name": "slow",
                "pools": [{"name": "large", "weight": 1}, {"name": "small", "weight": 3}],
            }
        ],
    },
}

FAULTS = {
    "409": Fault(ConflictError("the object has been modified")),
    "422": Fault(RefusedError("admission webhook denied the request")),
    "500": Fault(PortError("failed calling webhook")),
    "timeout": Fault(PortError("no answer in 30 s"), acted=True),
}

ROUNDS = 3
"""Half minutes between two steps of the story: one to decide, one to fail, one to mend."""

Shares = dict[str, dict[str, int]]


class Story:
    """The fleet, what was ever stored, and what was claimed without ever having been stored."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.bench.watch()
        self.writes = 0
        self.revisions = {0}
        self.shares: list[Shares] = [{}]
        self.decisions: dict[str, EventNote] = {}
        self.lies: list[str] = []
        self.bench.cluster.watchers.append(self._witness)

    async def tell(self) -> None:
        """Go through the whole story."""
        for step in self.steps:
            step()
            await self.bench.settle(ROUNDS)

    @property
    def steps(self) -> tuple[Callable[[], None], ...]:
        """What users and nodes do, one after the other."""
        return self.created, self.pinned, self.unpinned, self.emptied, self.edited

    def fail(self, number: int, fault: Fault) -> None:
        """Let the write of this number fail, counted from 1."""

        def decide(_: str, body: Body) -> Fault | None:
            if body["kind"] == "Lease":
                return None
            self.writes += 1
            return fault if self.writes == number else None

        self.bench.cluster.fault = decide

    def die(self, number: int, *, acted: bool) -> None:
        """Let the process end at the write of this number: nothing that follows is done."""

        def decide(_: str, body: Body) -> Fault | None:
            if body["kind"] == "Lease":
                return None
            self.writes += 1
            if self.writes < number:
                return None
            return Fault(PortError("the process is gone"), acted=acted and self.writes == number)

        self.bench.cluster.fault = decide

    def created(self) -> None:
        for body in FLEET:
            self.bench.cluster.put(body)

    def pinned(self) -> None:
        self.bench.cluster.put(bare(route(trafficControl=PIN)))

    def unpinned(self) -> None:
        self.bench.cluster.put(bare(route()))

    def emptied(self) -> None:
        slices = self.bench.cluster.objects["EndpointSlice", "ns", "large-1"]
        self.bench.cluster.put({**slices, "endpoints": []})

    def edited(self) -> None:
        self.bench.cluster.put(bare(route(modelNames=["chat", "more"])))
        self.bench.cluster.put(bare({**managed_pool("large"), "spec": _two_replicas()}))

    def _witness(self, _: str, body: dict[str, Any]) -> None:
        if body["kind"] == "ConfigMap" and body["metadata"]["name"] == "default-config":
            held = router_config.read(body["data"])
            self.revisions.add(held.revision)
            self.shares.append(shares_in(held))
            self.decisions |= {note.id: note for note in held.untold}
        status = body.get("status", {})
        if body["kind"] == "ModelRouter" and status.get("configRevision", 0) not in self.revisions:
            self.lies.append(f"revision {status['configRevision']} was never stored")
        if body["kind"] == "ModelRoute" and shares_told(status) not in self.shares:
            self.lies.append(f"shares {shares_told(status)} were never stored")

    def events(self) -> Counter[str]:
        """Return note -> how often it was told, for notes about decisions."""
        told: Counter[str] = Counter()
        for (kind, _, _), body in self.bench.cluster.objects.items():
            if kind == "Event" and body["action"] == "SetShares":
                told[body["message"]] += body["count"]
        return told

    def counted(self) -> dict[str, float]:
        """Return transition -> `tokenfleet_decisions_total`."""
        registry = self.bench.operator.core.telemetry.registry
        counts: Counter[str] = Counter()
        for family in registry.collect():
            for sample in family.samples if family.name == "tokenfleet_decisions" else ():
                if sample.name.endswith("_total"):
                    counts[sample.labels["transition"]] += sample.value  # type: ignore[assignment]
        return dict(counts)

    def holds_together(self) -> None:
        """Hold everything against what is stored."""
        held = self.bench.held()
        assert self.lies == []
        assert self.bench.status("ModelRouter", "default")["configRevision"] == held.revision
        assert shares_told(self.bench.status("ModelRoute", "chat")) == shares_in(held)
        assert held.untold == ()
        assert self.events() == Counter(note.note for note in self.decisions.values())


class Readiness:
    """What every object said of its conditions, and what people were told of them."""

    def __init__(self, cluster: FakeCluster) -> None:
        self._cluster = cluster
        self._said: dict[ObjectKey, Words] = {}
        self._expected: Counter[tuple[str, str, str]] = Counter()
        cluster.watchers.append(self._witness)

    def _witness(self, _: str, body: dict[str, Any]) -> None:
        if body["kind"] not in VISITED:
            return
        key, status = key_of(body), body.get("status", {})
        before = self._said.get(key, {})
        for note in transition_notes(before, status):
            self._expected[key.kind, key.name, note.reason] += 1
        self._said[key] = {**before, **words(status)}

    def expected(self) -> Counter[tuple[str, str, str]]:
        """Return (kind, name, reason) -> how often the stored status changed to it."""
        return Counter(self._expected)

    def told(self) -> Counter[tuple[str, str, str]]:
        """Return the same for Events."""
        told: Counter[tuple[str, str, str]] = Counter()
        for (kind, _, _), body in self._cluster.objects.items():
            if kind == "Event" and body["action"] == "Observe":
                about, count = body["involvedObject"], body["count"]
                told[about["kind"], about["name"], body["reason"]] += count
        return told


def _two_replicas() -> dict[str, Any]:
    return {**managed_pool("large")["spec"], "replicas": 2}


def shares_in(held: router_config.Held) -> Shares:
    routes = held.document.config.routes if held.document is not None else ()
    return {
        rule.name: {share.pool: share.share for share in rule.shares}
        for found in routes
        for rule in found.rules
    }


def shares_told(status: Body) -> Shares:
    return {
        rule["name"]: {share["name"]: share["share"] for share in rule["shares"]}
        for rule in status.get("rules", ())
    }


async def whole(number: int = 0, fault: Fault = FAULTS["500"]) -> Story:
    story = Story()
    story.fail(number, fault)
    await story.tell()
    return story


def always(verb: str, kind: str, fault: Fault) -> Callable[[str, Body], Fault | None]:
    """Let every such write fail."""

    def decide(v: str, body: Body) -> Fault | None:
        return fault if (v, body["kind"]) == (verb, kind) else None

    return decide
