"""The views that router visits leave for the visits of routes and objectives."""

from collections.abc import Callable

from tokenfleet.domain.fleet.keys import ROUTE, SLO, ObjectKey
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
        for kind, before, after in ((ROUTE, old.routes, new.routes), (SLO, old.slos, new.slos)):
            for name in {*before, *after}:
                if before.get(name) != after.get(name):
                    self._wake(ObjectKey(kind, router.namespace, name))

    def route(self, router: ObjectKey, name: str) -> RouteView | None:
        """Return a route's view on a router, or None."""
        return self._views.get(router, EMPTY).routes.get(name)

    def carriers(self, namespace: str, name: str) -> dict[str, RouteView]:
        """Return router -> its view of a route, for every router of the namespace that has one."""
        return {
            router.name: self._views[router].routes[name]
            for router in sorted(self._views)
            if router.namespace == namespace and name in self._views[router].routes
        }

    def judged(self, namespace: str, name: str) -> SLOView | None:
        """Return the view of an objective on the first router that judges it, or None."""
        routers = (router for router in sorted(self._views) if router.namespace == namespace)
        found = (self._views[router].slos.get(name) for router in routers)
        return next(filter(None, found), None)

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
            for name, view in self._views[router].routes.items():
                found.setdefault(f"{router.namespace}/{name}", view)
        return found

    def objectives(self) -> dict[str, SLOView]:
        """Return `namespace/name` -> an objective's view; where routers differ, the first one's."""
        found: dict[str, SLOView] = {}
        for router in sorted(self._views):
            for name, view in self._views[router].slos.items():
                found.setdefault(f"{router.namespace}/{name}", view)
        return found

    def slo(self, router: ObjectKey, name: str) -> SLOView | None:
        """Return an objective's view on a router, or None."""
        return self._views.get(router, EMPTY).slos.get(name)
