"""What a router's routes and objectives refer to, gathered from the store."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tokenfleet.domain.fleet.affected import references, service_of
from tokenfleet.domain.fleet.aims import resolves
from tokenfleet.domain.fleet.keys import NAMESPACE, POOL, ROUTE, ROUTER, SLO, ObjectKey, key_of
from tokenfleet.domain.fleet.loops import way_back
from tokenfleet.domain.fleet.ownership import runs_for
from tokenfleet.domain.fleet.router_config import Held, UnreadableConfigError, read
from tokenfleet.domain.routing.admission import admits
from tokenfleet.domain.routing.naming import local_name, place_of
from tokenfleet.ports import Body
from tokenfleet.reconcilers.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Referred:
    """The fields of a RouterSnapshot that follow references; see there."""

    routes: tuple[Body, ...]
    pools: tuple[Body, ...]
    services: Mapping[str, Body]
    loops: Mapping[str, tuple[str, ...]]
    slices: Mapping[str, tuple[Body, ...]]
    slos: tuple[Body, ...]


def used_services(store: Store, router: ObjectKey, stored: Body | None) -> set[ObjectKey]:
    """Return the Services of a router's pools, and of what it runs; arguments as in `referred`."""
    held = _held(stored)
    routes = (*_taken_routes(store, router), *_kept_routes(store, router, held))
    body = store.get(router)
    named = set(references(body)) if body is not None else set()
    named |= {service_of(pool) for pool in _named(store, routes)}
    running = held.document.config.pools if held.document is not None else ()
    home = router.namespace
    return named | {ObjectKey("Service", *place_of(pool.service, at=home)) for pool in running}


def referred(store: Store, router: ObjectKey, stored: Body | None) -> Referred:
    """Follow the references to and from a router.

    Args:
        store: what is known.
        router: the router.
        stored: its `<router>-config`; None where there is none.
    """
    held = _held(stored)
    routes = (*_taken_routes(store, router), *_kept_routes(store, router, held))
    pools = _named(store, routes)
    services = {service_of(pool) for pool in pools}
    listed = used_services(store, router, stored)

    def local(key: ObjectKey) -> str:
        return local_name(key.namespace, key.name, at=router.namespace)

    loops = {local(key_of(pool)): way_back(pool, store) for pool in pools}
    return Referred(
        routes=routes,
        pools=pools,
        services={local(key): body for key in services if (body := store.get(key)) is not None},
        loops={name: way for name, way in loops.items() if way},
        slices={local(key): store.referring_bodies(key, "EndpointSlice") for key in sorted(listed)},
        slos=tuple(_objectives(store, router.namespace, routes, held)),
    )


def takes(store: Store, router: Body, route: ObjectKey) -> bool:
    """Tell whether a router takes a route that names it."""
    namespace = store.get(ObjectKey(NAMESPACE, "", route.namespace))
    labels = namespace["metadata"].get("labels", {}) if namespace is not None else None
    return admits(router, route.namespace, labels)


def _taken_routes(store: Store, router: ObjectKey) -> tuple[Body, ...]:
    """Return the routes that name a router and that it takes."""
    body = store.get(router)
    routes = store.referring_bodies(router, ROUTE)
    return tuple(r for r in routes if body is not None and takes(store, body, key_of(r)))


def replicas_of(store: Store, router: Body) -> tuple[Body, ...]:
    """Return the pods of a router, by owner references."""
    pods = store.referring_bodies(key_of(router), "Pod")
    return tuple(pod for pod in pods if runs_for(pod, router, store.get))


def _held(stored: Body | None) -> Held:
    try:
        return read(stored.get("data", {})) if stored is not None else Held()
    except UnreadableConfigError:
        return Held()


def _kept_routes(store: Store, router: ObjectKey, held: Held) -> list[Body]:
    """Return routes that the router runs and takes, and that name a router that does not exist.

    A typo in parentRefs takes a route from nobody: who carried it last goes on. Routes that name
    routers that exist have moved.
    """
    running = held.document.config.routes if held.document is not None else ()
    body = store.get(router)
    found: list[Body] = []
    for name in sorted(route.name for route in running):
        key = ObjectKey(ROUTE, *place_of(name, at=router.namespace))
        route = store.get(key)
        parents = {key for key in references(route) if key.kind == ROUTER} if route else set()
        if route is None or router in parents or all(store.get(key) for key in parents):
            continue
        if body is None or not takes(store, body, key):
            continue
        reference = {"name": router.name, "namespace": router.namespace}
        found.append({**route, "spec": {**route["spec"], "parentRefs": [reference]}})
    return found


def _named(store: Store, routes: Iterable[Body]) -> tuple[Body, ...]:
    keys = {key for route in routes for key in references(route) if key.kind == POOL}
    return tuple(body for key in sorted(keys) if (body := store.get(key)) is not None)


def _objectives(store: Store, namespace: str, routes: Iterable[Body], held: Held) -> Iterable[Body]:
    """Yield the objectives of the routes, and those whose new target does not exist."""
    known = set()
    for route in routes:
        for slo in store.referring_bodies(key_of(route), SLO):
            known.add(key_of(slo))
            yield slo
    judged = {ObjectKey(SLO, *place_of(name, at=namespace)) for name in held.targets}
    for key in sorted(judged - known):
        lost = store.get(key)
        if lost is not None and not resolves(lost, target_of(store, lost)):
            yield lost


def target_of(store: Store, slo: Body) -> Body | None:
    """Return the route that an objective names, or None."""
    return next(filter(None, map(store.get, references(slo))), None)
