"""`tokenfleet simulate --file`: what would happen to a fleet of your own."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from tokenfleet.adapters.clock import SystemClock
from tokenfleet.cli import measured_load
from tokenfleet.cli.forecast_text import length, text
from tokenfleet.cli.inputs import read_objects, read_one
from tokenfleet.cli.labels import label
from tokenfleet.cli.output import TEXT, for_scripts
from tokenfleet.cli.progress import Progress
from tokenfleet.cli.stated import stated as read
from tokenfleet.cli.terminal import harmless
from tokenfleet.domain.fleet.documents import UnfitError
from tokenfleet.domain.fleet.subject import Subject, subjects_of
from tokenfleet.domain.fleet.yaml_text import UnreadableError, loaded
from tokenfleet.simulation.forecast import StatedLoad, forecast
from tokenfleet.simulation.forecast_report import document, picture
from tokenfleet.simulation.written import WrittenError, WrittenFault, WrittenLoad, cause

Body = dict[str, Any]

LARGEST: Final = 1_000_000
"""Of rates, capacities and factors: requests are simulated one by one."""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add what only a fleet of your own takes."""
    add = parser.add_argument_group("your own fleet").add_argument
    add(
        "-f",
        "--file",
        action="append",
        metavar="FILE",
        help="TokenSLOs with their ModelRoutes and ServingPools: a YAML file, a folder of them, or"
        " `-` for standard input; repeatable",
    )
    add("-n", "--namespace", default="default", help="of objects without one (default: default)")
    add("--router", help="the ModelRouter, where the file holds routes of several")
    add("--load", type=Path, metavar="FILE", help="rules, pools and faults as YAML; see the docs")
    add(
        "--rate",
        action="append",
        metavar="RULE=N",
        help="requests per second to `route/rule` or `route`; repeatable",
    )
    add(
        "--capacity",
        action="append",
        metavar="POOL=N",
        help="requests per second that one replica really bears (default: as declared)",
    )
    add(
        "--fault",
        action="append",
        metavar="pool=P,type=T,...",
        help="type=Slow|Errors|Late|Hang|Outage, from=30m, for=20m, factor=5; repeatable",
    )
    add("--for", dest="lasts", metavar="TIME", help="how long (default 2h, or what was measured)")
    measured_load.add_flags(parser, add)


def run(args: argparse.Namespace, shown: Progress) -> int:
    """Run it.

    Raises:
        UnfitError: the objects and what is stated do not fit.
        WrittenError: what is stated cannot be read.
        InputError: a file cannot be read.
        PortError: Prometheus does not answer, or refuses.
        OSError: the picture cannot be written.
    """
    subject = _chosen(args)
    stated, measured = _stated(args), tuple[str, ...]()
    if args.measured:
        stated, measured = _measured(stated, args, subject)
    source = str(args.load or "load")
    if endless := next(_endless(stated), None):
        msg = f"{source}: {endless}"
        raise WrittenError(msg)
    load = read(StatedLoad, stated, source)
    mine = {} if args.measured else load.rules
    for late in _too_late(load.faults, mine, load.lasts):
        print(f"tokenfleet simulate: {harmless(late)}", file=sys.stderr)
    pace = {"scrape": args.scrape, "tick": args.tick}
    made = forecast(subject, load, seeds=args.seeds, **pace, progress=shown)
    if measured:  # that more is asked at one hour than at another is no cause
        scenario = replace(made.scenario, fault_at=cause(WrittenLoad(rate=0), load.faults))
        made = replace(made, scenario=scenario, assumed=(*measured, *made.assumed))
    shown.say("")
    if args.plot:
        picture(made).write(args.plot)
    for problem in subject.problems:
        print(f"tokenfleet simulate: {problem}", file=sys.stderr)
    if args.output == TEXT:
        print(text(made))
    else:
        print(for_scripts(document(made), args.output), end="")
    return 0


def _chosen(args: argparse.Namespace) -> Subject:
    """Return the fleet of the router that is meant."""
    try:
        where = label("--namespace", args.namespace)
    except ValueError as error:
        raise WrittenError(str(error)) from error
    found = {s.router: s for s in subjects_of(read_objects(args.file), namespace=where)}
    name = args.router or next(iter(found))
    if name not in found or (len(found) > 1 and not args.router):
        wrong = f"no objective is for ModelRouter {name}" if args.router else "choose a router"
        msg = f"{wrong}: --router may be {' or '.join(found)}"
        raise UnfitError(msg)
    return found[name]


