"""What other routers of a namespace run: asked for when a route comes to a router."""

from collections.abc import Iterable, Mapping

from tokenfleet.domain.fleet.keys import ROUTER, ObjectKey
from tokenfleet.domain.fleet.router_config import config_key, routes_in
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
        routes: those that name it.
    """
    known = routes_in(stored["data"]) if stored is not None else frozenset()
    if known is None or all(route["metadata"]["name"] in known for route in routes):
        return ()
    others = sorted(
        key
        for key in store.keys(ROUTER)
        if key.namespace == router.namespace and key.name != router.name
    )
    bodies = (store.get(config_key(key.namespace, key.name)) for key in others)
    found = [body["data"] for body in bodies if body is not None]
    return tuple(data for data in found if routes_in(data) is not None)
