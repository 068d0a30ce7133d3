"""Headers that report stages, right and wrong, and what they say by Python's own means.

Written from the grammar in the documentation alone: nothing here is shared with the module.
"""

from __future__ import annotations

import re
from decimal import Decimal
from random import Random
from typing import Final

NAMES: Final = ("retrieval", "safety", "tools")
MOST: Final = 32
ITEM: Final = re.compile(
    rb"[ \t]*([A-Za-z0-9-]{1,32})[ \t]*=[ \t]*([0-9]{1,6}(?:\.[0-9]{1,3})?)(ms|s)[ \t]*", re.DOTALL
)

Said = tuple[tuple[int | None, ...], int, int]
"""Microseconds by name, unknown items, malformed items."""


def read_stages(lines: bytes) -> Said:
    """Read the lines of a header."""
    spent: dict[str, int] = {}
    unknown = malformed = 0
    items = [item for line in lines.split(b"\n") for item in line.split(b",")]
    for place, item in enumerate(items):
        match = ITEM.fullmatch(item)
        if match is None or place >= MOST:
            malformed += 1
            continue
        name, number, unit = (group.decode() for group in match.groups())
        if name not in NAMES:
            unknown += 1
            continue
        micros = int(Decimal(number) * (1000 if unit == "ms" else 1_000_000))
        spent[name] = spent.get(name, 0) + micros
    return tuple(spent.get(name) for name in NAMES), unknown, malformed


class Headers:
    """Draws headers: mostly sound items, with one byte of some of them changed."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def body(self) -> bytes:
        """Return some lines of a header."""
        count = self.random.choice((0, 1, 1, 2, 3, 5, 40))
        items = [self._item() for _ in range(count)]
        return b"".join(
            item + self.random.choice((b",", b",", b"\n")) for item in items[:-1]
        ) + b"".join(items[-1:])

    def _item(self) -> bytes:
        draw = self.random
        name = draw.choice((*NAMES, *NAMES, "cache", "Tools", "a" * draw.choice((32, 33))))
        number = str(draw.choice((0, 7, 62, 999_999, 1_000_000)))
        number += draw.choice(("", "", ".5", ".25", ".125", ".0625", "."))
        space = [draw.choice(("", "", " ", "\t ")) for _ in range(4)]
        text = f"{space[0]}{name}{space[1]}={space[2]}{number}{draw.choice(('ms', 's', 'us', ''))}"
        item = bytearray(f"{text}{space[3]}".encode())
        if draw.random() < 0.2:
            item[draw.randrange(len(item))] = draw.randrange(256)
        return bytes(item)
