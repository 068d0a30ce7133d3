"""From rows to what requests used: tokens by the router, hits and fullness by the engines."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from tokenfleet.adapters.prometheus.rows import rule_of, sound, window_of
from tokenfleet.domain.slo.observation.measurement import (
    EngineCache,
    EngineLoad,
    RuleKey,
    Usage,
    UsageCell,
)
from tokenfleet.ports import Sample


@dataclass(slots=True)
class _Draft:
    """A place while its rows come in: window -> kind -> value."""

    windows: dict[timedelta, dict[str, float]] = field(default_factory=dict)
    broken: bool = False

    def enter(self, window: timedelta, kind: str, value: float) -> None:
        counts = self.windows.setdefault(window, {})
        if not sound(value) or counts.setdefault(kind, value) != value:
            self.broken = True


def usage_of(rows: Iterable[Sample]) -> dict[RuleKey, list[UsageCell]]:
    """Return what every rule used, by pool and labels."""
    drafts: dict[tuple[RuleKey, str, str, str], _Draft] = defaultdict(_Draft)
    for row in rows:
        key, window, kind = rule_of(row), window_of(row), row.labels.get("kind", "")
        if key is None or window is None or kind not in Usage._fields:
            continue
        place = (row.labels.get("pool", ""), row.labels.get("feature", ""))
        draft = drafts[(key, *place, row.labels.get("request_type", ""))]
        draft.enter(window, kind, row.value)
    cells: dict[RuleKey, list[UsageCell]] = defaultdict(list)
    for (key, pool, feature, request_type), draft in sorted(drafts.items()):
        if pool:  # the router's own answers used nothing
            cells[key].append(
                UsageCell(
                    pool=pool,
                    feature=feature,
                    request_type=request_type,
                    windows={w: Usage(**kinds) for w, kinds in sorted(draft.windows.items())},
                    broken=draft.broken,
                )
            )
    return cells


def engines_of(rows: Iterable[Sample]) -> dict[tuple[str, str], dict[timedelta, EngineCache]]:
    """Return what engines say of their prefix caches; one that is not believable says nothing."""
    drafts: dict[tuple[str, str], _Draft] = defaultdict(_Draft)
    for row in rows:
        window, kind = window_of(row), row.labels.get("kind", "")
        if window is not None and kind in EngineCache._fields:
            place = (row.labels.get("namespace", ""), row.labels.get("pool", ""))
            drafts[place].enter(window, kind, row.value)
    return {
        place: {
            window: EngineCache(kinds.get("hits", 0.0), kinds["queries"])
            for window, kinds in sorted(draft.windows.items())
            if "queries" in kinds
        }
        for place, draft in sorted(drafts.items())
        if not draft.broken
    }


def engine_loads_of(rows: Iterable[Sample]) -> dict[tuple[str, str], EngineLoad]:
    """Return what engines say of how full they are; what is not believable was not said."""
    kinds: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for row in rows:
        kind = row.labels.get("kind", "")
        if kind in EngineLoad._fields and sound(row.value):
            kinds[row.labels.get("namespace", ""), row.labels.get("pool", "")][kind] = row.value
    return {place: EngineLoad(**found) for place, found in sorted(kinds.items())}
