"""Every rule of the API with what it refuses, and the nearest thing it accepts.

A rule is known by its kind, the place where it stands and its message. The completeness test
compares this table with the generated CRDs: a rule that is not here fails it.
"""

from dataclasses import dataclass
from typing import Any

from e2e.kit.yamls import merged
from tests.integration.api.subjects import (
    EXISTING_POOL,
    POOL,
    ROUTE,
    ROUTER,
    SHIFTING_SLO,
    SLO,
    at,
)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule of the CRD and two objects on its two sides."""

    kind: str
    place: str
    """Where the rule stands in the schema, as `.spec.rules[].matches[]`."""
    message: str
    refused: dict[str, Any]
    accepted: dict[str, Any]

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what the rule is known by."""
        return self.kind, self.place, self.message


def _rule(place: str, message: str, base: dict[str, Any], *, refused: Any, accepted: Any) -> Rule:
    """Make a rule from two merge patches on the same object."""
    return Rule(
        kind=base["kind"],
        place=place,
        message=message,
        refused=merged(base, refused),
        accepted=merged(base, accepted),
    )


def _range(
    base: dict[str, Any], path: str, limits: tuple[str, str], *outside: str, inside: str = ""
) -> list[Rule]:
    """Make the rules of one bounded value: both limits are accepted, what is beyond is not."""
    least, most = limits
    accepted = (inside,) if inside else limits
    return [
        _rule(
            f".{path}",
            f"must be between {least} and {most}",
            base,
            refused=at(path, value),
            accepted=at(path, accepted[number % len(accepted)]),
        )
        for number, value in enumerate(outside)
    ]


_MANAGED = "spec.managed"
_SHIFT = "spec.onBreach.shiftTraffic"
_PVC = {"claimName": "w", "path": "m"}
_HUB = {"repo": "org/model"}
_DRAFT = {"source": {"type": "PersistentVolumeClaim", "persistentVolumeClaim": _PVC}}
_DRAFTING = merged(
    POOL, at(f"{_MANAGED}.speculative", {"type": "DraftModel", "tokens": 3, "draftModel": _DRAFT})
)
_LADDER = (
    "must be one of the histogram boundaries 5ms, 10ms, 20ms, 30ms, 50ms, 75ms, 100ms, 150ms,"
    " 200ms, 250ms, 300ms, 400ms, 500ms, 750ms, 1s, 1500ms, 2s, 2500ms, 3s, 4s, 5s, 7500ms, 10s,"
    " 15s, 20s, 30s, 45s, 60s, 90s, 120s, 180s, 300s, 600s"
)


def _named(base: dict[str, Any], longest: int, reason: str) -> list[Rule]:
    message = (
        f"metadata.name must be at most {longest} lower-case letters, digits and dashes,"
        f" and begin with a letter: {reason}"
    )
    return [
        _rule(
            "",
            message,
            base,
            refused=at("metadata.name", bad),
            accepted=at("metadata.name", "n" * longest),
        )
        for bad in ("n" * (longest + 1), "1pool", "a.b")
    ]


def _route(rule: dict[str, Any], *more: dict[str, Any]) -> dict[str, Any]:
    return at("spec.rules", [{"name": "one", "backendRefs": [{"name": "pool"}], **rule}, *more])


_LAST = {"name": "last", "backendRefs": [{"name": "pool"}]}
_FEATURE = {"matches": [{"features": ["f"]}]}
_UNTIL = "2030-01-01T00:00:00Z"


def _bytes(sizes: dict[str, int]) -> dict[str, Any]:
    return _route({"matches": [{"requestBytes": sizes}]}, _LAST)


def _pinned(name: str, *weights: int) -> dict[str, Any]:
    pools = [{"name": f"p{number}", "weight": weight} for number, weight in enumerate(weights)]
    pin = {"rules": [{"name": name, "pools": pools}], "until": _UNTIL}
    return at("spec.trafficControl", {"type": "Pinned", "pinned": pin})


