"""What a router's routes and objectives refer to, gathered from the store."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tokenfleet.domain.fleet.affected import references
from tokenfleet.domain.fleet.aims import resolves
from tokenfleet.domain.fleet.keys import POOL, ROUTE, ROUTER, SLO, ObjectKey, key_of
from tokenfleet.domain.fleet.loops import way_back
from tokenfleet.domain.fleet.ownership import runs_for
from tokenfleet.domain.fleet.router_config import Held, UnreadableConfigError, read
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
    routes = (*store.referring_bodies(router, ROUTE), *_kept_routes(store, router, held))
    body = store.get(router)
    named = set(references(body)) if body is not None else set()
    named |= {key for pool in _named(store, routes) for key in references(pool)}
    running = held.document.config.pools if held.document is not None else ()
    return named | {ObjectKey("Service", router.namespace, pool.service) for pool in running}


def referred(store: Store, router: ObjectKey, stored: Body | None) -> Referred:
    """Follow the references to and from a router.

    Args:
        store: what is known.
        router: the router.
        stored: its `<router>-config`; None where there is none.
    """
    held = _held(stored)
    routes = (*store.referring_bodies(router, ROUTE), *_kept_routes(store, router, held))
    pools = _named(store, routes)
    services = {key for pool in pools for key in references(pool)}
    listed = used_services(store, router, stored)
    loops = {pool["metadata"]["name"]: way_back(pool, store) for pool in pools}
    return Referred(
        routes=routes,
        pools=pools,
        services={key.name: body for key in services if (body := store.get(key)) is not None},
        loops={name: way for name, way in loops.items() if way},
        slices={key.name: store.referring_bodies(key, "EndpointSlice") for key in sorted(listed)},
        slos=tuple(_objectives(store, router.namespace, routes, held)),
    )


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
    """Return routes that the router runs, and that name a router that does not exist.

    A typo in parentRefs takes a route from nobody: who carried it last goes on. Routes that name
    routers that exist have moved.
    """
    running = held.document.config.routes if held.document is not None else ()
    found: list[Body] = []
    for name in sorted(route.name for route in running):
        route = store.get(ObjectKey(ROUTE, router.namespace, name))
        parents = {key for key in references(route) if key.kind == ROUTER} if route else set()
        if route is None or router in parents or all(store.get(key) for key in parents):
            continue
        spec = {**route["spec"], "parentRefs": [{"name": router.name}]}
        found.append({**route, "spec": spec})
    return found


def _named(store: Store, routes: Iterable[Body]) -> tuple[Body, ...]:
    keys = {key for route in routes for key in references(route) if key.kind == POOL}
    return tuple(body for key in sorted(keys) if (body := store.get(key)) is not None)


def _objectives(store: Store, namespace: str, routes: Iterable[Body], held: Held) -> Iterable[Body]:
    """Yield the objectives of the routes, and those whose new target does not exist."""
    known = set()
    for route in routes:
        for slo in store.referring_bodies(key_of(route), SLO):
            known.add(slo["metadata"]["name"])
            yield slo
    for name in sorted(held.targets.keys() - known):
        lost = store.get(ObjectKey(SLO, namespace, name))
        if lost is not None and not resolves(lost, target_of(store, lost)):
            yield lost


def target_of(store: Store, slo: Body) -> Body | None:
    """Return the route that an objective names, or None."""
    return next(filter(None, map(store.get, references(slo))), None)
