"""The last good configuration: what goes on serving when a new spec cannot.

A rule of which no pool can be used, and a route that cannot be read, keep what the router runs for
them now. Their problems are told all the same; the user corrects the spec while requests are
answered.
"""

from collections.abc import Collection
from dataclasses import replace

from tokenfleet.domain.routing.ir import Route, RouterConfig, Rule


def with_last_good(
    config: RouterConfig, before: RouterConfig | None, *, unread: Collection[str]
) -> RouterConfig:
    """Fill the holes of a fresh configuration with what the router runs now.

    Args:
        config: freshly compiled.
        before: what the router runs; None where there is nothing yet.
        unread: names of routes whose spec could not be read.
    """
    if before is None:
        return config
    running = {route.name: route for route in before.routes}
    routes = [_patched(route, running.get(route.name)) for route in config.routes]
    taken = {name for route in routes for name in route.model_names}
    for name in sorted(set(unread) & running.keys()):
        names = tuple(n for n in running[name].model_names if n not in taken)
        if names:
            routes.append(replace(running[name], model_names=names))
    routes.sort(key=lambda route: route.name)
    known = {pool.name: pool for pool in (*before.pools, *config.pools)}
    used = {pool for route in routes for rule in route.rules for pool in rule.chain}
    return replace(config, routes=tuple(routes), pools=tuple(known[name] for name in sorted(used)))


def _patched(route: Route, running: Route | None) -> Route:
    old = {rule.name: rule for rule in running.rules} if running is not None else {}
    rules = tuple(_kept(rule, old.get(rule.name)) for rule in route.rules)
    return route if rules == route.rules else replace(route, rules=rules)


def _kept(rule: Rule, running: Rule | None) -> Rule:
    if rule.chain or running is None:
        return rule
    return replace(rule, chain=running.chain, ranges=running.ranges)