def _sources(base: dict[str, Any], path: str) -> list[Rule]:
    hub = at(path, {"type": "HuggingFace", "huggingFace": _HUB, "persistentVolumeClaim": None})
    both = at(path, {"type": "HuggingFace", "huggingFace": _HUB})
    return [
        _rule(
            f".{path}",
            "huggingFace must be set exactly when type is HuggingFace",
            base,
            refused=at(path, {"type": "HuggingFace", "persistentVolumeClaim": None}),
            accepted=hub,
        ),
        _rule(
            f".{path}",
            "huggingFace must be set exactly when type is HuggingFace",
            base,
            refused=at(path, {"huggingFace": _HUB}),
            accepted={},
        ),
        _rule(
            f".{path}",
            "persistentVolumeClaim must be set exactly when type is PersistentVolumeClaim",
            base,
            refused=both,
            accepted=hub,
        ),
        _rule(
            f".{path}",
            "persistentVolumeClaim must be set exactly when type is PersistentVolumeClaim",
            base,
            refused=at(f"{path}.persistentVolumeClaim", None),
            accepted={},
        ),
    ]


POOLS = [
    *_named(POOL, 63, "it names a Service"),
    _rule(
        ".spec",
        "managed must be set exactly when type is Managed",
        POOL,
        refused=at(_MANAGED, None),
        accepted={},
    ),
    _rule(
        ".spec",
        "managed must be set exactly when type is Managed",
        EXISTING_POOL,
        refused=at(_MANAGED, POOL["spec"]["managed"]),
        accepted={},
    ),
    _rule(
        ".spec",
        "existing must be set exactly when type is Existing",
        EXISTING_POOL,
        refused=at("spec.existing", None),
        accepted={},
    ),
    _rule(
        ".spec.capacity.requestsPerSecond",
        "must be more than 0",
        POOL,
        refused=at("spec.capacity.requestsPerSecond", "0.0"),
        accepted=at("spec.capacity.requestsPerSecond", "0.000001"),
    ),
    _rule(
        ".spec.managed",
        "cpu must be set only when device is CPU",
        POOL,
        refused=at(f"{_MANAGED}.cpu", {}),
        accepted=at(_MANAGED, {"device": "CPU", "cpu": {}}),
    ),
    _rule(
        ".spec.managed",
        "nvidia.com/gpu must not be asked for when device is CPU",
        POOL,
        refused=at(_MANAGED, {"device": "CPU", "resources": {"limits": {"nvidia.com/gpu": 1}}}),
        accepted=at(_MANAGED, {"device": "GPU", "resources": {"limits": {"nvidia.com/gpu": 1}}}),
    ),
    *_sources(POOL, f"{_MANAGED}.model.source"),
    *_sources(_DRAFTING, f"{_MANAGED}.speculative.draftModel.source"),
    _rule(
        ".spec.managed.speculative",
        "draftModel must be set exactly when type is DraftModel or Eagle3",
        POOL,
        refused=at(f"{_MANAGED}.speculative", {"type": "Eagle3", "tokens": 3}),
        accepted=at(f"{_MANAGED}.speculative", {"type": "Ngram", "tokens": 3}),
    ),
    _rule(
        ".spec.managed.speculative",
        "draftModel must be set exactly when type is DraftModel or Eagle3",
        _DRAFTING,
        refused=at(f"{_MANAGED}.speculative.type", "Ngram"),
        accepted=at(f"{_MANAGED}.speculative.type", "Eagle3"),
    ),
    _rule(
        ".spec.managed.rollout",
        "maxSurge and maxUnavailable must not both be 0: nothing could ever be replaced",
        POOL,
        refused=at(f"{_MANAGED}.rollout", {"maxSurge": 0, "maxUnavailable": 0}),
        accepted=at(f"{_MANAGED}.rollout", {"maxSurge": 1, "maxUnavailable": 0}),
    ),
    _rule(
        ".spec.managed.pod.labels",
        "must not use the prefixes tokenfleet.dev/ and app.kubernetes.io/:"
        " the operator's own labels have them",
        POOL,
        refused=at(f"{_MANAGED}.pod.labels", {"tokenfleet.dev/pool": "other"}),
        accepted=at(f"{_MANAGED}.pod.labels", {"team": "search"}),
    ),
    *_range(POOL, f"{_MANAGED}.startupTimeout", ("10s", "4h"), "9s", "4h1s"),
    *_range(POOL, f"{_MANAGED}.terminationGracePeriod", ("1s", "2h"), "999ms", "121m"),
]