def _measured(
    stated: Body, args: argparse.Namespace, subject: Subject
) -> tuple[Body, tuple[str, ...]]:
    try:
        return measured_load.measured(stated, args, subject, SystemClock().now())
    except ValueError as error:
        raise WrittenError(str(error)) from error


def _too_late(
    faults: Iterable[WrittenFault], rules: Mapping[str, WrittenLoad], lasts: float
) -> Iterator[str]:
    """Say what begins after the end, and so never."""
    late = [f"fault {one.type} of {one.pool}" for one in faults if one.start >= lasts]
    late += [
        f"an episode of {name}"
        for name, rule in rules.items()
        if any(one.start >= lasts for one in rule.episodes)
    ]
    for what in late:
        yield (
            f"{what} begins after the end of the run, which lasts {length(round(lasts))}: let it"
            " begin earlier, or give --for more"
        )


def _written(file: Path) -> Any:
    try:
        documents = loaded(read_one(file))
    except UnreadableError as error:
        msg = f"{file} {error}"
        raise WrittenError(msg) from error
    if len(documents) > 1:
        msg = f"{file} holds {len(documents)} documents; a load is one, without ---"
        raise WrittenError(msg)
    return documents[0] if documents else {}


def _stated(args: argparse.Namespace) -> Body:
    """Return the load file with the flags on top."""
    body = _written(args.load) if args.load else {}
    if not isinstance(body, dict):
        msg = f"{args.load} holds no fields; expected lasts, rules, pools or faults"
        raise WrittenError(msg)
    rules = _merged(body.get("rules"), "rate", _numbers("--rate", args.rate))
    pools = _merged(body.get("pools"), "requestsPerSecond", _numbers("--capacity", args.capacity))
    faults = body.get("faults") or []
    if isinstance(faults, list):  # refused where it is read
        faults = [*faults, *(_fault(said) for said in args.fault or ())]
    lasts = {"lasts": args.lasts} if args.lasts else {}
    return {**body, **lasts, "rules": rules, "pools": pools, "faults": faults}


def _endless(value: Any, place: str = "") -> Iterator[str]:
    """Yield the numbers with which a simulation would never end, or say nothing."""
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for key, one in inner:
            yield from _endless(one, f"{place}.{key}".lstrip("."))
    elif isinstance(value, int | float | str):
        try:
            fits = abs(float(value)) <= LARGEST
        except (ValueError, OverflowError):
            fits = isinstance(value, str)  # a word
        if not fits:
            yield f"{place}: must be a number up to {LARGEST}, not {str(value)[:40]}"


def _merged(stated: Any, field: str, values: Mapping[str, float]) -> Any:
    if stated is not None and not isinstance(stated, dict):
        return stated  # refused where it is read
    merged = dict(stated or {})
    for name, value in values.items():
        before = merged.get(name) or {}
        if isinstance(before, dict):  # else it is refused where it is read
            merged[name] = {**before, field: value}
    return merged


def _numbers(flag: str, said: Sequence[str] | None) -> dict[str, float]:
    found = {}
    for one in said or ():
        name, _, value = one.rpartition("=")
        if name in found:
            msg = f"{flag} names {name} twice: write it once"
            raise WrittenError(msg)
        try:
            found[name] = float(value)
        except ValueError:
            name = ""
        if not name:
            msg = f"{flag} must be NAME=NUMBER, not {one}"
            raise WrittenError(msg)
    return found


def _fault(said: str) -> Body:
    """Read `pool=chat-large,type=Slow,from=30m,for=20m,factor=5`."""
    body: Body = {}
    for part in said.split(","):
        name, sign, value = part.partition("=")
        if not sign:
            msg = f"--fault {said}: {part} is not of the form name=value"
            raise WrittenError(msg)
        if name.strip() in body:
            msg = (
                f"--fault {said}: {name.strip()} stands there twice; another fault is another flag"
            )
            raise WrittenError(msg)
        body[name.strip()] = value.strip()
    read(WrittenFault, body, f"--fault {said}")
    return body
