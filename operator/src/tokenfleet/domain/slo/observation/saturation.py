"""Saturation: what engines say themselves of how full they are.

Declared capacity is a promise, and what a shift does to a fallback shows in its attempts only
afterwards. An engine whose KV cache is full, or whose queue does not drain, says beforehand that it
can take no more: then nothing more is sent to it. It is never a reason to take something back; for
that its attempts must be bad.

The limits are means over the shortest window and over all engines of the pool: one engine of many
that is full for a moment is what balancing by least requests is for.
"""

from collections.abc import Mapping
from typing import Final

from tokenfleet.domain.slo.observation.measurement import EngineLoad

KV_CACHE: Final = 0.95
"""Part of the KV cache in use from which vLLM soon preempts requests. Blocks that are only kept in
case that a prefix comes again count as free (vLLM: `vllm:kv_cache_usage_perc`)."""
WAITING: Final = 5.0
"""Requests that wait for each engine (`vllm:num_requests_waiting`); the limit at which the Gateway
API's inference extension calls an endpoint saturated."""

NOBODY_WAITS: Final = 0.2
"""Requests that wait for each engine, in the mean, below which load is no reason to be slow."""


def full(engine_loads: Mapping[tuple[str, str], EngineLoad], namespace: str, pool: str) -> str:
    """Return why a pool can take no more; empty where it can, or says nothing."""
    seen = engine_loads.get((namespace, pool))
    if seen is None:
        return ""
    if seen.kv_cache is not None and seen.kv_cache >= KV_CACHE:
        return f"{seen.kv_cache:.0%} of the KV cache of {pool} is in use"
    if seen.waiting is not None and seen.waiting >= WAITING:
        return f"{seen.waiting:.1f} requests wait for each engine of {pool}"
    return ""


def queueing(loads: Mapping[tuple[str, str], EngineLoad], namespace: str, pool: str) -> bool | None:
    """Tell whether requests wait in a pool's engines; None where they do not say."""
    seen = loads.get((namespace, pool))
    if seen is None or seen.waiting is None:
        return None
    return seen.waiting >= NOBODY_WAITS