ROUTERS = [
    *_named(ROUTER, 56, "it names the Service `<router>-router`"),
    *_range(ROUTER, "spec.managed.drainTimeout", ("1s", "2h"), "0s", "3h"),
    *_range(ROUTER, "spec.requestBodyLimit", ("1Ki", "64Mi"), "1k", "65Mi"),
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
    *_named(ROUTE, 63, "TokenSLOs and metrics name it"),
    _rule(
        ".spec",
        "the last rule must have no matches: it takes what no other rule took",
        ROUTE,
        refused=_route(_FEATURE),
        accepted=_route(_FEATURE, _LAST),
    ),
    _rule(
        ".spec",
        "trafficControl.pinned.rules must name rules of this route",
        ROUTE,
        refused=_pinned("other", 1),
        accepted=_pinned("all", 1),
    ),
    _rule(
        ".spec.rules[]",
        "backendRefs must give at least one pool a weight above 0",
        ROUTE,
        refused=_route({"backendRefs": [{"name": "a", "weight": 0}, {"name": "b", "weight": 0}]}),
        accepted=_route({"backendRefs": [{"name": "a", "weight": 0}, {"name": "b"}]}),
    ),
    _rule(
        ".spec.rules[]",
        "fallbackRefs must not name a pool of backendRefs",
        ROUTE,
        refused=_route({"fallbackRefs": [{"name": "other"}, {"name": "pool"}]}),
        accepted=_route({"fallbackRefs": [{"name": "other"}]}),
    ),
    _rule(
        ".spec.rules[].matches[].requestBytes",
        "min or max must be set",
        ROUTE,
        refused=_bytes({}),
        accepted=_bytes({"min": 0}),
    ),
    _rule(
        ".spec.rules[].matches[].requestBytes",
        "min must not be more than max",
        ROUTE,
        refused=_bytes({"min": 2, "max": 1}),
        accepted=_bytes({"min": 1, "max": 1}),
    ),
    _rule(
        ".spec.failover",
        "firstTokenTimeout must be set exactly when retryOn holds FirstTokenTimeout",
        ROUTE,
        refused=at("spec.failover.retryOn", ["FirstTokenTimeout"]),
        accepted=at("spec.failover", {"retryOn": ["FirstTokenTimeout"], "firstTokenTimeout": "2s"}),
    ),
    _rule(
        ".spec.failover",
        "firstTokenTimeout must be set exactly when retryOn holds FirstTokenTimeout",
        ROUTE,
        refused=at("spec.failover.firstTokenTimeout", "2s"),
        accepted=at("spec.failover.attempts", 8),
    ),
    *_range(
        merged(ROUTE, at("spec.failover.retryOn", ["FirstTokenTimeout"])),
        "spec.failover.firstTokenTimeout",
        ("50ms", "10m"),
        "49ms",
        "601s",
    ),
    _rule(
        ".spec.trafficControl",
        "pinned must be set exactly when type is Pinned",
        ROUTE,
        refused=at("spec.trafficControl.type", "Pinned"),
        accepted=_pinned("all", 1),
    ),
    _rule(
        ".spec.trafficControl",
        "pinned must be set exactly when type is Pinned",
        ROUTE,
        refused=merged(_pinned("all", 1), at("spec.trafficControl.type", "Disabled")),
        accepted=at("spec.trafficControl.type", "Disabled"),
    ),
    _rule(
        ".spec.trafficControl.pinned.rules[]",
        "pools must give at least one pool a weight above 0",
        ROUTE,
        refused=_pinned("all", 0, 0),
        accepted=_pinned("all", 0, 1),
    ),
]

_SELECTOR = (
    "selector must be empty when onBreach.type is ShiftTraffic: to shift some requests, give them"
    " a rule of their own"
)

