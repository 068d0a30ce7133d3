"""The life of one operator process: adapters, probes, waiting, leading, ending."""

import asyncio
import gc
import logging
import signal
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from tokenfleet.adapters.agents import HttpRouterFleet
from tokenfleet.adapters.clock import SystemClock
from tokenfleet.adapters.kubernetes import KubernetesCluster, connect
from tokenfleet.adapters.kubernetes.reviews import Reviews
from tokenfleet.adapters.kubernetes.tokens import AgentTokens
from tokenfleet.adapters.prometheus.history import History
from tokenfleet.adapters.prometheus.latency_stages import stages_took
from tokenfleet.adapters.prometheus.lookback import Lookback
from tokenfleet.adapters.prometheus.measure import measure
from tokenfleet.adapters.prometheus.path_shares import requests_taken
from tokenfleet.adapters.prometheus.source import PrometheusSource
from tokenfleet.adapters.prometheus.timeline import RoutePast
from tokenfleet.adapters.prometheus.used import used
from tokenfleet.cli.wiring import Core, Operator, Options, Outside, assemble
from tokenfleet.domain.slo.objectives.spec import Promise
from tokenfleet.domain.slo.observation.measurement import Measurement, RouterReplica
from tokenfleet.handlers.console import Console
from tokenfleet.ports import PortError, Resource
from tokenfleet.reconcilers.console_reader import ConsoleReader
from tokenfleet.reconcilers.resources import BY_KIND, CUSTOM, OPTIONAL
from tokenfleet.reconcilers.slo_tick import Measure

ASK_AGAIN: Final = 2.0
"""Seconds between looks for kinds that are not served yet."""

YOUNG: Final = 20_000
"""Objects that may be made before the cyclic collector looks at them. At Python's 700 it walked
through what a tick makes and the store again and again, for 40 % of the CPU of a tick of 1,000
objectives. At ten times as many, what Kopf leaves of each event (views that hold each other, and
with them the object of somebody else) piled up to 25 MiB during the first LIST (make bench)."""

log = logging.getLogger(__name__)


async def operate(options: Options) -> int:
    """Run the operator; return the exit status."""
    collect_rarely()
    api = await connect()
    cluster = KubernetesCluster(api, BY_KIND.values(), namespaces=options.namespaces)
    prove = AgentTokens(cluster, options.account) if options.account else None
    agents = HttpRouterFleet(prove=prove)
    source = PrometheusSource(options.prometheus) if options.prometheus is not None else None
    outside = Outside(
        cluster=cluster,
        agents=agents,
        clock=SystemClock(),
        measure=_measure(source, options.scrape_interval) if source is not None else None,
        look_back=Lookback(source) if source is not None else None,
        budgets=History(source) if source is not None else None,
        taken=partial(requests_taken, source) if source is not None else None,
        used=partial(used, source) if source is not None else None,
        took=partial(stages_took, source) if source is not None else None,
    )
    operator = assemble(options, outside)
    cluster.on_answer = operator.vitals.answered
    console = _console(options, cluster, source)
    try:
        await console.start(host=options.listen, port=options.console_port)
        return await _run(operator)
    finally:
        await console.stop()
        if source is not None:
            source.close()
        await agents.close()
        await cluster.close()


def _console(
    options: Options, cluster: KubernetesCluster, source: PrometheusSource | None
) -> Console:
    past = RoutePast(source) if source is not None else None
    clock = SystemClock()
    return Console(
        ConsoleReader(cluster, clock, past),
        Reviews(cluster, clock, options.namespaces),
        token=options.console_token,
    )


def collect_rarely() -> None:
    """Let the cyclic collector look less often."""
    gc.set_threshold(YOUNG)


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
        while not await _serves(core, resource):
            core.startup.waits_for(f"the custom resource definition of {resource.kind}")
            log.warning("waiting for the custom resource definition of %s", resource.kind)
            await asyncio.sleep(ASK_AGAIN)
    for resource, selector in OPTIONAL.items():
        if await _serves(core, resource) and await _answered(
            core, partial(core.optional.take_in, resource, selector)
        ):
            core.optional.note(resource, served=True)
            core.watched[resource] = selector
    core.startup.goes_on()
    await core.elector.acquire()


async def _serves(core: Core, resource: Resource) -> bool:
    """Tell whether the API server knows a kind."""
    return await _answered(core, partial(core.outside.cluster.serves, resource))


async def _answered(core: Core, ask: Callable[[], Awaitable[bool]]) -> bool:
    """Return what the API server says; waits for one that does not answer."""
    while True:
        try:
            return await ask()
        except PortError as error:
            core.startup.waits_for(f"the API server ({error})")
            log.warning("waiting for the API server: %s", error)
            await asyncio.sleep(ASK_AGAIN)


def _measure(source: PrometheusSource, scrape_interval: timedelta) -> Measure:
    before: Measurement | None = None

    async def run(
        objectives: Sequence[Promise],
        replicas: Sequence[RouterReplica],
        at: datetime,
        *,
        split: bool,
    ) -> Measurement:
        nonlocal before
        measured = await measure(
            source,
            objectives=objectives,
            replicas=replicas,
            at=at,
            scrape_interval=scrape_interval,
            before=before,
            split=split,
        )
        before = measured if measured.failure is None else before
        return measured

    return run
