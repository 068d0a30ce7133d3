"""Tokenfleet's router before the wall, as its users write it: every limit is a default.

A pool with two replicas for each fault, its fallback, and an objective for the first token: what
the quick start of the documentation sets up.
"""

from __future__ import annotations

from typing import Any, Final

from tests.bench.failover.faults import FALLBACK, FAULTS, Fault
from tokenfleet.api.v1alpha1.modelroute import ModelRoute
from tokenfleet.api.v1alpha1.modelrouter import ModelRouter
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.api.v1alpha1.tokenslo import TokenSLO
from tokenfleet.domain.routing.compile import compile_router
from tokenfleet.domain.routing.ir import RouterConfig

ROUTER: Final = ModelRouter.model_validate({"metadata": {"name": "default"}})
WINDOW: Final = 8192
"""Of the pools that fail, as the wall says; the fallbacks have a larger one."""


def config() -> RouterConfig:
    """Compile the objects."""
    pools = {fault.model: _pool(fault.model, WINDOW) for fault in FAULTS}
    pools |= {name: _pool(name, 16 * WINDOW) for name in {fault.fallback for fault in FAULTS}}
    routes = [_route(fault) for fault in FAULTS] + [_plain(FALLBACK)]
    slos = [_objective(fault.model) for fault in FAULTS]
    compiled = compile_router(ROUTER, routes, pools, {}, slos=slos)
    assert not any(compiled.problems.values()), compiled.problems
    return compiled.config


def _pool(name: str, window: int) -> ServingPool:
    return ServingPool.model_validate(
        {
            "metadata": {"name": name},
            "spec": {
                "type": "Existing",
                "served": {"modelName": name, "contextWindow": window},
                "existing": {"serviceRef": {"name": name, "port": 8000}},
            },
        }
    )


def _route(fault: Fault) -> ModelRoute:
    return _plain(fault.model, fallbackRefs=[{"name": fault.fallback}])


def _plain(model: str, **more: Any) -> ModelRoute:
    rule = {"name": "all", "backendRefs": [{"name": model}], **more}
    return ModelRoute.model_validate(
        {
            "metadata": {"name": model, "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {
                "parentRefs": [{"name": "default"}],
                "modelNames": [model],
                "rules": [rule],
            },
        }
    )


def _objective(model: str) -> TokenSLO:
    latency = {"signal": "TimeToFirstToken", "threshold": "1s", "target": "0.95"}
    return TokenSLO.model_validate(
        {
            "metadata": {"name": model},
            "spec": {
                "targetRef": {"name": model},
                "objective": {"type": "Latency", "latency": latency},
            },
        }
    )