SLOS = [
    *_named(SLO, 63, "metrics name it"),
    _rule(
        ".spec",
        "targetRef.sectionName must name a rule when onBreach.type is ShiftTraffic",
        SHIFTING_SLO,
        refused=at("spec.targetRef.sectionName", None),
        accepted={},
    ),
    _rule(
        ".spec",
        _SELECTOR,
        SHIFTING_SLO,
        refused=at("spec.selector.features", ["f"]),
        accepted=at("spec.selector.features", []),
    ),
    _rule(
        ".spec",
        _SELECTOR,
        SHIFTING_SLO,
        refused=at("spec.selector.requestTypes", ["t"]),
        accepted={
            "spec": {
                "onBreach": {"type": "Alert", "shiftTraffic": None},
                "selector": {"features": ["f"]},
            }
        },
    ),
    _rule(
        ".spec.objective",
        "latency must be set exactly when type is Latency",
        SLO,
        refused=at("spec.objective.latency", None),
        accepted={},
    ),
    *_range(SLO, "spec.objective.latency.threshold", ("5ms", "10m"), "4ms", "11m"),
    _rule(
        ".spec.objective.latency.threshold",
        _LADDER,
        SLO,
        refused=at("spec.objective.latency.threshold", "600ms"),
        accepted=at("spec.objective.latency.threshold", "750ms"),
    ),
    *_range(SLO, "spec.objective.latency.target", ("0.5", "0.9999"), "0.49", "0.99991"),
    _rule(
        ".spec.control",
        "longWindow must not be shorter than shortWindow",
        SLO,
        refused=at("spec.control", {"shortWindow": "4m"}),
        accepted=at("spec.control", {"shortWindow": "3m"}),
    ),
    _rule(
        ".spec.control.minimumEvents",
        "bad must not be more than total",
        SLO,
        refused=at("spec.control.minimumEvents", {"bad": 21}),
        accepted=at("spec.control.minimumEvents", {"bad": 20}),
    ),
    *_range(SLO, "spec.control.shortWindow", ("5s", "10m"), "4s", inside="5s"),
    *_range(
        merged(SLO, at("spec.control.longWindow", "1h")),
        "spec.control.shortWindow",
        ("5s", "10m"),
        "11m",
        inside="10m",
    ),
    *_range(
        merged(SLO, at("spec.control.shortWindow", "5s")),
        "spec.control.longWindow",
        ("10s", "1h"),
        "9s",
        "61m",
    ),
    *_range(SLO, "spec.data.maxStaleness", ("5s", "1h"), "4999ms", "2h"),
    *_range(SLO, "spec.data.minCoverage", ("0.1", "1"), "0.09", inside="1.0"),
    *_range(SLO, "spec.data.idleReset", ("10s", "24h"), "9s", "25h"),
    _rule(
        ".spec.onBreach",
        "shiftTraffic must be set only when type is ShiftTraffic",
        SHIFTING_SLO,
        refused=at("spec.onBreach.type", "Alert"),
        accepted=at("spec.onBreach.shiftTraffic", None),
    ),
    _rule(
        ".spec.onBreach.shiftTraffic",
        "maxHold must not be shorter than holdBeforeRecovery",
        SHIFTING_SLO,
        refused=at(_SHIFT, {"holdBeforeRecovery": "61m"}),
        accepted=at(_SHIFT, {"holdBeforeRecovery": "60m"}),
    ),
    *_range(SHIFTING_SLO, f"{_SHIFT}.primaryFloor", ("0", "0.5"), "0.51", "1"),
    *_range(SHIFTING_SLO, f"{_SHIFT}.maxShift", ("0.05", "1"), "0.04", "0"),
    *_range(SHIFTING_SLO, f"{_SHIFT}.settle", ("5s", "1h"), "4s", "61m"),
    *_range(SHIFTING_SLO, f"{_SHIFT}.dwell", ("5s", "1h"), "4s", "61m"),
    *_range(SHIFTING_SLO, f"{_SHIFT}.holdBeforeRecovery", ("5s", "24h"), "4s", inside="5s"),
    *_range(
        merged(SHIFTING_SLO, at(f"{_SHIFT}.maxHold", "24h")),
        f"{_SHIFT}.holdBeforeRecovery",
        ("5s", "24h"),
        "25h",
        inside="24h",
    ),
    *_range(
        merged(SHIFTING_SLO, at(f"{_SHIFT}.holdBeforeRecovery", "5s")),
        f"{_SHIFT}.maxHold",
        ("5s", "24h"),
        "4s",
        "25h",
    ),
    *_range(SHIFTING_SLO, f"{_SHIFT}.fallbackMaxUtilization", ("0.1", "1"), "0.09", "0"),
]

RULES = [*POOLS, *ROUTERS, *ROUTES, *SLOS]
