"""From the API objects of one router to its neutral configuration.

Total: whatever the objects say, the result is a configuration that keeps everything serving that
can serve, and a list of problems for what cannot. One bad reference never takes a route down, one
bad route never the router: what is wrong is left out, and said.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Final, Generic, TypeVar
from urllib.parse import urlsplit

from tokenfleet.api.conditions import ACCEPTED
from tokenfleet.api.units import parse_quantity
from tokenfleet.api.v1alpha1.latency_budget import ROUTERS_OWN, LatencyBudget
from tokenfleet.api.v1alpha1.modelroute import ModelRoute
from tokenfleet.api.v1alpha1.modelrouter import ModelRouter
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.api.v1alpha1.tokenslo import TokenSLO
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.routing import conflicts, deadlines
from tokenfleet.domain.routing.asleep import asleep
from tokenfleet.domain.routing.backing import Backing
from tokenfleet.domain.routing.egress import blocked
from tokenfleet.domain.routing.ir import Attribution, Budget, Failover, Route, RouterConfig, Tracing
from tokenfleet.domain.routing.naming import local_name
from tokenfleet.domain.routing.neighbourhoods import Neighbourhoods
from tokenfleet.domain.routing.reach import unreachable
from tokenfleet.domain.routing.rule_slices import (
    Slice,
    narrowed,
    rule_of_name,
    slice_name,
    slice_of_name,
)
from tokenfleet.domain.routing.rules import CompiledRule, References, pin_problems
from tokenfleet.domain.routing.slicing import Refusal, slicing

_LOGGED: Final = MappingProxyType({"None": "Off", "Errors": "Errors", "All": "All"})
"""Value of `accessLog` -> word of the router's configuration."""

BODY_LIMIT_MIN: Final = 1024
BODY_LIMIT_MAX: Final = 64 * 1024 * 1024
"""Bytes. A body is held in memory while it is read: 64 MiB a request is what a router of 1 GiB can
promise to a dozen of them."""

LABEL_SETS_MAX: Final = 10_000
"""Most combinations of rule, pool, feature and request type on one router. Each costs up to 150
series in Prometheus and about 10 KiB in Envoy once it has seen traffic."""

SAMPLING_WHOLE: Final = 10_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """What one router should run, and what its users should know.

    Routes and pools are called what the router calls them (`naming`).
    """

    config: RouterConfig
    """With the shares as written in spec; `shares.with_shares` applies the shares of now."""
    references: Mapping[tuple[str, str], References]
    """(route, rule) -> what became of the pools that it names; for every rule of `config`."""
    problems: Mapping[str, tuple[Problem, ...]]
    """Route -> problems; routes without any are left out."""
    rivals: Mapping[str, tuple[str, ...]]
    """Route -> what others claim of it in vain, in a sentence each."""
    claims: Mapping[str, str]
    """Public model name -> route that serves it: the incumbents of the next compilation."""
    refused: Mapping[str, Refusal]
    """`namespace/name` of a TokenSLO -> why it does not act on what its selector names."""


@dataclass(frozen=True, slots=True)
class _Noted(Generic[T]):
    """A part of the configuration, and the problems met on the way to it."""

    part: T
    problems: tuple[Problem, ...]


def compile_router(  # noqa: PLR0913 - one for each kind of object, and what runs
    router: ModelRouter,
    routes: Sequence[ModelRoute],
    pools: Mapping[str, ServingPool],
    incumbents: Mapping[str, str],
    backings: Mapping[str, Backing] | None = None,
    *,
    slos: Sequence[TokenSLO],
    slices: Mapping[tuple[str, str], Sequence[Slice]] = MappingProxyType({}),
    unread: Collection[str] = (),
) -> Compiled:
    """Compile everything that one router carries.

    Args:
        router: the router.
        routes: routes that it may carry; those that name other routers only are ignored.
        pools: pools by what the router calls them.
        incumbents: public model name -> route that serves it now.
        backings: the same -> what stands behind it; an absent one is taken as written.
        slos: objectives of the routes; limits that nobody wrote follow from them, and slices.
        slices: (route, rule) -> slices that the router has and that cannot go yet.
        unread: routes that cannot be read; nobody else gets the model names that they serve.
    """
    home = router.metadata.namespace
    own = {local_name(r.metadata.namespace, r.metadata.name, at=home): r for r in routes}
    own = {name: own[name] for name in sorted(own) if _names(own[name], router)}
    stand = Neighbourhoods.of(home, pools, backings or {})
    claims = conflicts.settle(own, incumbents, unread)
    problems = {name: list(lost) for name, lost in claims.problems.items()}
    compiled: list[Route] = []
    references: dict[tuple[str, str], References] = {}
    refused: dict[str, Refusal] = {}
    label_sets, about = 0, _by_route(slos)
    for name, route in own.items():
        names = tuple(n for n in route.spec.model_names if claims.owners[n] == name)
        home_of = route.metadata.namespace
        mine = about.get((home_of, route.metadata.name), ())
        rules = []
        for rule in route.spec.rules:
            one = stand.compiled(rule, home_of)
            left = slices.get((name, rule.name), ())
            cut = slicing(route.metadata.name, one.rule, mine, left)
            refused |= {f"{home_of}/{slo}": why for slo, why in cut.refused.items()}
            rules += [*(_slice(one, part) for part in cut.slices), one]
        noted = _route(name, route, names, rules, mine)
        found = problems.setdefault(name, [])
        found.extend((*noted.problems, *asleep(route.spec.rules, stand.pools_of(home_of))))
        part, wanted = noted.part, _label_sets(noted.part)
        if label_sets + wanted > LABEL_SETS_MAX:
            found.append(_cardinality(wanted, label_sets))
            part = _without_labels(part)
            wanted = _label_sets(part)
        label_sets += wanted
        reached = dict.fromkeys(pool for rule in part.rules for pool in rule.chain)
        found.extend(blocked(router, map(stand.destination, reached)))
        if names:
            compiled.append(part)
            references |= {(part.name, one.rule.name): one.references for one in rules}
    used = sorted({pool for route in compiled for rule in route.rules for pool in rule.chain})
    limit = int(parse_quantity(router.spec.request_body_limit))
    attribution = router.spec.attribution
    config = RouterConfig(
        namespace=router.metadata.namespace,
        name=router.metadata.name,
        attribution=Attribution(
            feature=attribution.feature.header,
            request_type=attribution.request_type.header,
            user=attribution.user.header,
        ),
        body_limit=min(max(limit, BODY_LIMIT_MIN), BODY_LIMIT_MAX),
        allow_origins=tuple(router.spec.cors.allow_origins) if router.spec.cors else (),
        explain=router.spec.explain != "Disabled",
        access_log=_LOGGED[router.spec.access_log or "None"],
        tracing=_tracing(router),
        pools=tuple(stand.destination(pool) for pool in used),
        routes=tuple(compiled),
    )
    return Compiled(
        config=config,
        references=references,
        problems={name: tuple(found) for name, found in problems.items() if found},
        rivals=claims.rivals,
        claims=claims.owners,
        refused=refused,
    )


