"""The rules of ModelRouter and ModelRoute, on both sides."""

from typing import Any

from e2e.kit.yamls import merged
from tests.integration.api.rules import Rule, between, named, rule
from tests.integration.api.subjects import ROUTE, ROUTER, at


def _route(rule: dict[str, Any], *more: dict[str, Any]) -> dict[str, Any]:
    return at("spec.rules", [{"name": "one", "backendRefs": [{"name": "pool"}], **rule}, *more])


_LAST = {"name": "last", "backendRefs": [{"name": "pool"}]}
_FEATURE = {"matches": [{"features": ["f"]}]}
_UNTIL = "2030-01-01T00:00:00Z"


def _bytes(sizes: dict[str, int]) -> dict[str, Any]:
    return _route({"matches": [{"requestBytes": sizes}]}, _LAST)


_PINNABLE = {
    "name": "all",
    "backendRefs": [{"name": "p0"}],
    "fallbackRefs": [{"name": "p1"}],
}


def _pin(name: str, *pools: dict[str, Any]) -> dict[str, Any]:
    """Return a pin on a route whose rule has the pools p0 and p1."""
    pin = {"rules": [{"name": name, "pools": list(pools)}], "until": _UNTIL}
    control = at("spec.trafficControl", {"type": "Pinned", "pinned": pin})
    return merged(at("spec.rules", [_PINNABLE]), control)


def _pinned(name: str, *weights: int) -> dict[str, Any]:
    pools = [{"name": f"p{number}", "weight": weight} for number, weight in enumerate(weights)]
    return _pin(name, *pools)


def _attributes(**headers: str) -> dict[str, Any]:
    return at("spec.attribution", {name: {"header": header} for name, header in headers.items()})


_RESERVED = "header must not be one that HTTP itself needs, such as host"
_STAGES = [{"name": "model", "budget": "200ms"}, {"name": "tools", "budget": "300ms"}]
_BUDGET = {"total": "500ms", "stages": _STAGES}
_BUDGETED = merged(ROUTE, at("spec.latencyBudget", _BUDGET))
_HURRY = {"matches": [{"remainingBudget": {"max": "150ms"}}]}
_POD = "spec.managed.pod"
_OWN_LABELS = (
    "must not use the prefixes tokenfleet.dev/ and app.kubernetes.io/:"
    " the operator's own labels have them"
)
_OWN_ANNOTATIONS = (
    "must not use the prefixes tokenfleet.dev/ and prometheus.io/:"
    " the operator's own annotations have them"
)
_SIDECAR = {"type": "Sidecar", "sidecar": {"serviceAccounts": ["web"]}}
_BESIDE = merged(ROUTER, at("spec", _SIDECAR))
_PODS = {"podSelector": {"matchLabels": {"app": "web"}}}
_ADDRESSES = {"ipBlock": {"cidr": "10.0.0.0/8"}}


def _peers(place: str) -> list[Rule]:
    """Make the rules of one list of peers of a network policy."""
    path = f"spec.managed.networkPolicy.{place}"
    return [
        rule(
            f".{path}[]",
            "podSelector, namespaceSelector or ipBlock must be set",
            ROUTER,
            refused=at(path, [{}]),
            accepted=at(path, [_PODS]),
        ),
        rule(
            f".{path}[]",
            "ipBlock must stand alone",
            ROUTER,
            refused=at(path, [{**_PODS, **_ADDRESSES}]),
            accepted=at(path, [_PODS, _ADDRESSES]),
        ),
    ]


def _once(place: str, what: str, refused: Any, accepted: Any) -> list[Rule]:
    """Make the rule of a list that names nothing twice."""
    message = f"must not name a {what} twice"
    return [rule(place, message, ROUTE, refused=refused, accepted=accepted)]


