"""Probes answer from the loop that does the work."""

import httpx

from e2e.kit.ports import free_port
from tokenfleet.handlers.probes import Check, Probes


async def test_probes_and_metrics() -> None:
    why_not = {"health": "", "readiness": "not synced yet"}
    probes = Probes(
        healthy=lambda: [Check("watches", why_not["health"])],
        ready=lambda: [
            Check("sync", why_not["readiness"]),
            Check("namespace b", "forbidden", decides=False),
        ],
        metrics=lambda: b"up 1\n",
    )
    first, second = free_port(), free_port()
    await probes.start(host="127.0.0.1", probe_port=first, metrics_port=second)
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        health = await client.get(f"http://127.0.0.1:{first}/healthz")
        ready = await client.get(f"http://127.0.0.1:{first}/readyz")
        why_not["readiness"] = ""
        verbose = await client.get(f"http://127.0.0.1:{first}/readyz?verbose")
        metrics = await client.get(f"http://127.0.0.1:{second}/metrics")
    await probes.stop()

    assert (health.status_code, health.text) == (200, "ok\n")
    assert (ready.status_code, ready.text) == (503, "not synced yet\n")
    assert (metrics.status_code, metrics.text) == (200, "up 1\n")
    assert (verbose.status_code, verbose.text) == (
        200,
        "[+]sync ok\n[-]namespace b: forbidden\ncheck passed\n",
    )
