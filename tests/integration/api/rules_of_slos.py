"""The rules of TokenSLO, on both sides."""

from e2e.kit.yamls import merged
from tests.integration.api.rules import between, named, rule
from tests.integration.api.subjects import SHIFTING_SLO, SLO, at

_SHIFT = "spec.onBreach.shiftTraffic"
_LADDER = (
    "must be one of the histogram boundaries 5ms, 10ms, 20ms, 30ms, 50ms, 75ms, 100ms, 150ms,"
    " 200ms, 250ms, 300ms, 400ms, 500ms, 750ms, 1s, 1500ms, 2s, 2500ms, 3s, 4s, 5s, 7500ms, 10s,"
    " 15s, 20s, 30s, 45s, 60s, 90s, 120s, 180s, 300s, 600s"
)


_COST = {"type": "CostPerRequest", "latency": None, "costPerRequest": {"max": "0.01"}}
_SPEND = {"type": "Spend", "latency": None, "spend": {"max": "200", "per": "Day"}}
_CACHE = {"type": "CacheHitRate", "latency": None, "cacheHitRate": {"min": "0.7"}}
_PATH = {"type": "FastPathShare", "latency": None, "fastPathShare": {"min": "0.8"}}
_PATH_SLO = merged(SLO, {"spec": {"targetRef": {"sectionName": "all"}, "objective": _PATH}})

