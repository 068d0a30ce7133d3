"""Files that a command is given: read as text, or refused in one sentence."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TextIO

from tokenfleet.domain.fleet.documents import documents

Body = dict[str, Any]

STDIN: Final = "-"

SUFFIXES: Final = (".yaml", ".yml", ".json")
"""Of the files that are read of a folder, as kubectl has them."""

MOST: Final = 32 << 20
"""Characters of one file: 20 times what 500 routes with their status take as YAML."""


class InputError(ValueError):
    """A file cannot be read; the message is one sentence for the user who named it."""


def read_objects(names: Sequence[str]) -> list[Body]:
    """Return the objects in files, folders of YAML files and standard input (`-`).

    Raises:
        InputError: one is not there, is no text, or a folder holds no YAML.
        UnfitError: one is no YAML, or holds what is no object; the message names the file.
    """
    return [
        body for name in names for source, text in _texts(name) for body in documents(text, source)
    ]


def read_one(path: Path) -> str:
    """Return one file as text.

    Raises:
        InputError: it is not there, is a folder, is no text, or too large.
    """
    try:
        with path.open(encoding="utf-8") as file:
            return _whole(file, str(path))
    except OSError as error:
        msg = f"{path}: {error.strerror}"
        raise InputError(msg) from error
    except UnicodeError as error:
        msg = f"{path} is no text in UTF-8"
        raise InputError(msg) from error


def read_stdin() -> str:
    """Return standard input as text.

    Raises:
        InputError: it is closed, no text, too large, or a terminal at which nobody was asked for
            anything.
    """
    if sys.stdin is None:  # `<&-`
        msg = "standard input is closed: name files with -f"
        raise InputError(msg)
    if sys.stdin.isatty():
        msg = "nothing to read: name files with -f, or pipe objects into standard input"
        raise InputError(msg)
    try:
        return _whole(sys.stdin, "standard input")
    except UnicodeError as error:
        msg = "standard input is no text in UTF-8"
        raise InputError(msg) from error


def _whole(file: TextIO, name: str) -> str:
    text = file.read(MOST + 1)
    if len(text) > MOST:
        msg = f"{name} is larger than {MOST >> 20} MiB: no fleet's objects are"
        raise InputError(msg)
    return text.removeprefix("\ufeff")  # a byte order mark, as editors on Windows write it


def _texts(name: str) -> list[tuple[str, str]]:
    """Return texts with what messages call them."""
    if name == STDIN:
        return [("standard input", read_stdin())]
    path = Path(name)
    if not path.is_dir():
        return [(name, read_one(path))]
    files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)
    if not files:
        msg = f"{path}: the folder itself holds no file that ends in {', '.join(SUFFIXES)}"
        raise InputError(msg)
    return [(str(file), read_one(file)) for file in files]
