"""The command `tokenfleet`: one sub-command per module, imported only when it is asked for."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Any, Final

COMMANDS: Final = {
    "run": "run the operator",
    "agent": "run the router's agent",
    "explain": "say why a route's traffic is where it is",
    "sidecar": "print the sidecar of a router for a pod template",
    "render": "render objects offline",
    "crds": "print the custom resource definitions",
    "simulate": "simulate the control loop",
    "backtest": "replay the control loop on recorded metrics",
    "version": "print the version",
}
"""Name -> what it does. Each is a module of this package with `add_parser` and `run`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one sub-command; return the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="tokenfleet", description="Kubernetes operator for fleets of language models."
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="command")
    # The agent must not pay for the operator's imports, nor the operator for the simulator's.
    asked = next((word for word in arguments if not word.startswith("-")), "")
    module: Any = None
    for name, text in COMMANDS.items():
        if name == asked:
            module = importlib.import_module(f"tokenfleet.cli.{name}")
            module.add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=text, add_help=False)
    args = parser.parse_args(arguments)
    return int(module.run(args))


if __name__ == "__main__":
    sys.exit(main())
