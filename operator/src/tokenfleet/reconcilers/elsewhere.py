"""What other routers run: asked for when a route comes to a router."""

from collections.abc import Iterable, Mapping

from tokenfleet.domain.fleet.keys import ROUTER, ObjectKey
from tokenfleet.domain.fleet.router_config import config_key, routes_in
from tokenfleet.domain.routing.naming import Place
from tokenfleet.ports import Body
from tokenfleet.reconcilers.store import Store


def elsewhere(
    store: Store, router: ObjectKey, stored: Body | None, routes: Iterable[Body]
) -> tuple[Mapping[str, str], ...]:
    """Return the data of other routers' configurations, if one of the routes is new to this one.

    Args:
        store: what is known.
        router: the router.
        stored: its `<router>-config`; None where there is none.
        routes: those that it carries.
    """
    known = routes_in(_data(stored)) if stored is not None else frozenset[Place]()
    places = (Place(r["metadata"]["namespace"], r["metadata"]["name"]) for r in routes)
    new = {place for place in places if known is not None and place not in known}
    if not new:
        return ()
    # Of other namespaces, those that may have carried one: they take routes from elsewhere, or they
    # are of a route's own.
    near = {router.namespace, *(place.namespace for place in new)}
    others = sorted(
        key
        for key in store.keys(ROUTER)
        if key != router and (key.namespace in near or _takes_others(store.get(key)))
    )
    bodies = (store.get(config_key(key.namespace, key.name)) for key in others)
    found = [_data(body) for body in bodies if body is not None]
    return tuple(data for data in found if routes_in(data) is not None)


def _data(body: Body) -> Mapping[str, str]:
    """Return what a ConfigMap holds: somebody may have emptied it."""
    found: Mapping[str, str] = body.get("data", {})
    return found


def _takes_others(router: Body | None) -> bool:
    spec = router.get("spec", {}) if router is not None else {}
    allowed = spec.get("allowedRoutes", {}).get("namespaces", {})
    return bool(allowed.get("from", "Same") != "Same")
