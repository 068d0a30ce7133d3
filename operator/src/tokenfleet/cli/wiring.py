"""The composition root: the one place that knows every part."""

import asyncio
import logging
import signal
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from tokenfleet.adapters.agents import HttpRouterFleet
from tokenfleet.adapters.clock import SystemClock
from tokenfleet.adapters.kubernetes import KubernetesCluster, connect
from tokenfleet.adapters.prometheus.measure import measure
from tokenfleet.adapters.prometheus.source import Access, PrometheusSource
from tokenfleet.domain.fleet.keys import POOL, ROUTE, ROUTER, SLO, ObjectKey
from tokenfleet.domain.slo.objectives import ObjectiveSpec
from tokenfleet.domain.slo.observation import Measurement, RouterReplica
from tokenfleet.handlers.election import Elector
from tokenfleet.handlers.probes import Probes
from tokenfleet.handlers.shell import Shell
from tokenfleet.handlers.telemetry import FleetCollector, PrometheusTelemetry
from tokenfleet.ports import Clock, Cluster, NotFoundError, PortError, Resource, RouterFleet
from tokenfleet.reconcilers.applier import Applier
from tokenfleet.reconcilers.events import Recorder
from tokenfleet.reconcilers.pool_visitor import PoolVisitor
from tokenfleet.reconcilers.queue import Queue
from tokenfleet.reconcilers.resources import (
    BY_KIND,
    CUSTOM,
    LEASES,
    MANAGED_SELECTOR,
    MONITORS,
    WATCHED,
)
from tokenfleet.reconcilers.resync import Resync
from tokenfleet.reconcilers.route_visitor import RouteVisitor
from tokenfleet.reconcilers.router_visitor import RouterVisitor
from tokenfleet.reconcilers.slo_tick import Measure, SloTick
from tokenfleet.reconcilers.slo_visitor import SloVisitor
from tokenfleet.reconcilers.store import Store
from tokenfleet.reconcilers.views import Views
from tokenfleet.reconcilers.visits import Visitor, Visits

ASK_AGAIN: Final = 2.0
"""Seconds between looks for kinds that are not served yet."""

QUERY_TIMEOUT: Final = timedelta(seconds=10)
"""Longest wait for one query: a Prometheus that compacts or shares a busy node needs seconds, and a
late answer is still an answer about the instant it was asked for."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `tokenfleet run` was asked for."""

    namespaces: tuple[str, ...]
    """Watched namespaces; empty means all."""
    prometheus_url: str
    """Empty: no measurements."""
    prometheus_token_file: str
    """Bearer token for Prometheus; empty: none."""
    tick: timedelta
    scrape_interval: timedelta
    disable_shifting: bool
    router_image: str
    lease_namespace: str
    lease_name: str
    identity: str
    """Name of this pod."""
    listen: str
    probe_port: int
    metrics_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The outside world behind its ports."""

    cluster: Cluster
    agents: RouterFleet
    clock: Clock
    measure: Measure | None


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
    watched: dict[Resource, str]
    """Watched kinds and their label selectors; PodMonitor joins where the cluster serves it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """All parts of one operator process, put together."""

    core: Core
    shell: Shell
    probes: Probes


async def operate(options: Options) -> int:
    """Run the operator; return the exit status."""
    api = await connect()
    cluster = KubernetesCluster(api, BY_KIND.values(), namespaces=options.namespaces)
    agents = HttpRouterFleet()
    source = _prometheus(options)
    outside = Outside(
        cluster=cluster,
        agents=agents,
        clock=SystemClock(),
        measure=_measure(source, options.scrape_interval) if source is not None else None,
    )
    try:
        return await _run(assemble(options, outside))
    finally:
        if source is not None:
            source.close()
        await agents.close()
        await cluster.close()


async def _run(operator: Operator) -> int:
    core, options = operator.core, operator.core.options
    await operator.probes.start(
        host=options.listen, probe_port=options.probe_port, metrics_port=options.metrics_port
    )
    try:
        if not await _may_lead(core):
            return 0
        await operator.shell.run()
    finally:
        await operator.probes.stop()
    if operator.shell.failed:
        log.error("ending: %s", operator.shell.failed)
    return 1 if operator.shell.failed else 0


