"""The page of conditions as data: what the operator can say, and what GitOps tools make of it."""

import re
from dataclasses import dataclass

from tests.house.repository import ROOT

PAGE = ROOT / "operator/docs/reference/conditions.md"
_SECTION = re.compile(r"^## (\w+)$", re.MULTILINE)
_WORD = re.compile(r"`([A-Z]\w+)`")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table."""

    kind: str
    type: str
    status: str
    reason: str
    argo: str
    flux: str

    def __str__(self) -> str:
        return f"{self.kind} {self.type}={self.status}/{self.reason}"


def rows() -> list[Row]:
    """Return every line of every kind's table."""
    _, *parts = _SECTION.split(PAGE.read_text(encoding="utf-8"))
    found = []
    for kind, text in zip(parts[::2], parts[1::2], strict=True):
        for line in text.splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if len(cells) == 7 and _WORD.fullmatch(cells[0]):
                type_, status, reason, _, _, argo, flux = cells
                found.append(Row(kind, type_.strip("`"), status, reason.strip("`"), argo, flux))
    return found
