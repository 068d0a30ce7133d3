"""`tokenfleet version`."""

import argparse
from typing import Any

from tokenfleet import __version__


def add_parser(subparsers: Any) -> None:
    """Add the sub-command."""
    subparsers.add_parser("version", help="print the version")


def run(args: argparse.Namespace) -> int:
    """Print the version."""
    del args
    print(__version__)
    return 0
