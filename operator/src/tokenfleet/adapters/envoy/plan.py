"""The plan: what the native module does with requests, as the JSON document that it reads.

It travels as the virtual host's per-filter configuration, so a change of shares is one new route
table: no listener drains, and requests under way keep the plan that they began with. The module
refuses what it does not understand, and Envoy then keeps the last plan. Pools are numbered, because
names would be most of the bytes; `router-image/module/src/plan.rs` reads it.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from tokenfleet.adapters.envoy import failover
from tokenfleet.adapters.envoy.failover import Endpoints
from tokenfleet.adapters.envoy.wire import SESSION_HEADER, Json
from tokenfleet.domain.routing.ir import Budget, Match, Pool, Route, RouterConfig, Rule
from tokenfleet.domain.routing.rule_slices import rule_of_name

VERSION: Final = 1
"""Of the document; the module knows exactly one, since both are in one image."""

UPLOAD_IDLE_MS: Final = 20_000
"""Milliseconds without a byte after which an upload is ended with 408."""

IDLE_MS: Final = 660_000
"""Milliseconds of any other silence after which a request is ended: above the longest first token
that the ladder can count (600 s)."""


def plan(config: RouterConfig, endpoints: Endpoints) -> Json:
    """Return the plan of a router.

    Args:
        config: the router's configuration.
        endpoints: pool name -> replicas that may be used; a pool with several has a sister to ask.
    """
    asked = _asked(config)
    places = {(pool.name, adapter): place for place, (pool, adapter) in enumerate(asked)}
    return {
        "version": VERSION,
        "headers": {
            "feature": config.attribution.feature,
            "request_type": config.attribution.request_type,
            "user": config.attribution.user,
            "session": SESSION_HEADER,
        },
        "body_limit": config.body_limit,
        "upload_idle_ms": UPLOAD_IDLE_MS,
        "idle_ms": IDLE_MS,
        "explain": config.explain,
        # What the module says in dynamic metadata, and when: it costs as much as all the rest.
        "spans": config.tracing is not None,
        "log": config.access_log,
        "cors": list(config.allow_origins),
        "pools": [
            _pool(pool, adapter, several=failover.has_sisters(endpoints, pool.name))
            for pool, adapter in asked
        ],
        "routes": [_route(route, places, endpoints) for route in config.routes],
    }


def _asked(config: RouterConfig) -> list[tuple[Pool, str]]:
    """Return every pool, then again for each of its adapters that rules ask for.

    An adapter is the same cluster and the same label under another model name; '' is the pool's own
    model.
    """
    pools = {pool.name: pool for pool in config.pools}
    uses = {
        (use.pool, use.adapter)
        for route in config.routes
        for rule in route.rules
        for use in rule.adapters
    }
    own = [(pool, "") for pool in config.pools]
    return [*own, *((pools[name], adapter) for name, adapter in sorted(uses))]


def _pool(pool: Pool, adapter: str, *, several: bool) -> Json:
    return {
        "name": pool.name,
        "serves": adapter or pool.model_name,
        "names": [adapter] if adapter else list(pool.names),
        "window": pool.window,
        "several": several,
        **_outside(pool),
    }


def _outside(pool: Pool) -> Json:
    """Return what an attempt's headers become; nothing for a pool that takes them as they are."""
    site, key = pool.site, pool.credential
    if site is None and key is None:
        return {}
    return {
        "outside": {
            "site": None
            if site is None
            else {
                "provider": site.provider,
                "authority": site.authority,
                "path": site.path,
                "organization": site.organization,
                "cache_least": site.cache_least,
            },
            "credential": None if key is None else {"header": key.header, "prefix": key.prefix},
        }
    }


def _route(route: Route, places: Mapping[tuple[str, str], int], endpoints: Endpoints) -> Json:
    matches = [match for rule in route.rules for match in rule.matches]
    features = _known(route.features, [match.features for match in matches])
    request_types = _known(route.request_types, [match.request_types for match in matches])
    return {
        "name": route.name,
        "models": list(route.model_names),
        "features": features,
        "request_types": request_types,
        # A route with more label sets than the router has room for lists none, and its rules match
        # on features all the same: known, but counted as `other`.
        "labelled": (len(features), len(request_types))
        == (len(route.features), len(route.request_types)),
        "budget": _budget(route.budget),
        "retry": {
            "server_error": route.failover.server_error,
            "throttled": route.failover.too_many_requests,
        },
        "rules": [_rule(route, rule, places, endpoints) for rule in route.rules],
    }


def _budget(budget: Budget | None) -> Json | None:
    if budget is None:
        return None
    return {"total_ms": budget.total_ms, "stages": list(budget.stages)}


def _known(listed: Sequence[str], matched: Sequence[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys([*listed, *(name for names in matched for name in names)]))


def _rule(
    route: Route, rule: Rule, places: Mapping[tuple[str, str], int], endpoints: Endpoints
) -> Json:
    streams = failover.stream_policies(route.failover, rule, endpoints)
    whole = failover.whole_policies(route.failover, rule, endpoints)
    adapters = {use.pool: use.adapter for use in rule.adapters}

    def place(pool: str) -> int:
        return places[pool, adapters.get(pool, "")]

    return {
        # Slices count, and answers speak, under their rule's name.
        "name": rule_of_name(rule.name),
        "matches": [_match(match) for match in rule.matches],
        "chain": [place(pool) for pool in rule.chain],
        "buckets": [[part.first, part.end, place(part.pool)] for part in rule.ranges],
        "attempts": route.failover.attempts,
        "stall_ms": route.failover.stall_ms,
        "stream": [policy.name for policy in streams],
        "whole": [policy.name for policy in whole],
    }


def _match(match: Match) -> Json:
    return {
        "features": list(match.features),
        "request_types": list(match.request_types),
        "bytes_min": match.bytes_min,
        "bytes_max": match.bytes_max,
        "tools": match.tools,
        "stream": match.stream,
        "left_max_ms": match.left_max_ms,
    }
