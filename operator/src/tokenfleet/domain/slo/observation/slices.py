"""What was measured of a rule, shared out to its slices by feature and request type.

The router counts under the rule's own name. Rows that were asked for without their labels tell
nothing of any slice: they stay with the rule.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Protocol, TypeVar

from tokenfleet.domain.slo.observation.measurement import (
    Measurement,
    RuleKey,
    RuleMeasurement,
    RuleTarget,
)


class _Labelled(Protocol):
    @property
    def feature(self) -> str: ...
    @property
    def request_type(self) -> str: ...


Row = TypeVar("Row", bound=_Labelled)


def shared_out(measurement: Measurement, rules: Iterable[RuleTarget]) -> Measurement:
    """Return the measurement with an entry for each slice, and the rest for its rule.

    Args:
        measurement: by rule, as the router counts.
        rules: rules and slices in the order in which the router tries them.
    """
    parts: dict[RuleKey, list[RuleTarget]] = {}
    for rule in rules:
        if rule.key != rule.base:
            parts.setdefault(rule.base, []).append(rule)
    if not parts:
        return measurement
    found = dict(measurement.rules)
    for base, slices in parts.items():
        whole = measurement.rule(base)
        for key in (*(one.key for one in slices), base):
            found[key] = _part(whole, key, base, slices)
    return replace(measurement, rules=found)


def _part(
    whole: RuleMeasurement, key: RuleKey, base: RuleKey, slices: list[RuleTarget]
) -> RuleMeasurement:
    def of(feature: str, request_type: str) -> RuleKey:
        split = bool(feature or request_type)
        holding = (one.key for one in slices if split and one.scope.holds(feature, request_type))
        return next(holding, base)

    def mine(rows: Iterable[Row]) -> tuple[Row, ...]:
        return tuple(row for row in rows if of(row.feature, row.request_type) == key)

    flows: Mapping[tuple[str, str], float] = {
        labels: rate for labels, rate in whole.flows.items() if of(*labels) == key
    }
    return RuleMeasurement(
        cells=mine(whole.cells),
        ladders=mine(whole.ladders),
        usage=mine(whole.usage),
        flows=flows,
        # Measured as a whole, a rule's demand is not known to be any part's.
        demand=sum(flows.values()) if whole.flows else (whole.demand if key == base else None),
    )
