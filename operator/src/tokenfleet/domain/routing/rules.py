"""From one rule of a route to the router's rule, and what became of its references."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from tokenfleet.api.conditions import RESOLVED_REFS
from tokenfleet.api.v1alpha1.modelroute import (
    BackendReference,
    FallbackReference,
    ModelRoute,
    RouteRule,
    RuleMatch,
)
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.routing.backing import Backing, Use, backing_of
from tokenfleet.domain.routing.compatibility import objection
from tokenfleet.domain.routing.ir import AdapterUse, Match, Rule
from tokenfleet.domain.routing.shares import contiguous, largest_remainder

POOL_NOT_IN_RULE = "PoolNotInRule"
"""Reason of a pin that names a pool which its rule has not."""

MEANWHILE = "until then the rule serves as it last resolved, and by its other pools if it never did"


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """What became of the pools that a rule names."""

    weights: tuple[int, ...]
    """Weights of the backends: the first pools of the rule's chain. The rest are fallbacks."""
    resolved: bool
    """Whether every one of them can be used."""
    barred: frozenset[str] = frozenset()
    """Pools that the rule must let go of, also where it keeps what it resolved to before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRule:
    """One rule, as far as it can serve."""

    rule: Rule
    references: References
    problems: tuple[Problem, ...]


def compile_rule(
    rule: RouteRule, pools: Mapping[str, ServingPool], backings: Mapping[str, Backing]
) -> CompiledRule:
    """Compile one rule by the pools that it can use.

    Args:
        rule: as the user wrote it.
        pools: pools of the namespace by name.
        backings: pool name -> what stands behind it; an absent one is taken as written.
    """
    stand = _standing(rule, pools, backings)
    barred = {name for name, backing in stand.items() if backing.use is Use.BARRED}
    adapters = {ref.name: ref.adapter for ref in _references(rule) if ref.adapter is not None}
    problems, usable = [], set()
    for name in _named(rule):
        found = _unresolved(rule.name, name, stand)
        allowed = name in stand and stand[name].use is Use.ALLOWED
        if found is None and allowed and name in adapters:
            found = _adapter_not_found(rule.name, pools[name], adapters[name])
            allowed = found is None
        problems += [found] if found is not None else []
        usable |= {name} if allowed else set()
    weights = {ref.name: ref.weight for ref in rule.backend_refs if ref.name in usable}
    backends = [pools[name] for name in weights]
    fallbacks = []
    for name in (ref.name for ref in rule.fallback_refs if ref.name in usable):
        problem = objection(rule, backends, pools[name])
        if problem is None:
            fallbacks.append(name)
        else:
            problems.append(problem)
            barred.add(name)
    if weights and not any(weights.values()):
        weights[next(iter(weights))] = 1
    shares = {**weights, **dict.fromkeys(fallbacks, 0)}
    if fallbacks and not weights:
        shares[fallbacks[0]] = 1
    return CompiledRule(
        rule=Rule(
            name=rule.name,
            matches=tuple(_match(match) for match in rule.matches),
            ranges=contiguous(largest_remainder(shares)) if shares else (),
            chain=tuple(shares),
            first_token=None,
            response=None,
            adapters=tuple(
                AdapterUse(pool=name, adapter=adapters[name]) for name in shares if name in adapters
            ),
        ),
        references=References(
            weights=tuple(weights.values()), resolved=not problems, barred=frozenset(barred)
        ),
        problems=tuple(problems),
    )


def _standing(
    rule: RouteRule, pools: Mapping[str, ServingPool], backings: Mapping[str, Backing]
) -> dict[str, Backing]:
    """Return what stands behind the pools that a rule names; those that do not exist are absent."""
    named = _named(rule)
    stand = {name: backing_of(pools[name], backings) for name in named if name in pools}
    # A pool whose spec cannot be read exists all the same.
    return stand | {name: backings[name] for name in named if name in backings}


def pin_problems(route: ModelRoute) -> list[Problem]:
    """Return what is wrong with the pools that a route pins: names that their rules have not."""
    pinned = route.spec.traffic_control.pinned
    rules = {rule.name: rule for rule in route.spec.rules}
    found = []
    for pin in pinned.rules if pinned is not None else ():
        rule = rules.get(pin.name)
        names = _named(rule) if rule is not None else ()
        for stranger in (ref.name for ref in pin.pools if ref.name not in names):
            text = (
                f"trafficControl.pinned names ServingPool {stranger} for rule {pin.name}, which has"
                f" only {', '.join(names)}; correct it; until then the rule's shares stay"
            )
            found.append(Problem(condition=RESOLVED_REFS, reason=POOL_NOT_IN_RULE, message=text))
    return found


def _named(rule: RouteRule) -> tuple[str, ...]:
    """Return the pools that a rule names, in the order in which they are tried."""
    return tuple(ref.name for ref in _references(rule))


def _references(rule: RouteRule) -> tuple[BackendReference | FallbackReference, ...]:
    return (*rule.backend_refs, *rule.fallback_refs)


def _adapter_not_found(rule: str, pool: ServingPool, adapter: str) -> Problem | None:
    known = [one.name for one in pool.spec.served.adapters]
    if adapter in known:
        return None
    listed = f"only {', '.join(known)}" if known else "none"
    return Problem(
        condition=RESOLVED_REFS,
        reason="AdapterNotFound",
        message=f"rule {rule} names adapter {adapter} of ServingPool {pool.metadata.name}, whose"
        f" served.adapters has {listed}; add it or correct the reference; {MEANWHILE}",
    )


def _match(match: RuleMatch) -> Match:
    return Match(
        features=tuple(match.features),
        request_types=tuple(match.request_types),
        bytes_min=match.request_bytes.min if match.request_bytes else None,
        bytes_max=match.request_bytes.max if match.request_bytes else None,
        tools=None if match.tools is None else match.tools == "Present",
        stream=None if match.stream is None else match.stream == "Present",
        left_max_ms=match.remaining_budget.max // timedelta(milliseconds=1)
        if match.remaining_budget
        else None,
    )


def _unresolved(rule: str, pool: str, stand: Mapping[str, Backing]) -> Problem | None:
    """Return why a pool cannot be used as it is; None: it can."""
    if pool not in stand:
        return Problem(
            condition=RESOLVED_REFS,
            reason="PoolNotFound",
            message=f"rule {rule} names ServingPool {pool}, which does not exist in this"
            f" namespace; create it or correct the reference; {MEANWHILE}",
        )
    problem = stand[pool].problem
    if problem is None:
        return None
    return Problem(
        condition=RESOLVED_REFS,
        reason="PoolNotAccepted",
        message=f"rule {rule} names ServingPool {pool}, which is not accepted"
        f" ({problem.reason}: {problem.message}); {MEANWHILE}",
    )
