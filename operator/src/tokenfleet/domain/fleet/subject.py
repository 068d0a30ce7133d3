"""A file of objects as kept in git: objectives, and what they are about, ready for a step.

The objects are compiled and turned into rules by the operator's own code. A ModelRouter may be left
out: routes then hang on a router with defaults.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from tokenfleet.api.conventions import Model
from tokenfleet.api.v1alpha1.modelroute import ModelRoute
from tokenfleet.api.v1alpha1.modelrouter import ModelRouter
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.api.v1alpha1.tokenslo import TokenSLO
from tokenfleet.domain.fleet.documents import UnfitError, documents, is_a, read
from tokenfleet.domain.fleet.facts import pool_facts
from tokenfleet.domain.fleet.steering import promise_of, targets
from tokenfleet.domain.routing.compile import compile_router
from tokenfleet.domain.slo.objectives.spec import LevelObjective, ObjectiveSpec
from tokenfleet.domain.slo.observation.measurement import PoolFacts, RuleKey, RuleTarget

M = TypeVar("M", bound=Model)
Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One router: what one step decides."""

    namespace: str
    router: str
    rules: tuple[RuleTarget, ...]
    objectives: tuple[ObjectiveSpec, ...]
    levels: tuple[LevelObjective, ...] = ()
    pools: Mapping[str, PoolFacts]
    """`namespace/pool` -> capacity and prices as declared, and the replicas to assume where none
    were recorded."""
    slices: tuple[RuleKey, ...] = ()
    """Parts of rules that an objective with a selector would act on; models and recordings know
    rules as they are written, not what objectives make of them."""
    problems: tuple[str, ...] = ()
    """What the operator would say about the routes; they are replayed without what is wrong."""


@dataclass(frozen=True, slots=True)
class _File:
    """The objects of one namespace, by name."""

    slos: Mapping[str, TokenSLO]
    routes: Mapping[str, ModelRoute]
    pools: Mapping[str, ServingPool]
    routers: Mapping[str, ModelRouter]


def subjects(text: str, *, namespace: str) -> tuple[Subject, ...]:
    """Read YAML documents, as `subjects_of` reads objects.

    Raises:
        UnfitError: as there, or it is no YAML.
    """
    return subjects_of(documents(text), namespace=namespace)


def subjects_of(objects: Iterable[Body], *, namespace: str) -> tuple[Subject, ...]:
    """Return one subject per router that an objective reaches.

    Args:
        objects: as `documents` returns them; kinds of others are ignored.
        namespace: of objects that name none.

    Raises:
        UnfitError: an object cannot be read, or something it needs is not there.
    """
    bodies = [_placed(body, namespace) for body in objects]
    if not any(is_a("TokenSLO", body) for body in bodies):
        msg = "the file holds no TokenSLO; name the one that holds it with -f too"
        raise UnfitError(msg)
    found: list[Subject] = []
    for name in sorted({body["metadata"]["namespace"] for body in bodies}):
        mine = [body for body in bodies if body["metadata"]["namespace"] == name]
        found += _subjects(name, _file(mine))
    return tuple(found)


def _placed(body: Body, namespace: str) -> Body:
    metadata = body["metadata"]
    return {**body, "metadata": {**metadata, "namespace": metadata.get("namespace") or namespace}}


def _file(bodies: Sequence[Body]) -> _File:
    return _File(
        slos=_read(TokenSLO, bodies),
        routes=_read(ModelRoute, bodies),
        pools=_read(ServingPool, bodies),
        routers=_read(ModelRouter, bodies),
    )


def _read(model: type[M], bodies: Iterable[Body]) -> dict[str, M]:
    return {
        item.metadata.name: item  # type: ignore[attr-defined]
        for item in read(model, bodies)
    }


def _subjects(namespace: str, file: _File) -> Iterable[Subject]:
    for slo in file.slos.values():
        _check(slo, file)
    wanted = {slo.spec.target_ref.name for slo in file.slos.values()}
    parents = {name: route.spec.parent_refs[0].name for name, route in file.routes.items()}
    for router in sorted({parents[name] for name in wanted}):
        routes = [route for name, route in file.routes.items() if parents[name] == router]
        yield _subject(
            namespace, file, file.routers.get(router) or _plain(namespace, router), routes
        )


def _check(slo: TokenSLO, file: _File) -> None:
    """Say what an objective needs and the file does not hold."""
    target = slo.spec.target_ref
    route = file.routes.get(target.name)
    if route is None:
        msg = (
            f"TokenSLO {slo.metadata.name} is about ModelRoute {target.name}, which is not in the"
            " file"
        )
        raise UnfitError(msg)
    rules = {rule.name: rule for rule in route.spec.rules}
    if target.section_name is not None and target.section_name not in rules:
        msg = f"ModelRoute {target.name} has no rule {target.section_name}, only {', '.join(rules)}"
        raise UnfitError(msg)
    for name, rule in rules.items():
        if target.section_name not in {None, name}:
            continue
        pools = [
            *(ref.name for ref in rule.backend_refs),
            *(ref.name for ref in rule.fallback_refs),
        ]
        missing = next((pool for pool in pools if pool not in file.pools), None)
        if missing is not None:
            msg = (
                f"rule {name} of ModelRoute {target.name} uses ServingPool {missing}, which is not"
                " in the file"
            )
            raise UnfitError(msg)


def _subject(
    namespace: str, file: _File, router: ModelRouter, routes: Sequence[ModelRoute]
) -> Subject:
    compiled = compile_router(router, routes, file.pools, {}, slos=tuple(file.slos.values()))
    names = {route.metadata.name for route in routes}
    slos = [slo for slo in file.slos.values() if slo.spec.target_ref.name in names]
    parts = targets(namespace, routes, compiled)
    rules = tuple(rule for rule in parts if rule.key == rule.base)
    problems = tuple(
        f"ModelRoute {name}: {problem.message}"
        for name, found in sorted(compiled.problems.items())
        for problem in found
    )
    served = {(rule.key.route, rule.key.rule) for rule in rules}
    routed = {rule.key.route for rule in rules}
    for slo in slos:
        target = slo.spec.target_ref
        if target.name not in routed or (
            target.section_name is not None and (target.name, target.section_name) not in served
        ):
            msg = next(iter(problems), f"ModelRoute {target.name} cannot be routed")
            raise UnfitError(msg)
    promises = [_promise(slo) for slo in slos]
    return Subject(
        namespace=namespace,
        router=router.metadata.name,
        rules=rules,
        objectives=tuple(slo for slo in promises if isinstance(slo, ObjectiveSpec)),
        levels=tuple(slo for slo in promises if isinstance(slo, LevelObjective)),
        pools={f"{namespace}/{name}": _facts(pool) for name, pool in file.pools.items()},
        slices=tuple(part.key for part in parts if part.key != part.base),
        problems=problems,
    )


def _promise(slo: TokenSLO) -> ObjectiveSpec | LevelObjective:
    try:
        return promise_of(slo)
    except ValueError as error:
        msg = f"TokenSLO {slo.metadata.name}: {error}"
        raise UnfitError(msg) from error


def _facts(pool: ServingPool) -> PoolFacts:
    # What an autoscaler owns is not in git, and servers of others have no replicas at all: one.
    replicas = (pool.spec.replicas or 1) if pool.spec.type == "Managed" else 1
    return replace(pool_facts(pool, replicas), desired=replicas)


def _plain(namespace: str, name: str) -> ModelRouter:
    return ModelRouter.model_validate(
        {"metadata": {"name": name, "namespace": namespace}, "spec": {"type": "Managed"}}
    )
