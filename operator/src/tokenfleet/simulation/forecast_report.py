"""What would happen to a user's fleet, in words, as data and as a picture."""

from collections.abc import Iterable, Iterator, Sequence
from statistics import mean
from typing import Any, Final

from tokenfleet.adapters.drawing import PALE, Drawing
from tokenfleet.domain.slo.objectives.spec import ObjectiveSpec
from tokenfleet.domain.slo.observation.measurement import RuleKey
from tokenfleet.simulation.forecast import Forecast
from tokenfleet.simulation.plot import (
    BUDGET,
    CAUSE,
    COLORS,
    Panel,
    legend,
    minutes,
    page,
    tops,
)
from tokenfleet.simulation.run import Lane, Run, violating

POOLS: Final = ("#0969da", "#1a7f37", "#8250df", "#bf8700", "#cf222e", "#57606a")
"""Colors of pools, in the order of the rule."""


def document(forecast: Forecast) -> dict[str, Any]:
    """Return everything, for machines; decisions and curves are those of the first seed."""
    return {
        "seconds": forecast.scenario.seconds,
        "faults": forecast.scenario.says,
        "assumed": list(forecast.assumed),
        "seeds": len(forecast.ours),
        "rules": [_rule(forecast, number) for number in range(len(forecast.scenario.streams))],
        "objectives": [
            {
                "name": slo.key,
                "target": slo.target,
                "bad": {
                    "controlled": _missed(forecast.ours, slo),
                    "none": _missed(forecast.none, slo),
                },
            }
            for slo in forecast.scenario.objectives
        ],
        "decisions": [
            {
                "second": round(at),
                "rule": str(taken.rule),
                "primary": taken.primary,
                "transition": taken.decision.transition,
                "from": taken.decision.from_w / 1000,
                "to": taken.decision.to_w / 1000,
                "message": taken.message,
            }
            for at, taken in forecast.ours[0].told
        ],
    }


def text(forecast: Forecast) -> str:
    """Return the same, for people."""
    found = document(forecast)
    hours, seeds = found["seconds"] / 3600, found["seeds"]
    runs = "one run" if seeds == 1 else f"mean of {seeds} runs"
    return "\n".join(
        [
            f"{forecast.scenario.says}; {hours:g} h, {runs}",
            "",
            "assumed",
            *(f"  {line}" for line in found["assumed"]),
            "",
            f"{'rule':<32}{'':<10}{'requests':>9}{'bad':>9}{'minutes':>9}  on",
            *(line for rule in found["rules"] for line in _rows(rule)),
            "",
            f"{'objective':<42}{'promised':>9}{'with':>9}{'without':>9}",
            *(_objective(slo) for slo in found["objectives"]),
            "",
            "decisions of the first run" if found["decisions"] else "no decision",
            *(
                f"  {_clock(one['second'])}  {one['rule']}  {one['transition']:<4} {one['message']}"
                for one in found["decisions"]
            ),
        ]
    )


def picture(forecast: Forecast) -> Drawing:
    """Draw load, shares with decisions by name, and bad requests of each rule; first seed."""
    scenario, mine, none = forecast.scenario, forecast.ours[0], forecast.none[0]
    drawing = page(scenario.says, 3 * len(scenario.streams))
    places = tops(3 * len(scenario.streams))
    panels: list[Panel] = []
    for number, stream in enumerate(scenario.streams):
        name = f"{stream.rule.key.route}/{stream.rule.key.rule}"
        rates = [(float(t), stream.rate(t)) for t in range(0, scenario.seconds, 10)]
        highest = 1.2 * max(rate for _, rate in rates) or 1.0
        asked, share, bad = (
            Panel(drawing, top, scenario.seconds, most)
            for top, most in zip(places[3 * number :], (highest, 1.0, 1.0), strict=False)
        )
        panels += [asked, share, bad]
        asked.frame(f"{name}: requests per second", lambda value: f"{value:.1f}")
        asked.path(rates, PALE)
        _shares(share, mine, number, name)
        bad.frame(f"{name}: bad requests, by minute", lambda value: f"{value:.0%}")
        bad.level(1 - _target(forecast, stream.rule.key), BUDGET)
        bad.path(minutes(none.lanes[number].minutes), COLORS["none"])
        bad.path(minutes(mine.lanes[number].minutes), COLORS["ours"])
        keys = [("without control", COLORS["none"]), ("with control", COLORS["ours"])]
        legend(drawing, keys, y=bad.top + 12)
    if scenario.fault_at is not None:
        for panel in panels:
            panel.moment(scenario.fault_at, CAUSE)
    panels[-1].hours()
    return drawing