ROUTERS = [
    *named(ROUTER, 56, "it names the Service `<router>-router`"),
    *between(ROUTER, "spec.managed.drainTimeout", ("1s", "2h"), "0s", "3h"),
    *between(
        merged(ROUTER, at("spec.tracing.endpoint", "http://collector:4318")),
        "spec.tracing.sampling",
        ("0.0001", "1"),
        "0.00001",
        inside="1",
    ),
    *(
        rule(
            f".spec.attribution.{name}",
            _RESERVED,
            ROUTER,
            refused=_attributes(**{name: header}),
            accepted=_attributes(**{name: "x-mine"}),
        )
        for name, header in (("feature", "host"), ("requestType", "te"), ("user", "content-type"))
    ),
    rule(
        ".spec.attribution",
        "feature, requestType and user must be read from three different headers",
        ROUTER,
        refused=_attributes(feature="x-team", user="x-team"),
        accepted=_attributes(feature="x-team", user="x-user"),
    ),
    *between(ROUTER, "spec.requestBodyLimit", ("1Ki", "64Mi"), "1k", "65Mi"),
    rule(
        f".{_POD}.labels",
        _OWN_LABELS,
        ROUTER,
        refused=at(f"{_POD}.labels", {"tokenfleet.dev/router": "other"}),
        accepted=at(f"{_POD}.labels", {"team": "search"}),
    ),
    rule(
        f".{_POD}.annotations",
        _OWN_ANNOTATIONS,
        ROUTER,
        refused=at(f"{_POD}.annotations", {"prometheus.io/scrape": "false"}),
        accepted=at(f"{_POD}.annotations", {"sidecar.istio.io/inject": "false"}),
    ),
    rule(
        ".spec",
        "sidecar must be set when type is Sidecar",
        ROUTER,
        refused=at("spec", {"type": "Sidecar"}),
        accepted=at("spec", _SIDECAR),
    ),
    rule(
        ".spec.allowedRoutes.namespaces",
        "selector must be set when from is Selector",
        ROUTER,
        refused=at("spec.allowedRoutes.namespaces", {"from": "Selector"}),
        accepted=at("spec.allowedRoutes.namespaces", {"from": "Selector", "selector": {}}),
    ),
    *between(_BESIDE, "spec.sidecar.startLimit", ("1s", "5m"), "0s", "6m"),
    *between(_BESIDE, "spec.sidecar.memory", ("192Mi", "16Gi"), "191Mi", "17Gi"),
    *_peers("clients"),
    *_peers("prometheus"),
    *_peers("upstreams"),
    # A plain number is a quantity too.
    Rule(
        kind="ModelRouter",
        place=".spec.requestBodyLimit",
        message="must be between 1Ki and 64Mi",
        refused=merged(ROUTER, at("spec.requestBodyLimit", 1023)),
        accepted=merged(ROUTER, at("spec.requestBodyLimit", 1024)),
    ),
]

