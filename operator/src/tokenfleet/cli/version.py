"""`tokenfleet version`."""

import argparse
from typing import Any

from tokenfleet import __version__
from tokenfleet.cli.examples import examples


def add_parser(subparsers: Any) -> None:
    """Add the sub-command."""
    subparsers.add_parser(
        "version",
        help="print the version",
        description="Print the version, as --version does.",
        **examples(("", "of this program")),
    )


def run(args: argparse.Namespace) -> int:
    """Print the version."""
    del args
    print(__version__)
    return 0
