"""The report: the table of control loops and every promise, measured piece by piece into a file.

A piece is one scenario under one policy, or one promise. Each is kept as soon as it is measured, so
that a report which was cut off goes on where it was; what older code measured is measured again. A
piece also keeps what it cost: the next report begins with the longest and knows how long it takes.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any, Final

import tokenfleet
from tokenfleet.simulation.gates import PROMISES, Check, Effort
from tokenfleet.simulation.run import POLICIES, Result, simulate
from tokenfleet.simulation.scenarios import BY_NAME, SCENARIOS
from tokenfleet.simulation.worlds import CHECKS

GATES: Final[Mapping[str, Check]] = {**PROMISES, **CHECKS}
MEASURED: Final = ("simulation", "domain/slo")
"""Folders of the package whose code the figures depend on."""
UNKNOWN_COST: Final = 20.0
"""Seconds of CPU that a piece is taken to cost which was never measured."""
Found = dict[str, Any]
"""One measured piece as JSON."""
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Something to measure; picklable."""

    name: str
    """`scenario A/ours` or `promise chain`."""
    seeds: int
    effort: Effort

    def measure(self) -> Found:
        """Measure it, and what that costs in seconds of CPU."""
        begun = time.process_time()
        kind, _, what = self.name.partition(" ")
        found = self._scenario(*what.rsplit("/", 1)) if kind == "scenario" else self._promise(what)
        return {**found, "cost": round(time.process_time() - begun, 1)}

    def _scenario(self, name: str, policy: str) -> Found:
        runs = [simulate(BY_NAME[name], policy, seed=seed) for seed in range(self.seeds)]
        return {"seeds": self.seeds, **summed(runs)}

    def _promise(self, name: str) -> Found:
        return {"effort": asdict(self.effort), **asdict(GATES[name](self.effort))}


def summed(runs: list[Result]) -> Found:
    """Return the means of several runs; `acted_after` is None where most never acted."""
    acted = [run.acted_after for run in runs if run.acted_after is not None]
    return {
        "bad": round(mean(run.bad for run in runs), 5),
        "violating": round(mean(run.violating for run in runs), 2),
        "flips": round(mean(run.flips for run in runs), 2),
        "acted_after": round(median(acted), 1) if len(acted) * 2 > len(runs) else None,
        "fallback": round(mean(run.fallback for run in runs), 5),
    }


def pieces(seeds: int, effort: Effort) -> list[Piece]:
    """Return everything that a report holds."""
    names = [f"scenario {s.name}/{policy}" for s in SCENARIOS for policy in POLICIES]
    names += [f"promise {name}" for name in GATES]
    return [Piece(name=name, seeds=seeds, effort=effort) for name in names]


def code() -> str:
    """Return twelve hex digits that change with the code which the figures depend on."""
    package = Path(tokenfleet.__file__).parent
    files = sorted(
        file
        for folder in MEASURED
        for file in (package / folder).rglob("*")
        if file.suffix in {".py", ".yaml"}
    )
    held = hashlib.sha256()
    for file in files:
        held.update(file.relative_to(package).as_posix().encode() + b"\0" + file.read_bytes())
    return held.hexdigest()[:12]


def read(path: Path) -> dict[str, Found]:
    """Return the pieces of an earlier report; none where there is no file.

    Raises:
        ValueError: the file is no report.
    """
    if not path.exists():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        msg = "a report is an object of objects"
        raise ValueError(msg)
    return found


def write(path: Path, measured: Mapping[str, Found], order: Iterable[str]) -> None:
    """Write a report; in the order of the pieces, so that runs are easily compared."""
    known = {name: measured[name] for name in order if name in measured}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def extend(
    path: Path, wanted: list[Piece], jobs: int, tell: Tell, only: Callable[[str], bool]
) -> dict[str, Found]:
    """Measure what a report lacks, and keep each piece in the file as soon as it is measured.

    Args:
        path: the file of the report.
        wanted: its pieces.
        jobs: pieces at a time.
        tell: is told of each one that is measured, and how long the rest will take.
        only: names of the pieces to measure now; others stay as they are.

    Returns:
        The whole report.
    """
    known, now = read(path), code()
    costs = {name: float(found.get("cost", UNKNOWN_COST)) for name, found in known.items()}
    due = [
        piece
        for piece in wanted
        if only(piece.name) and not _current(known.get(piece.name), piece, now)
    ]
    due.sort(key=lambda piece: -costs.get(piece.name, UNKNOWN_COST))
    order = [piece.name for piece in wanted]
    begun, done = time.monotonic(), 0.0
    whole = sum(costs.get(piece.name, UNKNOWN_COST) for piece in due)
    for count, (piece, found) in enumerate(_measured(due, jobs), 1):
        known[piece.name] = {"code": now, **found}
        write(path, known, order)
        done += costs.get(piece.name, UNKNOWN_COST)
        left = (time.monotonic() - begun) * (whole - done) / done
        tell(f"{count} of {len(due)}, {left / 60:.0f} min left: {piece.name}, {found['cost']:g} s")
    return known


def _measured(due: Iterable[Piece], jobs: int) -> Iterator[tuple[Piece, Found]]:
    with ProcessPoolExecutor(jobs) as workers:
        waiting: dict[Future[Found], Piece] = {
            workers.submit(piece.measure): piece for piece in due
        }
        for future in as_completed(waiting):
            yield waiting[future], future.result()


def _current(found: Found | None, piece: Piece, now: str) -> bool:
    """Tell whether the present code measured it with at least as much effort."""
    if found is None or found.get("code") != now:
        return False
    if "seeds" in found:
        return bool(found["seeds"] >= piece.seeds)
    asked = asdict(piece.effort)
    return all(found["effort"].get(what, 0) >= least for what, least in asked.items())