SLOS = [
    *named(SLO, 63, "metrics name it"),
    rule(
        ".spec",
        "targetRef.sectionName must name a rule when onBreach.type is ShiftTraffic",
        SHIFTING_SLO,
        refused=at("spec.targetRef.sectionName", None),
        accepted={},
    ),
    *(
        rule(
            ".spec",
            "selector must not name other when onBreach.type is ShiftTraffic: it stands for every"
            " value that the route does not list",
            SHIFTING_SLO,
            refused=at(f"spec.selector.{name}", ["a", "other"]),
            accepted=at(f"spec.selector.{name}", ["a", "b"]),
        )
        for name in ("features", "requestTypes")
    ),
    rule(
        ".spec",
        "selector must name at most 8 values when onBreach.type is ShiftTraffic",
        merged(SHIFTING_SLO, at("spec.selector.features", list("abcd"))),
        refused=at("spec.selector.requestTypes", list("abcde")),
        accepted=at("spec.selector.requestTypes", list("abcd")),
    ),
    rule(
        ".spec.objective",
        "latency must be set when type is Latency",
        SLO,
        refused=at("spec.objective.latency", None),
        accepted={},
    ),
    rule(
        ".spec.objective",
        "errorRate must be set when type is ErrorRate",
        SLO,
        refused=at("spec.objective.type", "ErrorRate"),
        accepted=at(
            "spec.objective", {"type": "ErrorRate", "latency": None, "errorRate": {"max": "0.01"}}
        ),
    ),
    *between(
        merged(SLO, at("spec.objective", {"type": "ErrorRate", "latency": None})),
        "spec.objective.errorRate.max",
        ("0.0001", "0.5"),
        "0.00009",
        "0.51",
    ),
    rule(
        ".spec.objective",
        "costPerRequest must be set when type is CostPerRequest",
        SLO,
        refused=at("spec.objective", {"type": "CostPerRequest", "latency": None}),
        accepted=at("spec.objective", _COST),
    ),
    rule(
        ".spec.objective.costPerRequest.max",
        "must be more than 0",
        merged(SLO, at("spec.objective", _COST)),
        refused=at("spec.objective.costPerRequest.max", "0.0"),
        accepted=at("spec.objective.costPerRequest.max", "0.000001"),
    ),
    rule(
        ".spec.objective",
        "cacheHitRate must be set when type is CacheHitRate",
        SLO,
        refused=at("spec.objective.type", "CacheHitRate"),
        accepted=at("spec.objective", _CACHE),
    ),
    *between(
        merged(SLO, at("spec.objective", _CACHE)),
        "spec.objective.cacheHitRate.min",
        ("0.01", "0.99"),
        "0.009",
        "1",
    ),
    rule(
        ".spec.objective.spend.max",
        "must be more than 0",
        merged(SLO, {"spec": {"objective": _SPEND}}),
        refused=at("spec.objective.spend.max", "0"),
        accepted=at("spec.objective.spend.max", "0.01"),
    ),
    rule(
        ".spec.objective",
        "spend must be set when type is Spend",
        merged(SLO, {"spec": {"objective": _SPEND}}),
        refused=at("spec.objective.spend", None),
        accepted=at("spec.objective.spend", {"max": "0.5", "per": "Hour"}),
    ),
    rule(
        ".spec.objective",
        "fastPathShare must be set when type is FastPathShare",
        _PATH_SLO,
        refused=at("spec.objective.fastPathShare", None),
        accepted={},
    ),
    *between(_PATH_SLO, "spec.objective.fastPathShare.min", ("0.01", "0.99"), "0.009", "1"),
    rule(
        ".spec",
        "targetRef.sectionName must name a rule when objective.type is FastPathShare",
        _PATH_SLO,
        refused=at("spec.targetRef.sectionName", None),
        accepted={},
    ),
    rule(
        ".spec",
        "onBreach.type must be Alert when objective.type is FastPathShare: rules choose by what"
        " requests are, and no shift changes that",
        _PATH_SLO,
        refused=at("spec.onBreach", {"type": "ShiftTraffic"}),
        accepted=at("spec.onBreach", {"type": "Alert"}),
    ),
    *between(SLO, "spec.objective.latency.threshold", ("5ms", "10m"), "4ms", "11m"),
    rule(
        ".spec.objective.latency.threshold",
        _LADDER,
        SLO,
        refused=at("spec.objective.latency.threshold", "600ms"),
        accepted=at("spec.objective.latency.threshold", "750ms"),
    ),
    *between(SLO, "spec.objective.latency.target", ("0.5", "0.9999"), "0.49", "0.99991"),
    *between(SLO, "spec.window", ("1h", "2160h"), "59m", "2161h"),
    rule(
        ".spec.control",
        "longWindow must not be shorter than shortWindow",
        SLO,
        refused=at("spec.control", {"shortWindow": "4m"}),
        accepted=at("spec.control", {"shortWindow": "3m"}),
    ),
    rule(
        ".spec.control.minimumEvents",
        "bad must not be more than total",
        SLO,
        refused=at("spec.control.minimumEvents", {"bad": 6}),
        accepted=at("spec.control.minimumEvents", {"bad": 5}),
    ),
    *between(SLO, "spec.control.shortWindow", ("5s", "10m"), "4s", inside="5s"),
    *between(
        merged(SLO, at("spec.control.longWindow", "1h")),
        "spec.control.shortWindow",
        ("5s", "10m"),
        "11m",
        inside="10m",
    ),
    *between(
        merged(SLO, at("spec.control.shortWindow", "5s")),
        "spec.control.longWindow",
        ("10s", "1h"),
        "9s",
        "61m",
    ),
    *between(SLO, "spec.data.maxStaleness", ("5s", "1h"), "4999ms", "2h"),
    *between(SLO, "spec.data.minCoverage", ("0.1", "1"), "0.09", inside="1.0"),
    *between(SLO, "spec.data.idleReset", ("10s", "24h"), "9s", "25h"),
    rule(
        ".spec.onBreach.shiftTraffic",
        "maxHold must not be shorter than holdBeforeRecovery",
        SHIFTING_SLO,
        refused=at(_SHIFT, {"holdBeforeRecovery": "61m"}),
        accepted=at(_SHIFT, {"holdBeforeRecovery": "60m"}),
    ),
    *between(SHIFTING_SLO, f"{_SHIFT}.primaryFloor", ("0", "0.5"), "0.51", "1"),
    *between(SHIFTING_SLO, f"{_SHIFT}.maxShift", ("0.05", "1"), "0.04", "0"),
    *between(SHIFTING_SLO, f"{_SHIFT}.settle", ("5s", "1h"), "4s", "61m"),
    *between(SHIFTING_SLO, f"{_SHIFT}.dwell", ("5s", "1h"), "4s", "61m"),
    *between(SHIFTING_SLO, f"{_SHIFT}.holdBeforeRecovery", ("5s", "24h"), "4s", inside="5s"),
    *between(
        merged(SHIFTING_SLO, at(f"{_SHIFT}.maxHold", "24h")),
        f"{_SHIFT}.holdBeforeRecovery",
        ("5s", "24h"),
        "25h",
        inside="24h",
    ),
    *between(
        merged(SHIFTING_SLO, at(f"{_SHIFT}.holdBeforeRecovery", "5s")),
        f"{_SHIFT}.maxHold",
        ("5s", "24h"),
        "4s",
        "25h",
    ),
    *between(SHIFTING_SLO, f"{_SHIFT}.fallbackMaxUtilization", ("0.1", "1"), "0.09", "0"),
    rule(
        f".{_SHIFT}.maxCostPerHour",
        "must be more than 0",
        SHIFTING_SLO,
        refused=at(f"{_SHIFT}.maxCostPerHour", "0.00"),
        accepted=at(f"{_SHIFT}.maxCostPerHour", "0.01"),
    ),
]
