"""`kubectl tokenfleet`: the commands for people, as a plugin that kubectl finds on PATH.

kubectl runs `kubectl-tokenfleet` with everything after the plugin's name, and asks
`kubectl_complete-tokenfleet` for completions (kubectl 1.26 and later).
"""

import sys
from typing import Final

from tokenfleet.cli import main as cli
from tokenfleet.cli.complete import DIRECTIVES, completions

PEOPLE: Final = (
    "status",
    "explain",
    "top",
    "costs",
    "pin",
    "unpin",
    "stop",
    "history",
    "simulate",
    "backtest",
    "completion",
    "version",
)
"""Commands of `tokenfleet` that the plugin offers, in the order of its help."""


def main() -> int:
    """Run the plugin; return the exit status."""
    commands = {name: cli.COMMANDS[name] for name in PEOPLE}
    return cli.main(prog="kubectl tokenfleet", commands=commands)


def complete() -> int:
    """Print completions as kubectl reads them: one a line, and a directive at the end."""
    return cli.ended(["completion"], _complete)


def _complete() -> int:
    found = completions(sys.argv[1:] or [""], {name: cli.COMMANDS[name] for name in PEOPLE})
    for one in found.candidates:
        print(f"{one.text}\t{one.about}" if one.about else one.text)
    print(f":{DIRECTIVES[found.space]}")
    return 0
