"""Environment variables that engines share.

A container that runs as a user without a home and with a read-only root needs every cache named;
without that engines stop at `/.cache`, `/.config` or `/.triton`.
"""

from collections.abc import Mapping
from typing import Any

from tokenfleet.api.v1alpha1.servingpool import Managed, ServingPool
from tokenfleet.domain.pools import caches, models


def homes(managed: Managed) -> dict[str, str]:
    """Return who the engine is and where it writes, as every program asks."""
    return {
        "HOME": caches.SCRATCH,
        "USER": "engine",  # torch asks who it is; the user has no entry in /etc/passwd
        "XDG_CACHE_HOME": f"{caches.SCRATCH}/cache",
        "XDG_CONFIG_HOME": f"{caches.SCRATCH}/config",
        "HF_HOME": f"{caches.root(managed)}/huggingface",
    }


def kernels(managed: Managed) -> dict[str, str]:
    """Return where engines that use PyTorch keep what they compile."""
    compiled = caches.compiled(managed)
    return {
        "TORCHINDUCTOR_CACHE_DIR": f"{compiled}/torchinductor",
        "TRITON_CACHE_DIR": f"{compiled}/triton",
        "NUMBA_CACHE_DIR": f"{compiled}/numba",
        "OUTLINES_CACHE_DIR": f"{caches.SCRATCH}/cache/outlines",
        "FLASHINFER_WORKSPACE_BASE": compiled,
    }


def offline(pool: ServingPool) -> dict[str, str]:
    """Return what keeps the engine from the hub where nothing has to be fetched."""
    return {"HF_HUB_OFFLINE": "1"} if models.offline(pool) else {}


def listed(pool: ServingPool, values: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return a container's `env`: the operator's values, the hub's token, then the user's own.

    Args:
        pool: whose user may replace some of the values.
        values: the operator's, by name.
    """
    given = {variable.name for variable in pool.managed.engine.env}
    plain: list[dict[str, Any]] = [
        {"name": key, "value": value} for key, value in values.items() if key not in given
    ]
    secret: list[dict[str, Any]] = [
        {
            "name": models.TOKEN,
            "valueFrom": {"secretKeyRef": {"name": reference.name, "key": reference.key}},
        }
        for reference in models.tokens(pool)[:1]
    ]
    return [*plain, *secret, *(variable.wire() for variable in pool.managed.engine.env)]
