"""`tokenfleet simulate`: the control loop against others, on a model of a fleet."""

import argparse
import json
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from tokenfleet.simulation.run import POLICIES, Result, simulate
from tokenfleet.simulation.scenarios import SCENARIOS


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "simulate",
        help="compare control loops on a queueing model of a fleet",
        description="Runs every scenario under every policy and prints one table. The policy"
        " `ours` is the operator's own engine, unchanged.",
    )
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--scenario", action="append", choices=names, help="only these; repeatable")
    parser.add_argument(
        "--policy", action="append", choices=POLICIES, help="only these; repeatable"
    )
    parser.add_argument("--seeds", type=int, default=3, help="runs per cell (default 3)")
    parser.add_argument("--scrape", type=float, default=15.0, help="seconds between scrapes")
    parser.add_argument("--tick", type=float, default=15.0, help="seconds between decisions")
    parser.add_argument("--output", choices=("text", "json"), default="text")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if args.seeds < 1 or args.scrape <= 0 or args.tick <= 0:
        print("--seeds, --scrape and --tick must be more than 0", file=sys.stderr)
        return 2
    chosen = [s for s in SCENARIOS if not args.scenario or s.name in args.scenario]
    policies = [name for name in POLICIES if not args.policy or name in args.policy]
    results = []
    for scenario in chosen:
        for policy in policies:
            for seed in range(args.seeds):
                if args.output == "text" and sys.stderr.isatty():
                    print(f"\r\033[K{scenario.name} {policy} {seed}", end="", file=sys.stderr)
                results.append(
                    simulate(scenario, policy, seed=seed, scrape=args.scrape, tick=args.tick)
                )
    if args.output == "json":
        print(json.dumps([asdict(result) for result in results]))
        return 0
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    print(table(results, policies))
    return 0


def table(results: Iterable[Result], policies: Sequence[str]) -> str:
    """Return one line per scenario, one column per policy."""
    cells: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        cells.setdefault((result.scenario, result.policy), []).append(result)
    names = dict.fromkeys(scenario for scenario, _ in cells)
    says = {scenario.name: scenario.says for scenario in SCENARIOS}
    lines = [
        "bad requests % / minutes beyond the budget / changes of direction / seconds to act",
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
        )
    )
