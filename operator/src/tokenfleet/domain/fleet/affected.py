"""Which objects must be visited when one object changes.

    InferencePool ---------------,
    EndpointSlice -> Service -> ServingPool -> ModelRoute -> ModelRouter
                        |                        ^               ^ ^
                        |       TokenSLO --------'  child, Pod --' |
                        `-- of a router, by which it is a pool ----'

`references` names what an object points at; the store keeps the reverse of it. `affected` follows
the arrows to the visits that read the changed object. Status of routes and objectives is a view of
what the router visit found, so a pool's change reaches them through the router, not directly.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from tokenfleet.api.conventions import POOL_LABEL, PREFETCH_LABEL, ROUTER_LABEL
from tokenfleet.domain.fleet.fronts import fronted
from tokenfleet.domain.fleet.keys import (
    INFERENCE_POOL,
    NAMESPACE,
    POOL,
    ROUTE,
    ROUTER,
    SLO,
    VISITED,
    ObjectKey,
    controller_of,
    key_of,
)
from tokenfleet.domain.fleet.router_config import services_in
from tokenfleet.domain.fleet.sidecars import discovery, is_carried
from tokenfleet.domain.routing.slices import SERVICE_LABEL

Body = Mapping[str, Any]


class World(Protocol):
    """What is known of the other objects."""

    def get(self, key: ObjectKey) -> Body | None:
        """Return an object, or None where it is not known."""
        ...

    def referring(self, key: ObjectKey) -> Iterable[ObjectKey]:
        """Return the keys of the objects that point at a key."""
        ...


def references(body: Body) -> frozenset[ObjectKey]:
    """Return the keys that an object points at, whether or not they exist."""
    finder = _REFERENCES.get(body["kind"], _owner)
    return frozenset(finder(body))


def service_of(pool: Body) -> ObjectKey:
    """Return the key of the Service that lists a pool's replicas."""
    return next(key for key in references(pool) if key.kind == "Service")


def affected(old: Body | None, new: Body | None, world: World) -> set[ObjectKey]:
    """Return the keys to visit after an object changed from `old` to `new` (None: absent)."""
    if old is not None and new is not None and _same_spec(old, new):
        return {key_of(new)}
    return {key for body in (old, new) if body is not None for key in _readers(body, world)}


def _same_spec(old: Body, new: Body) -> bool:
    """Tell whether at most status or metadata of a visited object changed."""
    generations = {body["metadata"].get("generation") for body in (old, new)}
    uids = {body["metadata"].get("uid") for body in (old, new)}
    return new["kind"] in VISITED and len(generations) == 1 and len(uids) == 1


def _readers(body: Body, world: World) -> set[ObjectKey]:
    """Return every key whose visit reads this object."""
    return _READERS.get(body["kind"], _readers_of_child)(body, world)


def _readers_of_child(body: Body, _: World) -> set[ObjectKey]:
    return _owner(body)


def _readers_of_pod(body: Body, _: World) -> set[ObjectKey]:
    return set(references(body))


def _readers_of_service(body: Body, world: World) -> set[ObjectKey]:
    pools = _pools_of({key_of(body)}, world)
    return _owner(body) | pools | _routers_of_pools(pools, world) | _upstream(fronted(body), world)


def _readers_of_slice(body: Body, world: World) -> set[ObjectKey]:
    services = references(body)
    pools = _pools_of(services, world)
    # A router that keeps what it last resolved may use a Service that no pool names any more.
    running = {key for service in services for key in world.referring(service)} - pools
    configs = (world.get(key) for key in running)
    routers = {key for config in configs if config is not None for key in _owner(config)}
    return pools | _routers_of_pools(pools, world) | routers | _carried(services, world)


def _carried(services: Iterable[ObjectKey], world: World) -> set[ObjectKey]:
    """Return the routers beside applications that count their pods by these Services."""
    bodies = (world.get(key) for key in services)
    owners = {key for body in bodies if body is not None for key in _owner(body)}
    return {key for key in owners if (body := world.get(key)) is not None and is_carried(body)}


def _readers_of_pool(body: Body, world: World) -> set[ObjectKey]:
    routers = _routers_of_pools({key_of(body)}, world)
    return {key_of(body)} | routers | _upstream(routers, world)


def _readers_of_router(body: Body, world: World) -> set[ObjectKey]:
    key = key_of(body)
    return {key} | {route for route in world.referring(key) if route.kind == ROUTE}


def _readers_of_route(body: Body, world: World) -> set[ObjectKey]:
    routers = _routers(body)
    slos = set(world.referring(key_of(body)))
    return {key_of(body)} | routers | slos | _upstream(routers, world)


def _readers_of_namespace(body: Body, world: World) -> set[ObjectKey]:
    routes = set(world.referring(key_of(body)))
    return routes | _routers_of_routes(routes, world)


def _readers_of_slo(body: Body, world: World) -> set[ObjectKey]:
    return {key_of(body)} | _routers_of_routes(references(body), world)


