"""Figures of the router's page: `python operator/site/router_figures.py` writes them again.

`make bench` leaves what it measured in `operator/docs/figures`; this program makes tables of it,
and says of each figure that is wanted whether it was reached. A test compares the page with what
this program gives, so nobody can write a number by hand.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "router.md"
FIGURES = DOCS / "figures" / "bench.json"
BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)

KINDS = {
    "small": "small request",
    "33 KB": "33 KB",
    "128 KB": "128 KB",
    "burst stream": "event of a burst stream",
    "paced stream": "event of a paced stream",
}
OF_BARE = {"small": 0.80, "33 KB": 0.75, "paced stream": 0.90}
"""Wanted: CPU time of a bare Envoy, as a part of the router's."""
COUNTED = {
    "small": "small request",
    "33 KB": "33 KB",
    "128 KB": "128 KB",
    "burst of 50": "whole stream, 50 events in one burst",
    "paced event": "each further event, paced",
    "burst event": "each further event, in a burst",
}
"""Of what instructions are counted."""
INSTRUCTIONS_OF_BARE = {"small": 0.80, "33 KB": 0.75, "paced event": 0.90, "burst event": 0.90}
"""Wanted: instructions of a bare Envoy, as a part of the router's."""
ADDED_MS = {"p50": 0.05, "p99": 0.25}
"""Wanted of one small request at a time, at most."""
OF_PEERS = {"LiteLLM": 150.0, "vllm-router": 0.6}
"""Wanted: small requests per core, as a multiple of a peer's."""
LARGE = 100
"""Thousands of instructions from which on their fractions are left out."""
PASSES = 13
"""Wanted of Failover Bench's sixteen faults."""


def read() -> dict[str, Any]:
    """Return everything that was measured."""
    found: dict[str, Any] = json.loads(FIGURES.read_text(encoding="utf-8"))
    return found


def instructions() -> str:
    """Return the table of instructions beside a bare Envoy and a module that does nothing."""
    known = read()
    rows = []
    for kind, title in COUNTED.items():
        count = known[f"instructions {kind}"]
        bare, wanted = count["bare"], INSTRUCTIONS_OF_BARE.get(kind)
        others = (
            f"{count[name]:.{_digits(bare)}f} ({bare / count[name]:.2f})"
            for name in ("empty", "router", "renamed")
        )
        kept = wanted is not None and bare / count["router"] >= wanted
        said = "" if wanted is None else _said(f"{wanted:.2f}", kept=kept)
        rows.append(_row(title, f"{bare:.{_digits(bare)}f}", *others, said))
    heads = ("", "bare Envoy", "a module that does nothing", "router", "router, model renamed",
             "wanted")  # fmt: skip
    return _table(heads, rows)


def cost() -> str:
    """Return the table of CPU time beside a bare Envoy, latency and memory."""
    known = read()
    rows = []
    for kind, title in KINDS.items():
        us = known[f"cost {kind}"]["cpu_us"]
        part = us["bare"] / us["router"]
        wanted = OF_BARE.get(kind)
        said = "" if wanted is None else _said(f"{wanted:.2f}", kept=part >= wanted)
        rows.append(_row(title, f"{us['bare']} us", f"{us['router']} us", f"{part:.2f}", said))
    added = known["cost small"]["added_ms"]
    rows += [
        _row(
            f"one small request at a time, added at {at}", "", f"{added[at]:+.3f} ms", "",
            _said(f"{most:.2f} ms", kept=added[at] <= most),
        )
        for at, most in ADDED_MS.items()
    ]  # fmt: skip
    memory = known["cost small"]["memory_mib"]
    rows.append(_row("memory", f"{memory['bare']} MiB", f"{memory['router']} MiB", "", ""))
    for models, us in sorted(known["cost by models"].items(), key=lambda item: _number(item[0])):
        rows.append(_row(f"small request, {models}", "", f"{us} us", "", ""))
    return _table(("", "bare Envoy", "router", "of bare", "wanted"), rows)


