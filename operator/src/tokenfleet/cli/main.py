"""The command `tokenfleet`: one sub-command per module, imported only when it is asked for."""

import argparse
import difflib
import importlib
import io
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, Final, cast

from tokenfleet import __version__

COMMANDS: Final = {
    "run": "run the operator",
    "agent": "run the router's agent",
    "status": "show the fleet at a glance",
    "explain": "say why a route's traffic is where it is",
    "top": "watch the fleet live, or say who spends most",
    "costs": "report what was spent, as text, CSV or JSON",
    "pin": "fix the shares of a rule for a while",
    "unpin": "end a pin or a stop",
    "stop": "let nothing move the traffic of a route",
    "history": "show decisions with their reasons over time",
    "sidecar": "print the sidecar of a router for a pod template",
    "render": "render objects offline",
    "crds": "print the custom resource definitions",
    "simulate": "simulate the control loop",
    "backtest": "replay the control loop on recorded metrics",
    "completion": "print completion for bash or zsh",
    "version": "print the version",
}
"""Name -> what it does. Each is a module of this package with `add_parser` and `run`."""

_BARE: Final = re.compile(r"--?[a-z-]+=--")
"""What argparse makes an empty list of, whatever the flag's type is."""

INTERRUPTED: Final = 128 + 2
CUT_OFF: Final = 128 + 13
"""Exit statuses as shells give them for SIGINT and SIGPIPE."""


def main(
    argv: Sequence[str] | None = None,
    *,
    prog: str = "tokenfleet",
    commands: Mapping[str, str] = COMMANDS,
) -> int:
    """Run one sub-command; return the exit status.

    Args:
        argv: what follows the program's name; None: of this process.
        prog: name of the program in its help.
        commands: those that it offers.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    return ended(arguments, lambda: _run(_help(arguments), prog, commands))


def _run(arguments: Sequence[str], prog: str, commands: Mapping[str, str]) -> int:
    parser = argparse.ArgumentParser(
        prog=prog, description="Kubernetes operator for fleets of language models."
    )
    parser.add_argument("--version", action="version", version=__version__)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="command")
    # The agent must not pay for the operator's imports, nor the operator for the simulator's.
    asked = next((word for word in arguments if not word.startswith("-")), "")
    if asked not in commands:
        _hint(parser, asked, arguments, commands)
    # httpx takes an ImportError for "no command line of its own is wanted"; it would import rich,
    # click and pygments for one, a third of a second.
    sys.modules.setdefault("httpx._main", cast("ModuleType", None))
    module: Any = None
    for name, text in commands.items():
        if name == asked:
            module = importlib.import_module(f"tokenfleet.cli.{name}")
            module.add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=text, add_help=False)
    if bare := next((word for word in arguments if _BARE.fullmatch(word)), ""):
        parser.error(f"{bare.partition('=')[0]} must have a value, not --")
    args = parser.parse_args(arguments)
    return int(module.run(args))


def _help(arguments: Sequence[str]) -> list[str]:
    """Read `help` and `help COMMAND` as `--help` of it."""
    first, *rest = arguments or [""]
    return [*rest[:1], "--help"] if first == "help" else list(arguments)


def _hint(
    parser: argparse.ArgumentParser,
    asked: str,
    arguments: Sequence[str],
    commands: Mapping[str, str],
) -> None:
    """End where the first word is no command, with what was meant."""
    later = next((word for word in arguments if word in commands), "")
    close = difflib.get_close_matches(asked, commands, n=1)
    if later:
        parser.error(f"flags come after the command: {parser.prog} {later} ...")
    if close:
        parser.error(f"there is no command {asked!r}; did you mean {close[0]}?")


def ended(arguments: Sequence[str], command: Callable[[], int]) -> int:
    """Run a command as shells expect; return its exit status.

    Ctrl-C, a reader that left and a disk that is full are no faults of ours.
    """
    name = next(iter(arguments), "")
    if sys.stdout is None:  # `>&-`
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    try:
        if isinstance(sys.stdout, io.TextIOWrapper):
            # Names and messages come from the cluster, in any script.
            sys.stdout.reconfigure(errors="backslashreplace")
        return _flushed(command)
    except KeyboardInterrupt:
        print(f"\ntokenfleet {name}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _close_output()
        return CUT_OFF
    except OSError as error:
        _close_output()
        about = f"{error.filename}: " if error.filename else ""
        print(f"tokenfleet {name}: {about}{error.strerror or error}", file=sys.stderr)
        return 1


def _flushed(command: Callable[[], int]) -> int:
    try:
        return command()
    finally:
        sys.stdout.flush()  # of a help too, which ends by SystemExit


def _close_output() -> None:
    """Let nothing more go to standard output: the interpreter would complain at its end."""
    with suppress(io.UnsupportedOperation):  # a text in memory needs none
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
