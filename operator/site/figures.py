"""Figures of the control-loop page: `python operator/site/figures.py` writes them into it again.

`make simulate` leaves what it measured in `operator/docs/figures`; this program makes tables of it.
A test compares the page with what this program gives, so nobody can write a number by hand.
`before.json` holds what the loop of fixed windows had measured in the same worlds; it is history
and is not measured again.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tokenfleet.simulation.gates import PROMISES
from tokenfleet.simulation.run import POLICIES
from tokenfleet.simulation.scenarios import SCENARIOS
from tokenfleet.simulation.worlds import CHECKS

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "control-loop.md"
FIGURES = DOCS / "figures"
BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)

Found = Mapping[str, Any]


def read(name: str) -> dict[str, Any]:
    """Return the figures of one file."""
    found: dict[str, Any] = json.loads((FIGURES / name).read_text(encoding="utf-8"))
    return found


def scenarios() -> str:
    """Return the table of control loops."""
    known = read("simulation.json")
    cells = [found for name, found in known.items() if name.startswith("scenario ")]
    seeds = sorted({found["seeds"] for found in cells})
    said = f"{seeds[0]} run{'s' if seeds[0] > 1 else ''}"
    if len(seeds) > 1:
        said = f"{seeds[0]} to {seeds[-1]} runs"
    about = (
        f"Mean of {said} per cell: bad requests % / minutes beyond the budget / changes of"
        " direction / seconds from the cause to the first shift / requests on the fallback %."
    )
    lines = [
        about,
        "",
        "| scenario | " + " | ".join(POLICIES) + " |",
        "| --- |" + " --- |" * len(POLICIES),
    ]
    for scenario in SCENARIOS:
        row = [_cell(known[f"scenario {scenario.name}/{policy}"]) for policy in POLICIES]
        lines.append(f"| {scenario.name}: {scenario.says} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def promises() -> str:
    """Return what the loop promises about load, and what was measured."""
    known = _promises(PROMISES)
    alike = {name: one for name, one in known.items() if name.startswith("never-worse-")}
    drawn = alike.pop("never-worse-drawn")
    worse = [one["measured"] for one in alike.values() if not one["kept"]]
    rows = [
        _row(one["promise"], one["measured"], one)
        for name, one in known.items()
        if name not in alike
    ]
    runs = f"{len(alike)} scenarios, each {_seeds(next(iter(alike.values())))}"
    rows.insert(
        len([name for name in known if name.startswith(("bad-", "flips-"))]),
        _row(
            "never worse than no control in any scenario",
            "; ".join(worse) or f"not in {runs}",
            {"kept": not worse and drawn["kept"]},
        ),
    )
    return "\n".join(["| promise | measured |", "| --- | --- |", *rows])


def evidence() -> str:
    """Return what must hold where there is little to go by, before and now."""
    before = read("before.json")
    rows = [
        _row(one["promise"], before.get(name, ""), one, one["measured"])
        for name, one in _promises(CHECKS).items()
    ]
    return "\n".join(["| promise | before | now |", "| --- | --- | --- |", *rows])


BLOCKS: dict[str, Callable[[], str]] = {
    "scenarios": scenarios,
    "promises": promises,
    "evidence": evidence,
}


def written(page: str) -> str:
    """Return the page with its figures."""
    return BLOCK.sub(lambda found: f"{found[1]}{BLOCKS[found[2]]()}\n{found[3]}", page)


def _promises(names: Iterable[str]) -> dict[str, Found]:
    known = read("simulation.json")
    return {name: known[f"promise {name}"] for name in names}


def _row(promise: str, *cells: Any) -> str:
    texts = [cell for cell in cells if isinstance(cell, str)]
    (found,) = [cell for cell in cells if not isinstance(cell, str)]
    if not found["kept"]:
        texts[-1] = f"**not kept**: {texts[-1]}"
    return f"| {promise} | " + " | ".join(texts) + " |"


def _seeds(found: Found) -> str:
    runs = max(1, found["effort"]["seeds"] // 3)
    return f"{runs} run{'s' if runs > 1 else ''}"


def _cell(found: Found) -> str:
    after = f"{found['acted_after']:.0f}" if found["acted_after"] is not None else "-"
    return (
        f"{100 * found['bad']:.1f} / {found['violating']:.0f} / {found['flips']:.0f} / {after}"
        f" / {100 * found['fallback']:.0f}"
    )


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(written(text), encoding="utf-8")
    sys.exit(0)
