"""A router whose primary `large` has been shifted to 40 %, and edits of its rules.

An edit is followed by the plan of the next visit; `ramps` lets time pass in which all is well.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.unit.domain.fleet.builders import (
    T0,
    owned_by,
    pool,
    replica,
    route,
    router,
    seen,
    service,
    slices,
    slo,
)
from tokenfleet.domain.fleet import router_config
from tokenfleet.domain.fleet.plan import EventNote
from tokenfleet.domain.fleet.router_config import Held
from tokenfleet.domain.fleet.router_visit import plan_router
from tokenfleet.domain.fleet.steering import promises_of
from tokenfleet.domain.routing.ir import RouterConfig
from tokenfleet.domain.slo.control.memory import LoopMemory, RuleMemory, State
from tokenfleet.domain.slo.objectives.spec import ObjectiveSpec
from tokenfleet.domain.slo.observation.measurement import (
    Cell,
    Measurement,
    RuleKey,
    RuleMeasurement,
    Scrapes,
    Tally,
    Usage,
    UsageCell,
)

TICK = timedelta(seconds=15)
LARGEST_STEP = 250
"""Buckets of a primary with all the weight; what a step of a recovery moves at most."""

SHIFTED = LoopMemory(
    state=State.SHIFTED,
    w=0.4,
    fallback="small",
    cause="ttft",
    dwell=210,
    changed_at=T0 + timedelta(minutes=59),
)
"""A minute ago: no step is due yet."""


def rule(name: str = "slow", *, fallbacks: tuple[str, ...] = ("small",), **weights: int) -> Any:
    backends = [{"name": p.replace("_", "-"), "weight": w} for p, w in weights.items()]
    return {
        "name": name,
        "backendRefs": backends,
        "fallbackRefs": [{"name": pool} for pool in fallbacks],
    }


def objective(**changes: Any) -> dict[str, Any]:
    """About the route as a whole, so that it goes on judging when rules are renamed."""
    return slo(**{"targetRef": {"name": "chat", "sectionName": "slow"}, **changes})


class Fleet:
    """Visits one router tick by tick; its replicas acknowledge at once."""

    def __init__(self, *rules: dict[str, Any], loops: dict[str, LoopMemory] | None = None) -> None:
        self.now = T0 + timedelta(hours=1)
        self.routes = [route(rules=list(rules) or [rule(large=1)])]
        self.slos = [objective()]
        self.data: dict[str, str] = {}
        self.told: set[str] = set()
        self.notes: list[EventNote] = []
        self.gone: set[str] = set()
        """Pools without endpoints."""
        self.barred: set[str] = set()
        """Pools whose Service is this very router."""
        self.elsewhere: tuple[dict[str, str], ...] = ()
        """What other routers hold."""
        self.shifting = True
        """The operator-wide switch."""
        self.pools: dict[str, dict[str, Any]] = {}
        """Specs of pools that are not replicas behind a Service of their name."""
        self.tokens = 0.0
        """Prompt tokens of each request."""
        self.types = ("",)
        """Request types that attempts are measured by; one empty name: not split."""
        self.visit()
        held = router_config.read(self.data)
        loops = loops if loops is not None else {"large": SHIFTED}
        self.data = router_config.write(
            replace(held, memory={"ns/chat/slow": RuleMemory(loops=loops)})
        )
        self.visit()
        self.notes.clear()

    def edit(self, *rules: dict[str, Any], **spec: Any) -> dict[str, int]:
        """Apply the route with these rules; return the shares of its first rule after one visit."""
        self.routes = [route(rules=list(rules), **spec)]
        self.visit()
        return self.shares(rules[0]["name"])

    def visit(self) -> None:
        stored = None
        if self.data:
            metadata = {
                "name": "default-config",
                "namespace": "ns",
                "resourceVersion": "7",
                "ownerReferences": [owned_by(router())],
            }
            stored = {"kind": "ConfigMap", "metadata": metadata, "data": self.data}
        names = {
            ref["name"]
            for found in self.routes
            for one in found["spec"]["rules"]
            for ref in (*one["backendRefs"], *one.get("fallbackRefs", ()))
        }
        plan = plan_router(
            seen(
                stored=stored,
                elsewhere=self.elsewhere,
                routes=tuple(self.routes),
                pools=tuple(pool(name, **self.pools.get(name, {})) for name in sorted(names)),
                services={name: service(name) for name in names},
                slices={name: slices(name, 0 if name in self.gone else 2) for name in names},
                loops=dict.fromkeys(self.barred, ("default",)),
                slos=tuple(self.slos),
                replicas=(replica(applied=10**6),),
                acknowledged_at=self.now,
                measurement=self.measured(),
                told=frozenset(self.told),
                shifting=self.shifting,
                now=self.now,
            )
        )
        self.view = plan.view
        if plan.replace is not None:
            self.data = dict(plan.replace["data"])
        self.notes += plan.events
        self.told |= {note.id for note in plan.events}

    def measured(self) -> Measurement:
        """Everything is well: each pool of each rule answers four good requests a second."""
        spec = next(p for p in promises_of([slo()]) if isinstance(p, ObjectiveSpec))
        thresholds = (spec.threshold, timedelta(seconds=1))
        windows = {
            w: Tally(dict.fromkeys(thresholds, 4 * w.total_seconds()), {}) for w in spec.windows.all
        }
        rules = {}
        for found in self.routes:
            for one in found["spec"]["rules"]:
                refs = (*one["backendRefs"], *one.get("fallbackRefs", ()))
                cells = tuple(
                    Cell(pool=ref["name"], request_type=kind, windows=windows)
                    for kind in self.types
                    for ref in refs
                )
                key = RuleKey("ns", found["metadata"]["name"], one["name"])
                flows = {("", kind): 8.0 / len(self.types) for kind in self.types if kind}
                rules[key] = RuleMeasurement(
                    cells=cells,
                    demand=8.0,
                    flows=flows,
                    usage=tuple(self.used(ref["name"], spec) for ref in refs),
                )
        scraped = Scrapes(
            successes={w: w.total_seconds() / 15 for w in spec.windows.all}, newest=self.now
        )
        return Measurement(at=self.now, rules=rules, replicas={("ns", "pod-0"): scraped})

    def used(self, name: str, spec: ObjectiveSpec) -> UsageCell:
        windows = {
            w: Usage(requests=4 * w.total_seconds(), prompt=4 * w.total_seconds() * self.tokens)
            for w in spec.windows.levels
        }
        return UsageCell(pool=name, windows=windows)

    def held(self) -> Held:
        return router_config.read(self.data)

    def running(self) -> RouterConfig:
        document = self.held().document
        assert document is not None
        return document.config

    def shares(self, name: str = "slow", of: str = "chat") -> dict[str, int]:
        routes = {found.name: found for found in self.running().routes}
        rules = {found.name: found for found in routes[of].rules}
        return {share.pool: share.share for share in rules[name].shares}

    def reasons(self) -> list[str]:
        return [note.reason for note in self.notes]

    def ramps(self, name: str, to: dict[str, int], *, of: str = "chat") -> None:
        """Let time pass until shares are `to`; no backend may gain more than a step at once."""
        last, until = self.shares(name, of), self.now + timedelta(hours=2)
        while (shares := self.shares(name, of)) != to:
            self.now += TICK
            assert self.now < until, shares
            self.visit()
            shares = self.shares(name, of)
            for backend in to.keys() - {"small", "tiny"}:
                assert shares[backend] - last[backend] <= LARGEST_STEP, (self.now, last, shares)
            last = shares
