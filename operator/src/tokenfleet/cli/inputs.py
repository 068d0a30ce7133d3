"""Files that a command is given: read as text, or refused in one sentence."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

STDIN: Final = "-"


class InputError(ValueError):
    """A file cannot be read; the message is one sentence for the user who named it."""


def read_all(names: Sequence[str]) -> str:
    """Return files, folders of YAML files and standard input (`-`) as one text of YAML documents.

    Raises:
        InputError: one is not there, is no text, or a folder holds no YAML.
    """
    return "\n---\n".join(text for name in names for text in _texts(name))


def read_one(path: Path) -> str:
    """Return one file as text.

    Raises:
        InputError: it is not there, is a folder, or is no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        msg = f"{path}: {error.strerror}"
        raise InputError(msg) from error
    except ValueError as error:
        msg = f"{path} is no text in UTF-8"
        raise InputError(msg) from error


def read_stdin() -> str:
    """Return standard input as text.

    Raises:
        InputError: it is no text, or a terminal at which nobody was asked for anything.
    """
    if sys.stdin.isatty():
        msg = "nothing to read: name files with -f, or pipe objects into standard input"
        raise InputError(msg)
    try:
        return sys.stdin.read()
    except ValueError as error:
        msg = "standard input is no text in UTF-8"
        raise InputError(msg) from error


def _texts(name: str) -> list[str]:
    if name == STDIN:
        return [read_stdin()]
    path = Path(name)
    if not path.is_dir():
        return [read_one(path)]
    files = sorted(path.glob("*.y*ml"))
    if not files:
        msg = f"{path}: the folder holds no .yaml file"
        raise InputError(msg)
    return [read_one(file) for file in files]