def peers() -> str:
    """Return the table of routers in one run, and what is wanted of it."""
    known = read()
    versions = known["peers"]
    names = {"bare": "bare Envoy", "router": "router"}
    names |= {name: f"{name} {version}" for name, version in versions.items()}
    kinds = {"small": "small request", "33 KB": "33 KB", "burst stream": "burst stream, 50 events"}
    rows = []
    for kind, title in kinds.items():
        us = known[f"peers {kind}"]
        rows.append(
            _row(title, *(f"{us[name]:,.0f} us, {1e6 / us[name]:,.0f}/s" for name in names))
        )
    for kind, title in kinds.items():
        us = known[f"peers {kind}"]
        times = (f"{us[name] / us['router']:.2f}x" for name in versions)
        rows.append(_row(f"router's requests per core, {title}", "", "", *times))
    small = known["peers small"]
    wanted = (
        _said(f"{least:g}x", kept=small[name] / small["router"] >= least)
        for name, least in OF_PEERS.items()
    )
    rows.append(_row("wanted, small request", "", "", *wanted))
    return _table(("", *names.values()), rows)


def faults() -> str:
    """Return the verdicts of Failover Bench."""
    known = read()
    routers = {
        name.removeprefix("failover "): found
        for name, found in known.items()
        if name.startswith("failover ")
    }
    ours = routers.pop("Tokenfleet")
    routers = {"Tokenfleet": ours, **routers}
    rows = [
        _row(f"{id_} {one['fault']}", *(found[id_]["verdict"] for found in routers.values()))
        for id_, one in ours.items()
    ]
    totals = [Counter(one["verdict"] for one in found.values()) for found in routers.values()]
    rows += [
        _row(f"**{verdict}**", *(str(total[verdict]) for total in totals))
        for verdict in ("pass", "partial", "safe", "fail")
    ]
    kept = totals[0]["pass"] >= PASSES and totals[0]["fail"] == 0
    said = _said(f"{PASSES} pass, 0 fail", kept=kept)
    rows.append(_row("wanted", said, *("" for _ in totals[1:])))
    return _table(("fault", *routers), rows)


def beside() -> str:
    """Return what others get while somebody attacks."""
    rows = [
        _row(
            name.removeprefix("beside "), f"{found['served']:,}",
            f"{found['p50_ms']} ms", f"{found['p99_ms']} ms",
        )
        for name, found in read().items()
        if name.startswith("beside ")
    ]  # fmt: skip
    return _table(("attack", "served beside it", "p50", "p99"), rows)


def moments() -> str:
    """Return what changes, faults and scrapes cost."""
    known = read()
    wire, dead = known["decision to wire"], known["dead pool"]
    plans, scrape = known["plan changes"], known["scrape"]
    rows = [
        _row(
            f"from a decision to the wire, {wire['changes']} changes under load",
            f"p50 {wire['p50_ms']} ms, p99 {wire['p99_ms']} ms; {wire['failed']} of"
            f" {wire['requests']:,} requests failed",
        ),
        _row(
            f"a dead pool, {dead['requests']:,} requests",
            f"{dead['added_ms']:.2f} ms more at the median, 0 failed",
        ),
        _row(
            f"memory after {plans['changes']:,} changes of a plan of {plans['rules']} rules",
            f"{plans['grown_mib']:+.1f} MiB; the plans were {plans['written_mib']:,} MiB",
        ),
        _row(
            f"a scrape of {scrape['label_sets']:,} label sets, {scrape['text_mib']} MiB",
            f"{scrape['seconds']:.2f} s; {scrape['served']:,} requests were answered meanwhile,"
            " 0 failed",
        ),
    ]
    return _table(("", "measured"), rows)


def machine() -> str:
    """Return what it was measured on."""
    found = read()["machine"]
    return (
        f"Measured on {found['cores']} cores that others used, too: their load was {found['load']}"
        " when the last run began. Latencies are the machine's as much as the router's."
    )


BLOCKS: dict[str, Callable[[], str]] = {
    "machine": machine,
    "instructions": instructions,
    "cost": cost,
    "peers": peers,
    "faults": faults,
    "beside": beside,
    "moments": moments,
}


def written(page: str) -> str:
    """Return the page with its figures."""
    return BLOCK.sub(lambda found: f"{found[1]}{BLOCKS[found[2]]()}\n{found[3]}", page)


def _said(wanted: str, *, kept: bool) -> str:
    return f"{wanted}: reached" if kept else f"{wanted}: **not reached**"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _table(heads: Iterable[str], rows: Iterable[str]) -> str:
    heads = tuple(heads)
    return "\n".join([_row(*heads), _row(*("---" for _ in heads)), *rows])


def _digits(thousands: float) -> int:
    """Return how many digits after the point say something."""
    return 0 if thousands >= LARGE else 1 if thousands >= 1 else 2


def _number(title: str) -> int:
    return int(title.partition(" ")[0])


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(written(text), encoding="utf-8")
    sys.exit(0)
