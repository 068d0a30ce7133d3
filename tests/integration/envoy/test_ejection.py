"""Which ends of attempts take a replica out, as Envoy counts its ejections."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.integration.envoy.configuration import configuration
from tests.integration.envoy.pools import Pools
from tests.integration.envoy.router import Router
from tests.integration.envoy.scripted import (
    SSE,
    Cut,
    End,
    Pause,
    Reset,
    Script,
    Scripted,
    Seen,
    token,
)
from tokenfleet.domain.routing.ir import RouterConfig

pytestmark = pytest.mark.envoy

PATIENT = configuration({"large": 1000, "small": 0}, timeout_ms=60_000, stall_ms=60_000)
"""With limits that nothing meets here, however slow the machine is."""
HASTY = configuration({"large": 1000, "small": 0}, timeout_ms=60_000, stall_ms=300)
STRIKES = 3
MOST_ASKS = 200


async def ejections(pools: Pools) -> int:
    """Return how often a replica of the large pool has gone out."""
    name = "cluster.large.outlier_detection.ejections_enforced_total"
    answer = await pools.router.admin.get("/stats", params={"filter": f"^{name}$"})
    return int(answer.text.rpartition(": ")[2] or 0)


async def two_replicas(
    stack: AsyncExitStack, folder: Path, script: Script, config: RouterConfig = PATIENT
) -> tuple[Pools, Scripted]:
    """Return a router over a replica with this script, its sister, and another pool."""
    bad = Scripted(script)
    pools = Pools(Router(folder), [bad, Scripted()])
    for server in (*pools.large, *pools.small):
        await stack.enter_async_context(server.serving())
    stack.push_async_callback(pools.router.stop)
    await pools.serve(config)
    return pools, bad


@pytest.mark.parametrize(
    ("breaks", "config"),
    [
        pytest.param((Cut,), PATIENT, id="cut"),
        pytest.param((Reset,), PATIENT, id="reset"),
        pytest.param((Pause(60),), HASTY, id="silent"),
    ],
)
async def test_a_replica_that_breaks_streams_after_their_first_token_is_ejected(
    tmp_path: Path, breaks: Script, config: RouterConfig
) -> None:
    """Three clients see a broken stream; the next ones are answered by the sister, then it is out.

    Envoy itself counts the last reset, and no silence: it ejects after two refusals, or three.
    """
    async with AsyncExitStack() as stack:
        script = (SSE, token("a"), Pause(0.1), *breaks)
        pools, bad = await two_replicas(stack, tmp_path, script, config)
        seen: list[Seen] = []
        while not await ejections(pools):
            seen.append(await pools.ask())
            assert len(seen) < MOST_ASKS

        assert [one.whole for one in seen].count(False) == STRIKES
        assert {(one.status, one.pool) for one in seen} == {(200, "large")}
        refused = (await pools.outcomes()).count(("large", "connect"))
        assert refused in {STRIKES - 1, STRIKES}
        assert len(bad.requests) == STRIKES + refused


async def test_streams_that_the_engine_itself_ends_badly_do_not_take_it_out(
    tmp_path: Path,
) -> None:
    """As a 500, such an end follows the request, and nobody else is to lose a replica by it."""
    async with AsyncExitStack() as stack:
        pools, bad = await two_replicas(stack, tmp_path, (SSE, token("a"), Pause(0.1), End))
        while len(bad.requests) <= 2 * STRIKES:
            await pools.ask()

        assert await ejections(pools) == 0
        assert ("large", "connect") not in await pools.outcomes()
