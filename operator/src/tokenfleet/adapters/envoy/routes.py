"""RDS: one match tree from the request's headers to a route action.

    model name (exact map) -> rule (list, first match wins) -> bucket (who is asked first)
                           -> stream or not (where their time limits differ) -> action

The map keeps the cost flat from 10 to 1,000 models. What no model takes is `GET /v1/models` or an
OpenAI-shaped 404.
"""

from typing import Any, Final

from tokenfleet.adapters.envoy import failover, replies
from tokenfleet.adapters.envoy.digits import bucket_pattern, range_pattern
from tokenfleet.adapters.envoy.wire import (
    FACTS,
    LABELS,
    LUA_FILTER,
    MODEL,
    POOL,
    ROUTE,
    ROUTE_TABLE,
    RULE,
    WAIT,
    Json,
    typed,
)
from tokenfleet.domain.routing.ir import Match, Pool, Route, RouterConfig, Rule

DIRECT_BODY_LIMIT: Final = 4 * 1024 * 1024
"""Bytes; room for the model list of 16,000 names. Envoy's default is 4 KiB."""


def route_table(config: RouterConfig) -> Json:
    """Return the `RouteConfiguration` of a router."""
    pools = {pool.name: pool for pool in config.pools}
    models = {
        name: _route(route, config, pools) for route in config.routes for name in route.model_names
    }
    tree: Json = {"on_no_match": {"matcher": replies.without_model(config)}}
    if models:
        tree["matcher_tree"] = {"input": _header(MODEL), "exact_match_map": {"map": models}}
    else:
        tree = replies.without_model(config)
    return {
        "name": ROUTE_TABLE,
        "max_direct_response_body_size_bytes": DIRECT_BODY_LIMIT,
        "virtual_hosts": [{"name": "all", "domains": ["*"], "matcher": tree}],
    }


def _route(route: Route, config: RouterConfig, pools: dict[str, Pool]) -> Json:
    matchers: list[Json] = []
    for rule in route.rules:
        target = _rule(route, rule, pools)
        if not rule.matches:
            return {"matcher": _first_match(matchers, target)} if matchers else target
        matchers.append({"predicate": _predicate(rule, config), "on_match": target})
    return {"matcher": _first_match(matchers, _action(replies.no_rule(route.name)))}


def _rule(route: Route, rule: Rule, pools: dict[str, Pool]) -> Json:
    if not rule.chain:
        return _action(replies.no_pool(route.name, rule.name))
    owned: dict[str, list[tuple[int, int]]] = {}
    for part in rule.ranges:
        owned.setdefault(part.pool, []).append((part.first, part.end))
    *split, last = [share.pool for share in rule.shares if share.share > 0]
    matchers = [
        {
            "predicate": _fact("bucket", bucket_pattern(tuple(owned[pool]))),
            "on_match": _leaf(route, rule, pool, pools),
        }
        for pool in split
    ]
    target = _leaf(route, rule, last, pools)
    return {"matcher": _first_match(matchers, target)} if matchers else target


def _leaf(route: Route, rule: Rule, pool: str, pools: dict[str, Pool]) -> Json:
    plain = _forward(route, rule, pool, pools, stream=False)
    if route.failover.first_token_timeout_ms is None:
        return _action(plain)
    streamed = _forward(route, rule, pool, pools, stream=True)
    return {
        "matcher": _first_match(
            [{"predicate": _fact("stream", "true"), "on_match": _action(streamed)}], _action(plain)
        )
    }


def _forward(route: Route, rule: Rule, pool: str, pools: dict[str, Pool], *, stream: bool) -> Json:
    return {
        "name": f"{route.name}/{rule.name}",
        "match": {"prefix": "/"},
        "metadata": {"filter_metadata": {LUA_FILTER: _metadata(route, rule, pool, pools)}},
        "route": failover.action(failover.order(rule.chain, pool), route.failover, stream=stream),
        "response_headers_to_add": [
            _set(ROUTE, route.name),
            _set(RULE, rule.name),
            _set(POOL, "%UPSTREAM_CLUSTER_RAW%"),
            _set(WAIT, f"%COMMON_DURATION(US_TX_END:US_RX_BEG:ms)%|%REQ({LABELS})%"),
        ],
    }


def _metadata(route: Route, rule: Rule, first: str, pools: dict[str, Pool]) -> Json:
    """Return what the request filter looks up."""
    return {
        "serves": pools[first].model_name,
        **{f"feature {feature}": True for feature in route.features},
        **{f"request_type {kind}": True for kind in route.request_types},
        **{f"early {pool}": True for pool in rule.chain if not pools[pool].holds_headers},
    }


def _predicate(rule: Rule, config: RouterConfig) -> Json:
    return _any_of([_match(match, config) for match in rule.matches])


def _match(match: Match, config: RouterConfig) -> Json:
    parts = []
    if match.features:
        parts.append(_one_of(config.attribution.feature, match.features))
    if match.request_types:
        parts.append(_one_of(config.attribution.request_type, match.request_types))
    if match.bytes_min is not None or match.bytes_max is not None:
        parts.append(_fact("bytes", range_pattern(match.bytes_min or 0, match.bytes_max)))
    if match.tools is not None:
        parts.append(_fact("tools", str(match.tools).lower()))
    if match.stream is not None:
        parts.append(_fact("stream", str(match.stream).lower()))
    if not parts:  # an empty alternative matches every request
        return _fact("bucket", "...")
    return _all_of(parts)


def _first_match(matchers: list[Json], otherwise: Json) -> Json:
    return {"matcher_list": {"matchers": matchers}, "on_no_match": otherwise}


def _action(route: Json) -> Json:
    return {
        "action": {"name": "route", "typed_config": typed("envoy.config.route.v3.Route", **route)}
    }


def _set(name: str, value: str) -> Json:
    return {
        "header": {"key": name, "value": value},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }


def _header(name: str) -> Json:
    return {
        "name": name,
        "typed_config": typed(
            "envoy.type.matcher.v3.HttpRequestHeaderMatchInput", header_name=name
        ),
    }


def _single(name: str, value: Json) -> Json:
    return {"single_predicate": {"input": _header(name), "value_match": value}}


def _exact(name: str, value: str) -> Json:
    return _single(name, {"exact": value})


def _one_of(name: str, values: tuple[str, ...]) -> Json:
    return _any_of([_exact(name, value) for value in values])


def _fact(name: str, expression: str) -> Json:
    regex = f"(.* )?{name}=({expression})( .*)?"
    return _single(FACTS, {"safe_regex": {"google_re2": {}, "regex": regex}})


def _any_of(predicates: list[Json]) -> Json:
    return _joined("or_matcher", predicates)


def _all_of(predicates: list[Json]) -> Json:
    return _joined("and_matcher", predicates)


def _joined(kind: str, predicates: list[Any]) -> Json:
    return predicates[0] if len(predicates) == 1 else {kind: {"predicate": predicates}}