def _by_route(slos: Iterable[TokenSLO]) -> Mapping[tuple[str, str], Sequence[TokenSLO]]:
    """Return objectives by (namespace, name) of the route that they are about."""
    found: dict[tuple[str, str], list[TokenSLO]] = {}
    for slo in slos:
        place = slo.metadata.namespace, slo.spec.target_ref.name
        found.setdefault(place, []).append(slo)
    return found


def _names(route: ModelRoute, router: ModelRouter) -> bool:
    """Tell whether a route names a router."""
    home, place = router.metadata, route.metadata.namespace
    return any(
        (ref.namespace or place, ref.name) == (home.namespace, home.name)
        for ref in route.spec.parent_refs
    )


def _slice(one: CompiledRule, part: Slice) -> CompiledRule:
    """Return a slice of a rule; its problems are its rule's."""
    name, matches = slice_name(one.rule.name, part), narrowed(one.rule.matches, part)
    return replace(one, rule=replace(one.rule, name=name, matches=matches), problems=())


def _tracing(router: ModelRouter) -> Tracing | None:
    spec = router.spec.tracing
    if spec is None:
        return None
    plain = spec.endpoint.rstrip("/")
    endpoint = spec.endpoint if urlsplit(plain).path else f"{plain}/v1/traces"
    return Tracing(endpoint=endpoint, sampling=int(spec.sampling * SAMPLING_WHOLE))


def _route(
    name: str,
    route: ModelRoute,
    names: tuple[str, ...],
    compiled: Sequence[CompiledRule],
    slos: Sequence[TokenSLO],
) -> _Noted[Route]:
    # What slices select needs labels of its own, too: the loop tells slices apart by them.
    matches = [match for one in compiled for match in one.rule.matches]
    rules = tuple(
        replace(
            one.rule,
            first_token=deadlines.first_token(route, rule_of_name(one.rule.name), slos),
            response=deadlines.response(route, rule_of_name(one.rule.name), slos),
        )
        for one in compiled
    )
    return _Noted(
        Route(
            name=name,
            model_names=names,
            features=_union(route.spec.features, (m.features for m in matches)),
            request_types=_union(route.spec.request_types, (m.request_types for m in matches)),
            rules=rules,
            failover=_failover(route),
            budget=_budget(route.spec.latency_budget),
        ),
        _once(
            [
                *(p for one in compiled for p in one.problems),
                *pin_problems(route),
                *unreachable(route.spec.rules),
            ]
        ),
    )


def _failover(route: ModelRoute) -> Failover:
    spec = route.spec.failover
    return Failover(
        connect_failure="ConnectFailure" in spec.retry_on,
        server_error="ServerError" in spec.retry_on,
        too_many_requests="TooManyRequests" in spec.retry_on,
        attempts=spec.attempts,
        stall_ms=deadlines.stall_ms(spec),
    )


def _budget(spec: LatencyBudget | None) -> Budget | None:
    if spec is None:
        return None
    return Budget(
        total_ms=spec.total // timedelta(milliseconds=1),
        stages=tuple(stage.name for stage in spec.stages if stage.name not in ROUTERS_OWN),
    )


def _label_sets(route: Route) -> int:
    # Slices are counted under their rule's name.
    pools = sum(len(rule.chain) for rule in route.rules if slice_of_name(rule.name).whole)
    return pools * (len(route.features) + 1) * (len(route.request_types) + 1)


def _without_labels(route: Route) -> Route:
    """Count everything as `other`; rules still match on features and request types."""
    return replace(route, features=(), request_types=())


def _cardinality(wanted: int, taken: int) -> Problem:
    return Problem(
        condition=ACCEPTED,
        reason="CardinalityExceeded",
        message=f"rules x pools x features x requestTypes are {wanted} label sets; this router has"
        f" {LABEL_SETS_MAX - taken} of {LABEL_SETS_MAX} left; shorten features or requestTypes"
        " (all count as other meanwhile)",
    )


def _union(declared: Sequence[str], more: Iterable[Sequence[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*declared, *(value for values in more for value in values))))


def _once(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    return tuple(dict.fromkeys(problems))