ROUTES = [
    *named(ROUTE, 63, "TokenSLOs and metrics name it"),
    rule(
        ".spec.latencyBudget",
        "the budgets of stages must not add up to more than total; what is left over is the buffer",
        _BUDGETED,
        refused=at("spec.latencyBudget.total", "499ms"),
        accepted=at("spec.latencyBudget.total", "500ms"),
    ),
    rule(
        ".spec.latencyBudget",
        "stages must not name total: it stands for all of them",
        _BUDGETED,
        refused=at("spec.latencyBudget.stages", [{"name": "total", "budget": "1ms"}]),
        accepted=at("spec.latencyBudget.stages", [{"name": "totals", "budget": "1ms"}]),
    ),
    *between(
        merged(ROUTE, at("spec.latencyBudget.stages", [{"name": "tools", "budget": "1ms"}])),
        "spec.latencyBudget.total",
        ("10ms", "10m"),
        "9ms",
        "11m",
    ),
    *between(
        merged(ROUTE, at("spec.latencyBudget", {"total": "10m", "stages": []})),
        "spec.latencyBudget.stages[].budget",
        ("1ms", "10m"),
        "0ms",
        "601s",
        write=lambda _, value: at(
            "spec.latencyBudget.stages", [{"name": "tools", "budget": value}]
        ),
    ),
    *between(
        _BUDGETED,
        "spec.rules[].matches[].remainingBudget.max",
        ("1ms", "10m"),
        "0ms",
        "601s",
        write=lambda _, value: _route({"matches": [{"remainingBudget": {"max": value}}]}, _LAST),
    ),
    rule(
        ".spec",
        "latencyBudget must be set when a rule matches on remainingBudget",
        merged(_BUDGETED, _route(_HURRY, _LAST)),
        refused=at("spec.latencyBudget", None),
        accepted={},
    ),
    rule(
        ".spec",
        "the last rule must have no matches: it takes what no other rule took",
        ROUTE,
        refused=_route(_FEATURE),
        accepted=_route(_FEATURE, _LAST),
    ),
    rule(
        ".spec",
        "only the last rule may have no matches: rules after it would get no request",
        ROUTE,
        refused=_route({}, _LAST),
        accepted=_route(_FEATURE, _LAST),
    ),
    rule(
        ".spec.rules[].matches[]",
        "a match must ask for something: to take every request, leave out matches",
        ROUTE,
        refused=_route({"matches": [{"features": []}]}, _LAST),
        accepted=_route({"matches": [{"stream": "Present"}]}, _LAST),
    ),
    rule(
        ".spec",
        "trafficControl.pinned.rules must name rules of this route",
        ROUTE,
        refused=_pinned("other", 1),
        accepted=_pinned("all", 1),
    ),
    rule(
        ".spec.rules[]",
        "backendRefs must give at least one pool a weight above 0",
        ROUTE,
        refused=_route({"backendRefs": [{"name": "a", "weight": 0}, {"name": "b", "weight": 0}]}),
        accepted=_route({"backendRefs": [{"name": "a", "weight": 0}, {"name": "b"}]}),
    ),
    rule(
        ".spec.rules[]",
        "fallbackRefs must not name a pool of backendRefs",
        ROUTE,
        refused=_route({"fallbackRefs": [{"name": "other"}, {"name": "pool"}]}),
        accepted=_route({"fallbackRefs": [{"name": "other"}]}),
    ),
    *_once(
        ".spec.parentRefs",
        "router",
        at("spec.parentRefs", [{"name": "a"}, {"name": "a"}]),
        at("spec.parentRefs", [{"name": "a"}, {"name": "b"}]),
    ),
    *_once(
        ".spec.parentRefs",
        "router",
        at("spec.parentRefs", [{"name": "a", "namespace": "b"}, {"name": "a", "namespace": "b"}]),
        at("spec.parentRefs", [{"name": "a"}, {"name": "a", "namespace": "b"}]),
    ),
    *_once(
        ".spec.rules[].backendRefs",
        "pool",
        _route({"backendRefs": [{"name": "a"}, {"name": "a", "weight": 2}]}),
        _route({"backendRefs": [{"name": "a"}, {"name": "b", "weight": 2}]}),
    ),
    *_once(
        ".spec.rules[].fallbackRefs",
        "pool",
        _route({"fallbackRefs": [{"name": "a"}, {"name": "a"}]}),
        _route({"fallbackRefs": [{"name": "a"}, {"name": "b"}]}),
    ),
    *_once(
        ".spec.trafficControl.pinned.rules[].pools",
        "pool",
        _pin("all", {"name": "p0"}, {"name": "p0"}),
        _pin("all", {"name": "p0"}, {"name": "p1"}),
    ),
    rule(
        ".spec.rules[].matches[].requestBytes",
        "min or max must be set",
        ROUTE,
        refused=_bytes({}),
        accepted=_bytes({"min": 0}),
    ),
    rule(
        ".spec.rules[].matches[].requestBytes",
        "min must not be more than max",
        ROUTE,
        refused=_bytes({"min": 2, "max": 1}),
        accepted=_bytes({"min": 1, "max": 1}),
    ),
    *(
        rule(
            ".spec.failover",
            f"{field} must be set only when retryOn holds {word}",
            ROUTE,
            refused=at("spec.failover", {"retryOn": ["ServerError"], field: "2s"}),
            accepted=at("spec.failover", {"retryOn": [word], field: "2s"}),
        )
        for field, word in (
            ("firstTokenTimeout", "FirstTokenTimeout"),
            ("responseTimeout", "ResponseTimeout"),
        )
    ),
    *between(ROUTE, "spec.failover.firstTokenTimeout", ("50ms", "10m"), "49ms", "601s"),
    *between(ROUTE, "spec.failover.responseTimeout", ("50ms", "1h"), "49ms", "3601s"),
    *between(ROUTE, "spec.failover.stallTimeout", ("50ms", "1h"), "49ms", "3601s"),
    rule(
        ".spec.trafficControl",
        "pinned must be set when type is Pinned",
        ROUTE,
        refused=at("spec.trafficControl.type", "Pinned"),
        accepted=_pinned("all", 1),
    ),
    rule(
        ".spec.trafficControl.pinned.rules[]",
        "pools must give at least one pool a weight above 0",
        ROUTE,
        refused=_pinned("all", 0, 0),
        accepted=_pinned("all", 0, 1),
    ),
]
