"""Whether a router's own NetworkPolicy lets it reach the providers that its routes use."""

from collections.abc import Iterable

from tokenfleet.api.conditions import RESOLVED_REFS
from tokenfleet.api.v1alpha1.modelrouter import ModelRouter
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.routing.ir import Pool


def blocked(router: ModelRouter, pools: Iterable[Pool]) -> tuple[Problem, ...]:
    """Return a problem for each provider that the router cannot connect to.

    Args:
        router: the router.
        pools: of one route, as the router knows them.
    """
    access = router.spec.managed.network_policy
    if router.spec.type == "Sidecar" or access is None:
        return ()
    return tuple(
        Problem(
            condition=RESOLVED_REFS,
            reason="ProviderBlocked",
            message=f"ServingPool {pool.name} is at port {pool.site.port}, which the NetworkPolicy"
            f" of ModelRouter {router.metadata.name} does not open: add it to"
            " spec.managed.networkPolicy.providerPorts",
        )
        for pool in pools
        if pool.site is not None and pool.site.port not in access.provider_ports
    )
