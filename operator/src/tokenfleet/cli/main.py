"""The command `tokenfleet`: one sub-command per module, imported only when it is asked for."""

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

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
    parser = argparse.ArgumentParser(
        prog=prog, description="Kubernetes operator for fleets of language models."
    )
    parser.add_argument("--version", action="version", version=__version__)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="command")
    # The agent must not pay for the operator's imports, nor the operator for the simulator's.
    asked = next((word for word in arguments if not word.startswith("-")), "")
    module: Any = None
    for name, text in commands.items():
        if name == asked:
            module = importlib.import_module(f"tokenfleet.cli.{name}")
            module.add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=text, add_help=False)
    args = parser.parse_args(arguments)
    return _ended(lambda: int(module.run(args)))


def _ended(command: Callable[[], int]) -> int:
    """Run a command as shells expect: Ctrl-C and a reader that left are no faults of ours."""
    try:
        status = command()
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The interpreter would complain when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CUT_OFF
    return status


if __name__ == "__main__":
    sys.exit(main())
