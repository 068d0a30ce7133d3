"""`tokenfleet simulate`: the control loop on a model of a fleet; yours, or the scenarios."""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from tokenfleet.adapters.drawing import DrawingError, check
from tokenfleet.cli import simulate_fleet
from tokenfleet.cli.inputs import InputError, read_one
from tokenfleet.cli.output import TEXT, add_output_flag, for_scripts
from tokenfleet.cli.progress import Progress, add_flag, progress
from tokenfleet.cli.terminal import harmless
from tokenfleet.domain.fleet.documents import UnfitError
from tokenfleet.ports import PortError
from tokenfleet.simulation.draws import drawn
from tokenfleet.simulation.fleet import Scenario
from tokenfleet.simulation.gates import SHORT, WHOLE, Effort, Gate
from tokenfleet.simulation.plot import comparison
from tokenfleet.simulation.report import GATES, extend, pieces
from tokenfleet.simulation.run import POLICIES, Result, simulate
from tokenfleet.simulation.scenarios import BY_NAME, SCENARIOS, WORLDS
from tokenfleet.simulation.written import WrittenError

MOST: Final = 10_000
"""Runs, fleets, workers or days at most: more is a slip of the keyboard."""
HOUR: Final = 3600
"""Seconds between two decisions at most."""

UNITS: Final = (
    "bad requests % / minutes beyond the budget / changes of direction / seconds to act"
    " / requests on the fallback %"
)
EXPLAINED: Final = """
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
  tokenfleet simulate --gates                          every promise; status 1 where one breaks
  tokenfleet simulate --gates --gate chain --effort short
  tokenfleet simulate --report figures.json            both into a file; may be cut off and goes on
  tokenfleet simulate -f fleet.yaml --fault pool=chat-large,type=Slow,from=30m,for=20m,factor=5
  tokenfleet simulate -f fleet.yaml --measured 24h --prometheus-url http://localhost:9090
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    known = (*SCENARIOS, *WORLDS.values())
    listed = "\n".join(f"  {scenario.name:<20} {scenario.says}" for scenario in known)
    parser = subparsers.add_parser(
        "simulate",
        help="simulate the control loop on a model of a fleet",
        description="With --file, says what would happen to your own fleet. Without, runs every"
        " scenario under every policy and prints one table.",
        epilog=f"scenarios:\n{listed}\n{EXPLAINED}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    simulate_fleet.add_flags(parser)
    names = [scenario.name for scenario in known]
    add("--scenario", action="append", choices=names, metavar="NAME", help="only it; repeatable")
    add("--draws", type=int, default=0, metavar="N", help="N fresh fleets instead of scenarios")
    add("--policy", action="append", choices=POLICIES, metavar="NAME", help="only it; repeatable")
    add("--seeds", type=int, default=3, help="runs per cell (default 3)")
    add("--scrape", type=float, default=15.0, help="seconds between scrapes (default 15)")
    add("--tick", type=float, default=15.0, help="seconds between decisions (default 15)")
    add_output_flag(parser)
    add(
        "--plot",
        type=Path,
        metavar="FILE",
        help="draw the fleet, or one scenario, first seed; .svg, .png or .pdf",
    )
    add("--gates", action="store_true", help="measure every promise instead; half an hour")
    add("--gate", action="append", choices=GATES, metavar="NAME", help="only it; repeatable")
    add("--effort", choices=("short", "whole"), default="whole", help="of --gates (default whole)")
    add("--days", type=float, help="days of fleets in which nothing happens (default 1 or 30)")
    add("--before", type=Path, metavar="FILE", help="JSON of earlier --gates, to show beside")
    add(
        "--report",
        type=Path,
        metavar="FILE",
        help="measure the table and every promise into this file, or only the scenarios and gates"
        " that are named; what it holds already is left, so it goes on where it was cut off",
    )
    add("--jobs", type=int, default=os.cpu_count() or 1, help="gates at a time (default: cores)")
    add_flag(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    try:
        wrong = _wrong(args)
        if wrong:
            return _refused(wrong)
        if args.plot:
            check(args.plot)
        if args.report:
            return _report(args)
        with progress(args) as shown:
            if args.file:
                return simulate_fleet.run(args, shown)
            return _gates(args, shown) if args.gates or args.gate else _compare(args, shown)
    except BrokenPipeError:
        raise  # a reader that left: the program ends quietly
    except OSError as error:
        return _refused(f"{error.filename}: {error.strerror}")
    except (DrawingError, InputError, PortError, UnfitError, WrittenError) as error:
        return _refused(str(error), 1 if isinstance(error, PortError) else 2)


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
    gates = bool(args.gates or args.gate)
    refusals = (
        (
            not (1 <= args.seeds <= MOST and 0 <= args.draws <= MOST and 1 <= args.jobs <= MOST),
            f"--seeds and --jobs must be 1 to {MOST}, --draws 0 to {MOST}",
        ),
        (
            not (1 <= args.scrape <= HOUR and 1 <= args.tick <= HOUR),
            f"--scrape and --tick must be 1 to {HOUR} seconds",
        ),
        (
            args.days is not None and not 0 < args.days <= MOST,
            f"--days must be more than 0, at most {MOST}",
        ),
        (
            args.draws and args.scenario,
            "--draws draws fleets of its own: leave out --scenario",
        ),
        (
            args.file and (args.scenario or args.draws or gates),
            "--file is a fleet of your own: leave out --scenario, --draws and --gates",
        ),
        (
            args.report and (args.file or args.draws or args.plot),
            "--report is about scenarios and gates: leave out --file, --draws and --plot",
        ),
        (
            not args.file
            and any((args.load, args.rate, args.capacity, args.fault, args.lasts, args.measured)),
            "--load, --rate, --capacity, --fault, --for and --measured need the fleet, by --file",
        ),
        (
            args.plot and not args.file and len(args.scenario or ()) != 1,
            "--plot needs exactly one --scenario, or --file",
        ),
    )
    return next((said for wrong, said in refusals if wrong), "")


def _compare(args: argparse.Namespace, shown: Progress) -> int:
    known = {**BY_NAME, **WORLDS}
    scenarios = [known[name] for name in args.scenario or [s.name for s in SCENARIOS]]
    scenarios = [drawn(number) for number in range(args.draws)] or scenarios
    asked = args.policy or (["none", "ours", "oracle"] if args.plot else POLICIES)
    policies = [name for name in POLICIES if name in asked]
    results = _results(scenarios, policies, args, shown)
    if args.plot:
        first = [result for result in results if result.seed == 0]
        comparison(scenarios[0], first).write(args.plot)
    if args.output != TEXT:
        print(for_scripts([asdict(result) for result in results], args.output), end="")
    else:
        print(table(results, policies, {s.name: s.says for s in scenarios}))
    return 0


def _results(
    scenarios: Sequence[Scenario],
    policies: Sequence[str],
    args: argparse.Namespace,
    shown: Progress,
) -> list[Result]:
    runs = [(s, p, n) for s in scenarios for p in policies for n in range(args.seeds)]
    results = []
    for done, (scenario, policy, seed) in enumerate(runs):
        shown.say(f"{done}/{len(runs)} {scenario.name} {policy} {seed}")
        results.append(simulate(scenario, policy, seed=seed, scrape=args.scrape, tick=args.tick))
    shown.say("")
    return results


def _gates(args: argparse.Namespace, shown: Progress) -> int:
    before = _earlier(args.before) if args.before else None
    found: dict[str, Gate] = {}
    for name, gate in _measured(args, shown):
        found[name] = gate
        if args.output == TEXT and before is None:
            print(f"{_verdict(gate):<12} {gate.promise}: {gate.measured}", flush=True)
    if args.output != TEXT:
        gates = {name: asdict(gate) for name, gate in found.items()}
        print(for_scripts(gates, args.output), end="")
    elif before is not None:
        print("| promise | before | now | |\n| --- | --- | --- | --- |")
        for name, gate in found.items():
            earlier = before.get(name, {}).get("measured", "")
            print(f"| {gate.promise} | {earlier} | {gate.measured} | {_verdict(gate)} |")
    return int(not all(gate.kept for gate in found.values()))


def _earlier(path: Path) -> dict[str, dict[str, str]]:
    """Return what an earlier `--gates --output json` printed."""
    content = read_one(path)
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        msg = f"{path} is no JSON of earlier --gates: {error}"
        raise InputError(msg) from error
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        msg = f"{path} is no JSON of earlier --gates: it must hold one object per gate"
        raise InputError(msg)
    return found


def _verdict(gate: Gate) -> str:
    return "kept" if gate.kept else "BROKEN"


def _measured(args: argparse.Namespace, shown: Progress) -> Iterator[tuple[str, Gate]]:
    names, effort = args.gate or list(GATES), _effort(args)
    shown.say("measuring")
    with ProcessPoolExecutor(args.jobs) as workers:
        waiting = {name: workers.submit(GATES[name], effort) for name in names}
        for done, (name, future) in enumerate(waiting.items()):
            shown.say(f"{done}/{len(names)} {name}")
            gate = future.result()
            shown.say("")
            yield name, gate


def _effort(args: argparse.Namespace) -> Effort:
    effort = SHORT if args.effort == "short" else WHOLE
    return replace(effort, days=args.days) if args.days else effort


def _report(args: argparse.Namespace) -> int:
    names = {f"promise {gate}" for gate in args.gate or ()}
    named = tuple(f"scenario {scenario}/" for scenario in args.scenario or ())

    def only(name: str) -> bool:
        return not (names or named) or name in names or name.startswith(named)

    def tell(said: str) -> None:
        if not args.quiet:
            print(said, file=sys.stderr, flush=True)

    wanted = pieces(args.seeds, _effort(args))
    try:
        found = extend(args.report, wanted, args.jobs, tell, only)
    except ValueError as error:
        return _refused(f"{args.report} is no report: {error}")
    broken = [name for name, one in found.items() if not one.get("kept", True)]
    print(f"{len(found)} of {len(wanted)} pieces; broken: {', '.join(broken) or 'none'}")
    return int(bool(broken))


def _refused(said: str, status: int = 2) -> int:
    print(f"tokenfleet simulate: {harmless(said)}", file=sys.stderr)
    return status


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
