"""Figures of the page on sizing: `python operator/site/operator_figures.py` writes them again.

`make bench` leaves what it measured in `operator/docs/figures`. All of it is memory, CPU time and
counts; other work on the machine makes CPU time longer, so its load is told. A test compares the
page with what this program gives.
"""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "sizing.md"
FIGURES = DOCS / "figures" / "bench.json"
BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)


ROUTER = {
    "cost small": "CPU for one request, small body",
    "cost 33 KB": "CPU for one request, 33 KB body",
    "cost paced stream": "CPU for one event (token) of a paced stream",
}
"""Measurement -> what it says to whoever sizes a router."""


def read() -> dict[str, Any]:
    """Return everything that was measured."""
    found: dict[str, Any] = json.loads(FIGURES.read_text(encoding="utf-8"))
    return found


def router() -> str:
    """Return what requests take of a router."""
    known = read()
    told = {
        what: f"{known[name]['cpu_us']['router'] / 1000:.3f} ms" for name, what in ROUTER.items()
    }
    told["memory, idle"] = f"{known['cost small']['memory_mib']['router']} MiB"
    return _table(told)


def operator() -> str:
    """Return what ten thousand objects among as many Services of others take."""
    found = read()["foreign"]
    events = found["events"]
    kinds = " / ".join(f"of {_article(kind)} {kind}" for kind in events)
    objects = f"{found['own']:,} objects of its own and {found['foreign']:,} Services of others"
    memory = f"{found['peak_mib']} MiB at the peak (to reach: {found['wanted_mib']})"
    work = f"{found['visits']:,} visits and {found['writes']:,} first writes"
    rate = f"{found['visits'] / found['cold']:.0f} visits a second of one core"
    told = {
        f"memory with {objects}": f"{memory}, {found['then_mib']} MiB then",
        "their cold start": f"{found['cold']} s of CPU for {work}: {rate}, on two cores with a load"
        f" of {found['load']}",
        f"API requests for one event, {kinds}": " / ".join(map(str, events.values())),
    }
    return _table(told)


def _table(told: dict[str, str]) -> str:
    rows = (f"| {what} | {figure} |" for what, figure in told.items())
    return "\n".join(["| what | figure |", "| --- | --- |", *rows])


def _article(word: str) -> str:
    return "an" if word[0] in "AEIO" else "a"


BLOCKS: dict[str, Callable[[], str]] = {"router": router, "operator": operator}


def written(page: str) -> str:
    """Return the page with its figures."""
    return BLOCK.sub(lambda found: f"{found[1]}{BLOCKS[found[2]]()}\n{found[3]}", page)


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(written(text), encoding="utf-8")
    sys.exit(0)
