"""The composition root: how the parts of one operator process fit together."""

import time
import uuid
from dataclasses import dataclass
from datetime import timedelta

from tokenfleet.adapters.prometheus.access import Access
from tokenfleet.domain.fleet.keys import POOL, ROUTE, ROUTER, SLO, ObjectKey
from tokenfleet.domain.fleet.platform import Platform
from tokenfleet.domain.fleet.slo_pace import Pace
from tokenfleet.handlers.condition_metrics import ConditionCollector
from tokenfleet.handlers.declared_metrics import DeclaredCollector
from tokenfleet.handlers.election import Elector
from tokenfleet.handlers.engine_metrics import EngineCollector
from tokenfleet.handlers.probes import Check, Probes
from tokenfleet.handlers.shell import Shell
from tokenfleet.handlers.stage_metrics import StageCollector
from tokenfleet.handlers.startup import Startup
from tokenfleet.handlers.telemetry import FleetCollector, PrometheusTelemetry
from tokenfleet.handlers.vitals import Vitals
from tokenfleet.handlers.workqueue import WorkqueueMetrics
from tokenfleet.ports import Clock, Cluster, Resource, RouterFleet
from tokenfleet.reconcilers.applier import Applier
from tokenfleet.reconcilers.events import Recorder
from tokenfleet.reconcilers.latency_stages import AskTook, LatencyStages
from tokenfleet.reconcilers.leases import Leases
from tokenfleet.reconcilers.marks import Marks
from tokenfleet.reconcilers.money import AskUsed, Money
from tokenfleet.reconcilers.optional_kinds import OptionalKinds
from tokenfleet.reconcilers.path_shares import AskTaken, PathShares
from tokenfleet.reconcilers.pool_visitor import PoolVisitor
from tokenfleet.reconcilers.queue import Queue
from tokenfleet.reconcilers.replicas import Replicas
from tokenfleet.reconcilers.resources import (
    INFERENCE_POOLS,
    LEADER_WORKER_SETS,
    LEASES,
    MONITORS,
    NAMESPACES,
    OPTIONAL,
    WATCHED,
)
from tokenfleet.reconcilers.resync import Resync
from tokenfleet.reconcilers.route_visitor import RouteVisitor
from tokenfleet.reconcilers.router_visitor import RouterVisitor
from tokenfleet.reconcilers.services import Services
from tokenfleet.reconcilers.slo_lookback import Budgets, LookBack, SloLookback
from tokenfleet.reconcilers.slo_tick import Measure, SloTick
from tokenfleet.reconcilers.slo_visitor import SloVisitor
from tokenfleet.reconcilers.store import Store
from tokenfleet.reconcilers.user_ledger import UserLedger
from tokenfleet.reconcilers.views import Views
from tokenfleet.reconcilers.visits import Visitor, Visits


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `tokenfleet run` was asked for."""

    namespaces: tuple[str, ...]
    """Watched namespaces; empty means all."""
    prometheus: Access | None
    """None: no measurements."""
    tick: timedelta
    scrape_interval: timedelta
    disable_shifting: bool
    router_image: str
    fixed_ids: bool
    """Whether pods name their user and group."""
    lease_namespace: str
    lease_name: str
    account: str
    """Service account of this pod, as `system:serviceaccount:NAMESPACE:NAME`; empty: none."""
    identity: str
    """Name of this pod."""
    listen: str
    probe_port: int
    metrics_port: int
    console_port: int
    """0: no console."""
    console_token: bool
    """Whether the console answers only who brings a token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The outside world behind its ports."""

    cluster: Cluster
    agents: RouterFleet
    clock: Clock
    measure: Measure | None
    look_back: LookBack | None = None
    budgets: Budgets | None = None
    taken: AskTaken | None = None
    used: AskUsed | None = None
    took: AskTook | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """The parts that most other parts need."""

    options: Options
    outside: Outside
    queue: Queue[ObjectKey]
    store: Store
    views: Views
    telemetry: PrometheusTelemetry
    elector: Elector
    startup: Startup
    path_shares: PathShares
    money: Money
    latency_stages: LatencyStages
    me: str
    """What the operator is known by to others: its Lease, as NAMESPACE/NAME."""
    watched: dict[Resource, str]
    """Watched kinds and their label selectors; those of others join where the cluster serves them
    when the operator starts."""
    optional: OptionalKinds


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """All parts of one operator process, put together."""

    core: Core
    shell: Shell
    probes: Probes
    vitals: Vitals


def assemble(options: Options, outside: Outside) -> Operator:
    """Put the parts together."""
    core = _core(options, outside)
    replicas = Replicas(store=core.store, clock=outside.clock)
    tick = SloTick(
        store=core.store,
        replicas=replicas,
        measure=outside.measure,
        clock=outside.clock,
        every=options.tick,
        scrape_interval=options.scrape_interval,
        telemetry=core.telemetry,
        wake=core.queue.add,
    )
    lookback = SloLookback(
        store=core.store,
        look_back=outside.look_back,
        budgets=outside.budgets,
        path_shares=core.path_shares,
        money=core.money,
        latency_stages=core.latency_stages,
        clock=outside.clock,
        every=options.tick,
    )
    users = _users(core, replicas)
    resync = Resync(
        outside.cluster,
        core.store,
        lambda: core.optional.served({**core.watched, **OPTIONAL}),
        telemetry=core.telemetry,
        wake=core.queue.add,
        namespaces=options.namespaces,
    )
    vitals = Vitals(core.telemetry.registry, blind=lambda: resync.blind, age=lambda: resync.age)
    shell = Shell(
        store=core.store,
        queue=core.queue,
        visits=_visits(core, tick, resync, replicas, users),
        resync=resync,
        elector=core.elector,
        loops={
            "slo tick": tick.run,
            "slo lookback": lookback.run,
            "users": users.run,
            "optional kinds": core.optional.run,
            "loop lag": vitals.run,
        },
        watched=core.watched,
        optional=core.optional,
        namespaces=options.namespaces,
    )
    core.telemetry.registry.register(ConditionCollector(core.store))
    core.telemetry.registry.register(StageCollector(core.latency_stages))
    core.telemetry.registry.register(DeclaredCollector(core.store))
    core.telemetry.registry.register(EngineCollector(lambda: tick.acceptances))
    core.telemetry.registry.register(
        FleetCollector(
            core.store,
            core.views,
            core.path_shares,
            leads=core.elector.leads,
            burn_rates=outside.look_back.rates if outside.look_back is not None else dict,
        )
    )
    probes = Probes(
        healthy=lambda: _health(resync),
        ready=lambda: _readiness(core, resync),
        metrics=core.telemetry.text,
    )
    return Operator(core=core, shell=shell, probes=probes, vitals=vitals)


def _core(options: Options, outside: Outside) -> Core:
    telemetry = PrometheusTelemetry()
    watched_queue = WorkqueueMetrics(telemetry.registry)
    queue: Queue[ObjectKey] = Queue(listener=watched_queue)
    watched_queue.look_at(queue)
    store = Store(queue.add)
    return Core(
        options=options,
        outside=outside,
        queue=queue,
        store=store,
        views=Views(queue.add),
        telemetry=telemetry,
        elector=Elector(
            outside.cluster,
            outside.clock,
            lease=(LEASES, options.lease_namespace, options.lease_name),
            # A restarted container has its pod's name again, and is another process.
            identity=f"{options.identity}_{uuid.uuid4()}",
            monotonic=time.monotonic,
        ),
        startup=Startup(monotonic=time.monotonic),
        path_shares=PathShares(store=store, ask=outside.taken, wake=queue.add),
        money=Money(store=store, ask=outside.used),
        latency_stages=LatencyStages(store=store, ask=outside.took, wake=queue.add),
        me=f"{options.lease_namespace}/{options.lease_name}",
        # Whoever may see some namespaces only may not list all of them.
        watched=dict(WATCHED) if options.namespaces else {**WATCHED, NAMESPACES: ""},
        optional=OptionalKinds(outside.cluster, store, queue.add, namespaces=options.namespaces),
    )


def _users(core: Core, replicas: Replicas) -> UserLedger:
    return UserLedger(
        store=core.store,
        replicas=replicas,
        agents=core.outside.agents,
        cluster=core.outside.cluster,
        clock=core.outside.clock,
        may_write=core.elector.leads,
        me=core.me,
    )


def _visits(
    core: Core, tick: SloTick, resync: Resync, replicas: Replicas, users: UserLedger
) -> Visits:
    outside, options = core.outside, core.options

    def platform() -> Platform:
        return Platform(
            pod_monitors=core.optional.serves(MONITORS),
            inference_pools=core.optional.serves(INFERENCE_POOLS),
            leader_worker_sets=core.optional.serves(LEADER_WORKER_SETS),
            fixed_ids=options.fixed_ids,
            operator_namespace=options.lease_namespace,
            operator_account=options.account,
        )

    services = Services(cluster=outside.cluster, store=core.store)
    router = RouterVisitor(
        store=core.store,
        replicas=replicas,
        services=services,
        agents=outside.agents,
        views=core.views,
        clock=outside.clock,
        telemetry=core.telemetry,
        measurement=lambda: core.money.added(tick.newest),
        platform=platform,
        image=options.router_image,
        shifting=not options.disable_shifting,
    )
    visitors: dict[str, Visitor] = {
        POOL: PoolVisitor(
            store=core.store,
            services=services,
            views=core.views,
            clock=outside.clock,
            platform=platform,
            acceptances=lambda: tick.acceptances,
        ),
        ROUTER: router,
        ROUTE: RouteVisitor(
            store=core.store,
            views=core.views,
            clock=outside.clock,
            measured=core.path_shares.shares,
            stages=core.latency_stages.of,
        ),
        SLO: SloVisitor(
            store=core.store,
            views=core.views,
            clock=outside.clock,
            budgets=outside.budgets.budgets if outside.budgets is not None else dict,
            paths=core.path_shares.views,
            users=users.spent,
            pace=Pace(tick=options.tick, scrape=options.scrape_interval),
        ),
    }
    applier = Applier(
        outside.cluster,
        core.store,
        telemetry=core.telemetry,
        may_write=core.elector.leads,
        clock=outside.clock,
        optional=core.optional,
    )
    recorder = Recorder(
        outside.cluster, outside.clock, instance=options.identity, telemetry=core.telemetry
    )
    return Visits(
        queue=core.queue,
        store=core.store,
        visitors=visitors,
        applier=applier,
        recorder=recorder,
        marks=Marks(
            me=core.me,
            store=core.store,
            applier=applier,
            recorder=recorder,
            leases=Leases(outside.cluster, outside.clock),
        ),
        clock=outside.clock,
        telemetry=core.telemetry,
        sees=resync.sees,
    )


def _health(resync: Resync) -> list[Check]:
    return [Check("watches", "" if resync.healthy else "the watches miss changes")]


def _readiness(core: Core, resync: Resync) -> list[Check]:
    """Say whether this process does its work, or could take it over."""
    leads = core.elector.leads()
    behind = leads and not resync.synced.is_set()
    return [
        Check("start", core.startup.problem),
        Check("sync", "not synced yet" if behind else ""),
        # What is missing then is missed by nobody's requests.
        *(
            Check(f"kind {kind}", why, decides=False)
            for kind, why in sorted(core.optional.lost.items())
        ),
        # One namespace that cannot be seen must not take the others' operator away.
        *(
            Check(f"namespace {name}" if name else "cluster", why, decides=not name)
            for name, why in sorted(resync.blind.items())
        ),
    ]