def _owner(body: Body) -> set[ObjectKey]:
    owner = controller_of(body)
    if owner is None or owner.get("kind") not in VISITED:
        return set()
    return {ObjectKey(owner["kind"], body["metadata"].get("namespace", ""), owner["name"])}


def _routers(route: Body) -> set[ObjectKey]:
    return {key for key in references(route) if key.kind == ROUTER}


def _routers_of_routes(routes: Iterable[ObjectKey], world: World) -> set[ObjectKey]:
    bodies = (world.get(key) for key in routes)
    return {router for body in bodies if body is not None for router in _routers(body)}


def _routers_of_pools(pools: Iterable[ObjectKey], world: World) -> set[ObjectKey]:
    return {router for pool in pools for router in _routers_of_routes(world.referring(pool), world)}


def _pools_of(named: Iterable[ObjectKey], world: World) -> set[ObjectKey]:
    return {key for one in named for key in world.referring(one) if key.kind == POOL}


def _upstream(routers: Iterable[ObjectKey], world: World) -> set[ObjectKey]:
    """Return the pools that lead to routers, and the routers that use those, however far away."""
    found: set[ObjectKey] = set()
    waiting = set(routers)
    while waiting:
        router = waiting.pop()
        services = [key for key in world.referring(router) if key.kind == "Service"]
        pools = _pools_of(services, world) - found
        users = _routers_of_pools(pools, world) - found
        found |= pools | users
        waiting |= users
    return found


_READERS: Final[Mapping[str, Callable[[Body, World], set[ObjectKey]]]] = {
    POOL: _readers_of_pool,
    ROUTER: _readers_of_router,
    ROUTE: _readers_of_route,
    SLO: _readers_of_slo,
    NAMESPACE: _readers_of_namespace,
    "EndpointSlice": _readers_of_slice,
    "Service": _readers_of_service,
    "Pod": _readers_of_pod,
    "ReplicaSet": _readers_of_pod,
    INFERENCE_POOL: lambda body, world: _pools_of({key_of(body)}, world),
}


def _of_pool(body: Body) -> Iterable[ObjectKey]:
    namespace, spec = body["metadata"].get("namespace", ""), body.get("spec", {})
    named = spec.get("existing", {}) if spec.get("type") == "Existing" else {}
    existing = named.get("serviceRef", {}).get("name")
    yield ObjectKey("Service", namespace, existing or body["metadata"]["name"])
    if "inferencePoolRef" in named:
        yield ObjectKey(INFERENCE_POOL, namespace, named["inferencePoolRef"]["name"])


def _of_route(body: Body) -> Iterable[ObjectKey]:
    namespace, spec = body["metadata"].get("namespace", ""), body.get("spec", {})
    for parent in spec.get("parentRefs", ()):
        place = parent.get("namespace", namespace)
        yield ObjectKey(ROUTER, place, parent["name"])
        if place != namespace:
            # Whether the router takes it may depend on the labels of this one.
            yield ObjectKey(NAMESPACE, "", namespace)
    for rule in spec.get("rules", ()):
        for reference in (*rule.get("backendRefs", ()), *rule.get("fallbackRefs", ())):
            yield ObjectKey(POOL, namespace, reference["name"])


def _of_slo(body: Body) -> Iterable[ObjectKey]:
    target = body.get("spec", {}).get("targetRef", {}).get("name")
    if target:
        yield ObjectKey(ROUTE, body["metadata"].get("namespace", ""), target)


def _of_slice(body: Body) -> Iterable[ObjectKey]:
    service = body["metadata"].get("labels", {}).get(SERVICE_LABEL)
    if service:
        yield ObjectKey("Service", body["metadata"].get("namespace", ""), service)


def _of_router(body: Body) -> Iterable[ObjectKey]:
    return (discovery(body),) if is_carried(body) else ()


def _of_service(body: Body) -> Iterable[ObjectKey]:
    return _owner(body) | fronted(body)


def _of_config_map(body: Body) -> Iterable[ObjectKey]:
    services = services_in(body.get("data", {})) if _owner(body) else ()
    return _owner(body) | {ObjectKey("Service", *place) for place in services}


def _of_pod(body: Body) -> Iterable[ObjectKey]:
    labels = body["metadata"].get("labels", {})
    for kind, label in ((ROUTER, ROUTER_LABEL), (POOL, POOL_LABEL), (POOL, PREFETCH_LABEL)):
        if label in labels:
            yield ObjectKey(kind, body["metadata"].get("namespace", ""), labels[label])


_REFERENCES: Final[Mapping[str, Callable[[Body], Iterable[ObjectKey]]]] = {
    POOL: _of_pool,
    ROUTE: _of_route,
    SLO: _of_slo,
    "EndpointSlice": _of_slice,
    "Pod": _of_pod,
    "ReplicaSet": _of_pod,
    ROUTER: _of_router,
    "Service": _of_service,
    "ConfigMap": _of_config_map,
}
