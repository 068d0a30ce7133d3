"""Rules whose fallbacks are all scaled to 0: nothing can stand in before one of them has started.

Whether an autoscaler wakes them is not known here, so it is told and nothing is called wrong: the
condition has no part in `Ready`.
"""

from collections.abc import Iterable, Iterator, Mapping

from tokenfleet.api.conditions import FALLBACK_AVAILABLE
from tokenfleet.api.v1alpha1.modelroute import RouteRule
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.fleet.problems import Problem


def asleep(rules: Iterable[RouteRule], pools: Mapping[str, ServingPool]) -> Iterator[Problem]:
    """Yield a problem for each rule whose fallbacks all have 0 replicas.

    Args:
        rules: of one route.
        pools: of its namespace, by name; one that does not exist is said elsewhere.
    """
    for rule in rules:
        named = [pools[ref.name] for ref in rule.fallback_refs if ref.name in pools]
        if not named or not all(map(_is_asleep, named)):
            continue
        names = ", ".join(pool.metadata.name for pool in named)
        have = "fallback {} has" if len(named) == 1 else "fallbacks {} have"
        yield Problem(
            condition=FALLBACK_AVAILABLE,
            reason="ScaledToZero",
            message=f"nothing can stand in for the backends of rule {rule.name}: its"
            f" {have.format(names)} 0 replicas; raise spec.replicas, unless an autoscaler does when"
            " requests come",
        )


def _is_asleep(pool: ServingPool) -> bool:
    return pool.spec.type == "Managed" and pool.spec.replicas == 0