def _shares(panel: Panel, run: Run, number: int, name: str) -> None:
    lane = run.lanes[number]
    panel.frame(f"{name}: share of each pool", lambda value: f"{value:.0%}")
    pools = list(lane.shares[0][1])
    for pool, color in zip(pools, POOLS * len(pools), strict=False):
        panel.path(_stairs(lane, pool, panel.seconds), color)
    keys = zip(pools, POOLS * len(pools), strict=False)
    legend(panel.page, keys, y=panel.top + 12)
    told = [(at, taken) for at, taken in run.told if taken.rule == lane.rule]
    changes = dict(lane.shares)
    panel.names(
        (at, changes.get(at, {}).get(taken.primary, 1.0), taken.decision.transition)
        for at, taken in told
    )


def _stairs(lane: Lane, pool: str, seconds: float) -> list[tuple[float, float]]:
    points: list[tuple[float, float]] = []
    for at, parts in lane.shares:
        if points:
            points.append((at, points[-1][1]))
        points.append((at, parts[pool]))
    return [*points, (seconds, points[-1][1])]


def _rule(forecast: Forecast, number: int) -> dict[str, Any]:
    mine = [run.lanes[number] for run in forecast.ours]
    none = [run.lanes[number] for run in forecast.none]
    target = _target(forecast, mine[0].rule)
    return {
        "rule": str(mine[0].rule),
        "requests": round(mean(lane.requests for lane in mine)),
        "bad": {"controlled": _bad(mine), "none": _bad(none)},
        "minutesBeyondBudget": {
            "controlled": mean(violating(lane, target) for lane in mine),
            "none": mean(violating(lane, target) for lane in none),
        },
        "pools": {
            "controlled": _parts(mine),
            "none": _parts(none),
        },
        "minutes": [list(pair) for pair in mine[0].minutes],
        "shares": [{"second": round(at), **parts} for at, parts in mine[0].shares],
    }


def _rows(rule: dict[str, Any]) -> Iterator[str]:
    for key, said in (("controlled", "with"), ("none", "without")):
        pools = ", ".join(f"{pool} {part:.0%}" for pool, part in rule["pools"][key].items())
        name, requests = (rule["rule"], rule["requests"]) if key == "controlled" else ("", "")
        yield (
            f"{name:<32}{said:<10}{requests:>9}{rule['bad'][key]:>9.1%}"
            f"{rule['minutesBeyondBudget'][key]:>9.0f}  {pools}"
        )


def _objective(slo: dict[str, Any]) -> str:
    bad = slo["bad"]
    cells = (
        f"{1 - bad[key]:>9.2%}" if bad[key] is not None else f"{'-':>9}"
        for key in ("controlled", "none")
    )
    return f"{slo['name']:<42}{slo['target']:>9.2%}" + "".join(cells)


def _missed(runs: Iterable[Run], slo: ObjectiveSpec) -> float | None:
    """Return the bad part of all attempts that an objective is about; None: there were none."""
    total = bad = 0
    for run in runs:
        for line, seen in run.seen.items():
            if (line.signal, line.threshold) == (slo.signal, slo.threshold) and _about(
                slo, line.rule
            ):
                total += seen.good + seen.bad
                bad += seen.bad
    return bad / total if total else None


def _target(forecast: Forecast, rule: RuleKey) -> float:
    """Return the strictest promise about a rule; 1 where nothing is promised."""
    return max(
        (slo.target for slo in forecast.scenario.objectives if _about(slo, rule)), default=1.0
    )


def _about(slo: ObjectiveSpec, rule: RuleKey) -> bool:
    return rule[:2] == (slo.namespace, slo.route) and slo.rule in {None, rule.rule}


def _bad(lanes: Sequence[Lane]) -> float:
    return sum(lane.bad for lane in lanes) / max(1, sum(lane.requests for lane in lanes))


def _parts(lanes: Sequence[Lane]) -> dict[str, float]:
    total = max(1, sum(lane.requests for lane in lanes))
    pools = dict.fromkeys(pool for lane in lanes for pool in lane.shares[0][1])
    return {pool: sum(lane.pools.get(pool, 0) for lane in lanes) / total for pool in pools}


def _clock(second: int) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
