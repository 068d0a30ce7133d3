"""The last good configuration: what goes on serving when a new spec cannot.

A rule of which a reference does not resolve stays as it last resolved, and a route that cannot be
read keeps what the router runs for it. Their problems are told all the same; the user corrects the
spec while requests are answered. A rule that never resolved serves by what it has.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from tokenfleet.domain.fleet.router_config import Held
from tokenfleet.domain.routing.compile import Compiled
from tokenfleet.domain.routing.ir import Route, Rule
from tokenfleet.domain.routing.rule_slices import rule_of_name
from tokenfleet.domain.routing.rules import References
from tokenfleet.domain.routing.shares import largest_remainder, reassign


def with_last_good(compiled: Compiled, held: Held, *, unread: Collection[str]) -> Compiled:
    """Fill the holes of a fresh configuration with what the router runs now.

    Args:
        compiled: freshly compiled.
        held: what the router runs.
        unread: names of routes whose spec could not be read.
    """
    if held.document is None:
        return compiled
    config, before = compiled.config, held.document.config
    running = {route.name: route for route in before.routes}
    references = dict(compiled.references)
    routes = [
        _patched(route, running.get(route.name), references, held.resolved)
        for route in config.routes
    ]
    taken = {name for route in routes for name in route.model_names}
    for name in sorted(set(unread) & running.keys()):
        names = tuple(n for n in running[name].model_names if n not in taken)
        if names:
            routes.append(replace(running[name], model_names=names))
    routes.sort(key=lambda route: route.name)
    known = {pool.name: pool for pool in (*before.pools, *config.pools)}
    used = {pool for route in routes for rule in route.rules for pool in rule.chain}
    config = replace(
        config,
        routes=tuple(routes),
        pools=tuple(known[name] for name in sorted(used)),
    )
    return replace(compiled, config=config, references=references)


def resolved_now(compiled: Compiled, held: Held) -> dict[str, tuple[int, ...]]:
    """Return the record of what rules last resolved to, as `Held.resolved` has it."""
    found = {}
    for (route, rule), references in compiled.references.items():
        key = f"{route}/{rule}"
        if references.resolved or key in held.resolved:
            found[key] = references.weights
    fresh = {route for route, _ in compiled.references}
    unread = {route.name for route in compiled.config.routes} - fresh
    kept = {k: weights for k, weights in held.resolved.items() if k.rpartition("/")[0] in unread}
    return found | kept


def _patched(
    route: Route,
    running: Route | None,
    references: dict[tuple[str, str], References],
    resolved: Mapping[str, tuple[int, ...]],
) -> Route:
    old = {rule.name: rule for rule in running.rules} if running is not None else {}
    rules = []
    for rule in route.rules:
        place = route.name, rule.name
        kept, source = old.get(rule.name), rule.name
        if kept is None and rule_of_name(rule.name) in old:  # a slice that is new
            source = rule_of_name(rule.name)
            kept = replace(old[source], name=rule.name, matches=rule.matches)
        if not references[place].resolved and kept is not None and kept.chain:
            weights = resolved.get(f"{route.name}/{source}")
            rule, references[place] = _kept(rule, references[place], kept, weights)  # noqa: PLW2901
        rules.append(rule)
    return replace(route, rules=tuple(rules))


def _kept(
    fresh: Rule, references: References, running: Rule, weights: tuple[int, ...] | None
) -> tuple[Rule, References]:
    """Return the rule to run in place of one that does not resolve, and its backends' weights."""
    if weights is None:
        if fresh.chain:
            return fresh, references
        return replace(running, matches=fresh.matches), references
    left = tuple(pool for pool in running.chain if pool not in references.barred)
    backends = dict(zip(running.chain, weights, strict=False))
    backends = {pool: backends[pool] for pool in left if pool in backends}
    if not left:
        return fresh, references
    references = replace(references, weights=tuple(backends.values()))
    if left == running.chain:
        return running, references
    shares = {share.pool: share.share for share in running.shares if share.pool in left}
    wanted = next((w for w in (shares, backends) if any(w.values())), {left[0]: 1})
    ranges = reassign(running.ranges, largest_remainder(wanted))
    adapters = tuple(use for use in running.adapters if use.pool in left)
    return replace(running, chain=left, ranges=ranges, adapters=adapters), references
