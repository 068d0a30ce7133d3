"""Ways from a router back to itself, by pools whose Service is a router.

    router a -> its routes -> Existing pool -> Service of router b -> its routes -> ... -> router a

A request on such a way comes back for ever. A pool on it is refused; what the objects of the
cluster do not show (an ingress in between, a Service without selector) ends at the routers' limit
of hops.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from tokenfleet.domain.fleet.affected import World, references, service_of
from tokenfleet.domain.fleet.fronts import fronted
from tokenfleet.domain.fleet.keys import POOL, ROUTE, ROUTER, ObjectKey, key_of

Body = Mapping[str, Any]


def way_back(pool: Body, world: World) -> tuple[str, ...]:
    """Return the routers on the way from behind a pool to one that uses it.

    Empty where there is none. One name: the Service is that of a router which uses the pool.
    """
    ways: list[tuple[ObjectKey, ...]] = [(router,) for router in _behind(pool, world)]
    users = _users(key_of(pool), world) if ways else frozenset()
    seen = {way[-1] for way in ways}
    while users and ways:
        arrived = next((way for way in ways if way[-1] in users), None)
        if arrived is not None:
            return tuple(router.name for router in arrived)
        longer = [(*way, following) for way in ways for following in _next(way[-1], world)]
        ways = [way for way in longer if way[-1] not in seen]
        seen |= {way[-1] for way in ways}
    return ()


def _users(pool: ObjectKey, world: World) -> frozenset[ObjectKey]:
    routes = (world.get(key) for key in world.referring(pool) if key.kind == ROUTE)
    return frozenset(
        key for route in routes if route for key in references(route) if key.kind == ROUTER
    )


def _next(router: ObjectKey, world: World) -> list[ObjectKey]:
    """Return the routers that a router sends to by one of its pools."""
    return sorted({found for pool in _pools(router, world) for found in _behind(pool, world)})


def _pools(router: ObjectKey, world: World) -> Iterable[Body]:
    keys = sorted(key for key in world.referring(router) if key.kind == ROUTE)
    for route in filter(None, map(world.get, keys)):
        named = (key for key in references(route) if key.kind == POOL)
        yield from filter(None, map(world.get, named))


def _behind(pool: Body, world: World) -> list[ObjectKey]:
    """Return the routers whose pods stand behind an Existing pool's Service."""
    if pool.get("spec", {}).get("type") != "Existing":
        return []
    service = world.get(service_of(pool))
    known = fronted(service) if service is not None else ()
    return sorted(key for key in known if world.get(key) is not None)
