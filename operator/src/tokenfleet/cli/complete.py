"""What a half-written command line can go on with: commands, flags, and names from the cluster.

A cluster that does not answer quickly has nothing to say: a shell must not hang.
"""

import argparse
import asyncio
import importlib
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NamedTuple

from tokenfleet.adapters.kubernetes.kubeconfig import UnconfiguredError
from tokenfleet.cli.target import namespace, opened
from tokenfleet.domain.console.fleet_view import Body
from tokenfleet.domain.console.traffic_control import pools_of
from tokenfleet.ports import PortError
from tokenfleet.reconcilers.resources import ROUTES

PATIENCE: Final = 3.0
"""Seconds that a person waits for a name at most."""

DIRECTIVES: Final = {True: 4, False: 6}
"""Of cobra, as kubectl reads them, by whether a space follows: 4 no files, 2 no space."""

OF_ROUTES: Final = ("explain", "history", "pin", "unpin", "stop")
"""Commands whose first word is a ModelRoute."""

_FLAG: Final = re.compile(r"^\s{2,}(?:-\w(?: \S+)?, )?(--[a-z-]+)", re.MULTILINE)
"""A flag in the help of argparse."""


_CHOICES: Final = re.compile(r"(--?[a-z-]+) \{([a-z,]+)\}")
"""A flag that takes one of a few words, in the help of argparse."""


class Candidate(NamedTuple):
    """One way to go on."""

    text: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Completions:
    """All ways to go on."""

    candidates: Sequence[Candidate] = ()
    space: bool = True
    """Whether a space follows."""


def completions(words: Sequence[str], commands: Mapping[str, str]) -> Completions:
    """Return how the last of the words can go on.

    Args:
        words: everything after the program's name; the last one is half-written or empty.
        commands: name -> what it does.
    """
    *before, last = words
    if not before:
        found = [Candidate(name, about) for name, about in commands.items()]
        return Completions(_fitting(found, last))
    command = before[0]
    if command not in commands:
        return Completions()
    if command == "completion":
        return Completions(_fitting([Candidate("bash"), Candidate("zsh")], last))
    if last.startswith("-"):
        return Completions(_fitting(map(Candidate, flags(command)), last))
    if before[-1] in (known := choices(command)):
        return Completions(_fitting(map(Candidate, known[before[-1]]), last))
    return _names(command, before[1:], last)


def flags(command: str) -> list[str]:
    """Return the flags of a command, as its help lists them."""
    return sorted(set(_FLAG.findall(_help(command))))


def choices(command: str) -> dict[str, list[str]]:
    """Return what may follow a flag, by flag, where that is one of a few words."""
    return {flag: words.split(",") for flag, words in _CHOICES.findall(_help(command))}


def _help(command: str) -> str:
    parser = argparse.ArgumentParser(add_help=False)
    module = importlib.import_module(f"tokenfleet.cli.{command}")
    made = parser.add_subparsers()
    module.add_parser(made)
    text: str = made.choices[command].format_help()
    return text


def _names(command: str, before: Sequence[str], last: str) -> Completions:
    asked, told, _ = _read(before)
    if before and before[-1] in {"-n", "--namespace", "--context", "--kubeconfig"}:
        return Completions()
    if command not in OF_ROUTES:
        return Completions()
    routes = {body["metadata"]["name"]: body for body in _routes(asked)}
    known = routes.get(told[0]) if told else None
    if before and before[-1] == "--rule":
        rules = known["spec"]["rules"] if known is not None else ()
        return Completions(_fitting((Candidate(rule["name"]) for rule in rules), last))
    if command == "pin" and known is not None:
        pools = {pool for rule in known["spec"]["rules"] for pool in pools_of(rule)}
        return Completions(
            _fitting((Candidate(f"{pool}=") for pool in sorted(pools)), last), space=False
        )
    if told and command != "stop":
        return Completions()
    found = (
        Candidate(name, ", ".join(body["spec"]["modelNames"])) for name, body in routes.items()
    )
    return Completions(_fitting(sorted(found), last))


def _read(before: Sequence[str]) -> tuple[argparse.Namespace, list[str], list[str]]:
    """Return which cluster the words mean, those that are no flags, and what is not understood."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("-n", "--namespace", default="")
    parser.add_argument("--context", default=None)
    parser.add_argument("--kubeconfig", default=None)
    complete = [*before, *([""] if before and before[-1].startswith("-") else [])]
    with suppress(argparse.ArgumentError):
        args, rest = parser.parse_known_args(complete)
        return args, [word for word in rest if word and not word.startswith("-")], rest
    return parser.parse_args([]), [], []


def _routes(args: argparse.Namespace) -> Sequence[Body]:
    async def read() -> Sequence[Body]:
        async with asyncio.timeout(PATIENCE), opened(args) as cluster:
            return await cluster.list(ROUTES)

    with suppress(PortError, UnconfiguredError, TimeoutError):
        namespace(args)
        return asyncio.run(read())
    return ()


def _fitting(candidates: Iterable[Candidate], last: str) -> list[Candidate]:
    return [one for one in candidates if one.text.startswith(last)]