def assemble(options: Options, outside: Outside) -> Operator:
    """Put the parts together."""
    core = _core(options, outside)
    tick = SloTick(
        store=core.store,
        measure=outside.measure,
        clock=outside.clock,
        every=options.tick,
        scrape_interval=options.scrape_interval,
        telemetry=core.telemetry,
        wake=core.queue.add,
    )
    resync = Resync(
        outside.cluster, core.store, core.watched, telemetry=core.telemetry, wake=core.queue.add
    )
    shell = Shell(
        store=core.store,
        queue=core.queue,
        visits=_visits(core, tick),
        resync=resync,
        elector=core.elector,
        loops={"slo tick": tick.run},
        watched=core.watched,
        namespaces=options.namespaces,
    )
    core.telemetry.registry.register(
        FleetCollector(core.store, core.views, depth=core.queue.__len__, leads=core.elector.leads)
    )
    probes = Probes(
        healthy=lambda: "" if resync.healthy else "the watches miss changes",
        ready=lambda: (
            "" if resync.synced.is_set() or not core.elector.leads() else "not synced yet"
        ),
        metrics=core.telemetry.text,
    )
    return Operator(core=core, shell=shell, probes=probes)


def _core(options: Options, outside: Outside) -> Core:
    queue: Queue[ObjectKey] = Queue()
    return Core(
        options=options,
        outside=outside,
        queue=queue,
        store=Store(queue.add),
        views=Views(queue.add),
        telemetry=PrometheusTelemetry(),
        elector=Elector(
            outside.cluster,
            outside.clock,
            lease=(LEASES, options.lease_namespace, options.lease_name),
            # A restarted container has its pod's name again, and is another process.
            identity=f"{options.identity}_{uuid.uuid4()}",
            monotonic=time.monotonic,
        ),
        watched=dict(WATCHED),
    )


def _visits(core: Core, tick: SloTick) -> Visits:
    outside, options = core.outside, core.options

    def pod_monitors() -> bool:
        return MONITORS in core.watched

    router = RouterVisitor(
        store=core.store,
        agents=outside.agents,
        views=core.views,
        clock=outside.clock,
        telemetry=core.telemetry,
        measurement=lambda: tick.newest,
        pod_monitors=pod_monitors,
        image=options.router_image,
        shifting=not options.disable_shifting,
    )
    visitors: dict[str, Visitor] = {
        POOL: PoolVisitor(store=core.store, clock=outside.clock, pod_monitors=pod_monitors),
        ROUTER: router,
        ROUTE: RouteVisitor(store=core.store, views=core.views, clock=outside.clock),
        SLO: SloVisitor(store=core.store, views=core.views, clock=outside.clock),
    }
    applier = Applier(
        outside.cluster, core.store, telemetry=core.telemetry, may_write=core.elector.leads
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
        clock=outside.clock,
        telemetry=core.telemetry,
    )


async def _may_lead(core: Core) -> bool:
    """Wait until this process leads; False where it is told to stop before."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    leading = asyncio.create_task(_lead(core))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({leading, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not stop.is_set():
        leading.result()
        return True
    leading.cancel()
    await asyncio.gather(leading, return_exceptions=True)
    await core.elector.release()
    return False


async def _lead(core: Core) -> None:
    # Kopf looks for the kinds once, when it starts: they must be there by then.
    for resource in CUSTOM:
        while not await _serves(core.outside.cluster, resource):
            log.warning("waiting for the custom resource definition of %s", resource.kind)
            await asyncio.sleep(ASK_AGAIN)
    if await _serves(core.outside.cluster, MONITORS):
        core.watched[MONITORS] = MANAGED_SELECTOR
    await core.elector.acquire()


async def _serves(cluster: Cluster, resource: Resource) -> bool:
    """Tell whether the API server knows a kind; waits for a server that does not answer."""
    while True:
        try:
            await cluster.list(resource, label_selector=MANAGED_SELECTOR)
        except NotFoundError:
            return False
        except PortError as error:
            log.warning("waiting for the API server: %s", error)
            await asyncio.sleep(ASK_AGAIN)
        else:
            return True


def _measure(source: PrometheusSource, scrape_interval: timedelta) -> Measure:
    async def run(
        objectives: Sequence[ObjectiveSpec], replicas: Sequence[RouterReplica], at: datetime
    ) -> Measurement:
        return await measure(
            source,
            objectives=objectives,
            replicas=replicas,
            at=at,
            scrape_interval=scrape_interval,
        )

    return run


def _prometheus(options: Options) -> PrometheusSource | None:
    if not options.prometheus_url:
        return None
    token = options.prometheus_token_file
    access = Access(
        url=options.prometheus_url,
        bearer_token_file=Path(token) if token else None,
        timeout=QUERY_TIMEOUT,
    )
    return PrometheusSource(access)
