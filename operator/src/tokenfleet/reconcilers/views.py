"""The views that router visits leave for the visits of routes and objectives."""

from collections.abc import Callable, Mapping

from tokenfleet.domain.fleet.keys import POOL, ROUTE, SLO, ObjectKey
from tokenfleet.domain.fleet.outside_pool import Keyless
from tokenfleet.domain.fleet.views import RouterView, RouteView
from tokenfleet.domain.slo.engine import SLOView

EMPTY = RouterView()


class Views:
    """Newest view of every router; wakes whom a change concerns."""

    def __init__(self, wake: Callable[[ObjectKey], None]) -> None:
        """Start empty."""
        self._wake = wake
        self._views: dict[ObjectKey, RouterView] = {}

    def publish(self, router: ObjectKey, view: RouterView | None) -> None:
        """Take in a router's view (None: the router is gone)."""
        old, new = self._views.get(router, EMPTY), view or EMPTY
        if view is None:
            self._views.pop(router, None)
        else:
            self._views[router] = view
        looks: tuple[tuple[str, Mapping[str, object], Mapping[str, object]], ...] = (
            (ROUTE, old.routes, new.routes),
            (SLO, old.slos, new.slos),
            (POOL, old.keyless, new.keyless),
        )
        for kind, before, after in looks:
            for place in {*before, *after}:
                if before.get(place) != after.get(place):
                    self._wake(ObjectKey(kind, *place.split("/")))

    def route(self, router: ObjectKey, route: ObjectKey) -> RouteView | None:
        """Return a route's view on a router, or None."""
        return self._views.get(router, EMPTY).routes.get(_place(route))

    def carriers(self, route: ObjectKey) -> dict[ObjectKey, RouteView]:
        """Return router -> its view of a route, for every router that has one."""
        place = _place(route)
        views = {router: self._views[router].routes.get(place) for router in sorted(self._views)}
        return {router: view for router, view in views.items() if view is not None}

    def judged(self, slo: ObjectKey) -> SLOView | None:
        """Return the view of an objective on the first router that judges it, or None."""
        found = (self._views[router].slos.get(_place(slo)) for router in sorted(self._views))
        return next(filter(None, found), None)

    def keyless(self, pool: ObjectKey) -> Keyless | None:
        """Return the first router that has no key for a pool, or None."""
        for router in sorted(self._views):
            reason = self._views[router].keyless.get(_place(pool))
            if reason is not None:
                return Keyless(router=_place(router), reason=reason)
        return None

    def demand(self) -> dict[str, float]:
        """Return `namespace/pool` -> requests per second, over all routers."""
        total: dict[str, float] = {}
        for view in self._views.values():
            for pool, rate in view.demand.items():
                total[pool] = total.get(pool, 0.0) + rate
        return total

    def routes(self) -> dict[str, RouteView]:
        """Return `namespace/name` -> a route's view; where routers differ, the first one's."""
        found: dict[str, RouteView] = {}
        for router in sorted(self._views):
            for place, view in self._views[router].routes.items():
                found.setdefault(place, view)
        return found

    def objectives(self) -> dict[str, SLOView]:
        """Return `namespace/name` -> an objective's view; where routers differ, the first one's."""
        found: dict[str, SLOView] = {}
        for router in sorted(self._views):
            for place, view in self._views[router].slos.items():
                found.setdefault(place, view)
        return found

    def slo(self, router: ObjectKey, slo: ObjectKey) -> SLOView | None:
        """Return an objective's view on a router, or None."""
        return self._views.get(router, EMPTY).slos.get(_place(slo))


def _place(key: ObjectKey) -> str:
    return f"{key.namespace}/{key.name}"
