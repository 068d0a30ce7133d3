"""`tokenfleet simulate`: the control loop against others, on a model of a fleet."""

import argparse
import json
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from tokenfleet.simulation.draws import drawn
from tokenfleet.simulation.fleet import Scenario
from tokenfleet.simulation.gates import all_gates
from tokenfleet.simulation.plot import svg
from tokenfleet.simulation.run import POLICIES, Result, simulate
from tokenfleet.simulation.scenarios import SCENARIOS

UNITS = (
    "bad requests % / minutes beyond the budget / changes of direction / seconds to act"
    " / requests on the fallback %"
)
EXPLAINED = """
policies:
  none      nobody shifts anything
  naive     all to the fallback while the last minute is bad, all back when it is not
  flagger   Flagger's rule: 5 failed one-minute checks roll back, then 10 % a minute
  pages     the SRE workbook's page alerts as triggers (14.4 over 1 h, 6 over 6 h)
  ours      the operator's own engine, unchanged
  oracle    knows load, faults and capacities

examples:
  tokenfleet simulate                                  the whole table, some 5 minutes
  tokenfleet simulate --scenario C --plot c.svg        one scenario as a picture
  tokenfleet simulate --draws 20 --policy none --policy ours
  tokenfleet simulate --gates                          every promise; exit status 1 when one breaks
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    scenarios = "\n".join(f"  {scenario.name:<9} {scenario.says}" for scenario in SCENARIOS)
    parser = subparsers.add_parser(
        "simulate",
        help="compare control loops on a queueing model of a fleet",
        description="Runs every scenario under every policy and prints one table.",
        epilog=f"scenarios:\n{scenarios}\n{EXPLAINED}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    names = [scenario.name for scenario in SCENARIOS]
    add("--scenario", action="append", choices=names, metavar="NAME", help="only it; repeatable")
    add("--draws", type=int, default=0, metavar="N", help="N fresh fleets instead of scenarios")
    add("--policy", action="append", choices=POLICIES, metavar="NAME", help="only it; repeatable")
    add("--seeds", type=int, default=3, help="runs per cell (default 3)")
    add("--scrape", type=float, default=15.0, help="seconds between scrapes (default 15)")
    add("--tick", type=float, default=15.0, help="seconds between decisions (default 15)")
    add("--output", choices=("text", "json"), default="text", help="(default text)")
    add("--plot", type=Path, metavar="FILE", help="draw one scenario as SVG, first seed")
    add("--gates", action="store_true", help="measure every promise instead; some 10 minutes")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    wrong = _wrong(args)
    if wrong:
        print(f"tokenfleet simulate: {wrong}", file=sys.stderr)
        return 2
    if args.gates:
        return _gates(args)
    scenarios = [s for s in SCENARIOS if not args.scenario or s.name in args.scenario]
    scenarios = [drawn(number) for number in range(args.draws)] or scenarios
    asked = args.policy or (["none", "ours", "oracle"] if args.plot else POLICIES)
    policies = [name for name in POLICIES if name in asked]
    results = _results(scenarios, policies, args)
    if args.plot:
        try:
            first = [result for result in results if result.seed == 0]
            args.plot.write_text(svg(scenarios[0], first), encoding="utf-8")
        except OSError as error:
            print(f"tokenfleet simulate: {args.plot}: {error.strerror}", file=sys.stderr)
            return 2
    if args.output == "json":
        print(json.dumps([asdict(result) for result in results]))
    else:
        print(table(results, policies, {s.name: s.says for s in scenarios}))
    return 0


def table(results: Iterable[Result], policies: Sequence[str], says: "dict[str, str]") -> str:
    """Return one line per scenario, one column per policy."""
    cells: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        cells.setdefault((result.scenario, result.policy), []).append(result)
    names = dict.fromkeys(scenario for scenario, _ in cells)
    lines = [
        UNITS,
        "",
        "| scenario | " + " | ".join(policies) + " |",
        "| --- |" + " --- |" * len(policies),
    ]
    lines += [
        f"| {name}: {says[name]} | "
        + " | ".join(_cell(cells.get((name, policy), [])) for policy in policies)
        + " |"
        for name in names
    ]
    return "\n".join(lines)


def _wrong(args: argparse.Namespace) -> str:
    """Return what cannot be done; empty where all can."""
    if args.seeds < 1 or args.scrape <= 0 or args.tick <= 0 or args.draws < 0:
        return "--seeds, --scrape and --tick must be more than 0, --draws at least 0"
    if args.draws and args.scenario:
        return "--draws draws fleets of its own: leave out --scenario"
    if args.plot and len(args.scenario or ()) != 1:
        return "--plot needs exactly one --scenario"
    return ""


def _results(
    scenarios: Sequence[Scenario], policies: Sequence[str], args: argparse.Namespace
) -> list[Result]:
    runs = [(s, p, n) for s in scenarios for p in policies for n in range(args.seeds)]
    results = []
    for done, (scenario, policy, seed) in enumerate(runs):
        _progress(f"{done}/{len(runs)} {scenario.name} {policy} {seed}")
        results.append(simulate(scenario, policy, seed=seed, scrape=args.scrape, tick=args.tick))
    _progress("")
    return results


def _gates(args: argparse.Namespace) -> int:
    broken = 0
    _progress("measuring")
    for gate in all_gates(seeds=max(args.seeds, 4), draws=args.draws or 50, days=7):
        _progress("")
        print(f"{'kept  ' if gate.kept else 'BROKEN'} {gate.promise}: {gate.measured}", flush=True)
        broken += not gate.kept
        _progress("measuring")
    _progress("")
    return 1 if broken else 0


def _progress(said: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{said}", end="", file=sys.stderr, flush=True)


def _cell(results: Sequence[Result]) -> str:
    if not results:
        return ""
    acted = [r.acted_after for r in results if r.acted_after is not None]
    after = f"{statistics.median(acted):.0f}" if len(acted) * 2 > len(results) else "-"
    return " / ".join(
        (
            f"{statistics.mean(r.bad for r in results) * 100:.1f}",
            f"{statistics.mean(r.violating for r in results):.0f}",
            f"{statistics.mean(r.flips for r in results):.0f}",
            after,
            f"{statistics.mean(r.fallback for r in results) * 100:.0f}",
        )
    )
