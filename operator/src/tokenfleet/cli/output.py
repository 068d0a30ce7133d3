"""How a command writes what it found: for people, or for scripts as JSON or YAML."""

import argparse
import json
from typing import Any, Final

from tokenfleet.cli.plain_yaml import plain_yaml

TEXT: Final = "text"
FORMS: Final = ("json", "yaml")


def add_output_flag(parser: argparse.ArgumentParser, *more: str) -> None:
    """Add `-o`; `more`: forms beside text, JSON and YAML."""
    parser.add_argument(
        "-o",
        "--output",
        choices=(TEXT, *more, *FORMS),
        default=TEXT,
        help="text for people (default); the others for scripts, with field names that stay",
    )


def for_scripts(value: Any, form: str) -> str:
    """Return a value of JSON's types as JSON or YAML, with a line's end."""
    if form == "yaml":
        return plain_yaml(json.loads(json.dumps(value)))
    return json.dumps(value, indent=2) + "\n"
