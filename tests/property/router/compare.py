"""Compares the readers with the reference: `python -m tests.property.router.compare --help`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from tests.property.router import readers, reference
from tests.property.router.bodies import Bodies
from tests.property.router.readers import Case
from tests.property.router.stages import Headers, read_stages
from tests.property.router.streams import Streams, read_stream

BATCH = 5_000
KINDS = {"r": "requests", "a": "answers", "s": "streams", "h": "stages"}


def compare(
    program: Path, kind: str, *, cases: int, seed: int, told: Callable[[int], None] = lambda _: None
) -> int:
    """Compare that many bodies; returns how many a strict parser takes.

    Args:
        program: the readers.
        kind: one of `KINDS`.
        cases: bodies to compare.
        seed: equal seeds give equal bodies.
        told: hears before each batch how many have been compared.
    """
    taken = 0
    for first in range(0, cases, BATCH):
        told(first)
        batch = _batch(kind, min(BATCH, cases - first), Random(f"{kind} {seed} {first}"))
        lines = readers.read(program, batch)
        assert len(lines) == len(batch)
        for case, line in zip(batch, lines, strict=True):
            taken += CHECKS[kind](case, line.split(" "))
    return taken


def _batch(kind: str, size: int, random: Random) -> Sequence[Case]:
    body = Bodies(random, answers=kind == "a").body
    if kind in {"s", "h"}:
        body = Streams(random).body if kind == "s" else Headers(random).body
    return [Case(kind, body(), random.getrandbits(64)) for _ in range(size)]


def _request(case: Case, said: Sequence[str]) -> bool:
    expected = reference.request(case.body)
    if expected is None:
        assert said[0] == "refused", f"taken: {case}"
        return False
    assert said[0] != "refused", f"refused ({' '.join(said)}): {case}"
    model, stream, tools, key, previous, rewritten = said
    actual = reference.Request(
        model=_bytes(model) or b"",
        stream=stream == "true",
        tools=tools == "true",
        prompt_cache_key=_bytes(key),
        previous_response_id=_bytes(previous),
        rewritten=reference.parse(_bytes(rewritten) or b""),
    )
    assert actual == expected, case
    return True


def _answer(case: Case, said: Sequence[str]) -> bool:
    tree = reference.parse(case.body)
    whole = tree is not None
    counts = reference.counts(reference.usage_in(tree)) if tree is not None else None
    error = tree is not None and reference.is_error(tree)
    actual = (said[0] == "true", _counts(said[1]))
    assert actual == (whole, counts), case
    assert (said[2] == "true") == error, case
    return counts is not None


def _stream(case: Case, said: Sequence[str]) -> bool:
    ending, outputs, counts, passed = said
    expected = read_stream(case.body)
    actual = (ending, int(outputs), _counts(counts), _bytes(passed))
    assert actual == expected, case
    return counts != "-"


def _stages(case: Case, said: Sequence[str]) -> bool:
    spent, unknown, malformed = said
    told = tuple(None if one == "-" else int(one) for one in spent.split(","))
    expected = read_stages(case.body)
    assert (told, int(unknown), int(malformed)) == expected, case
    return expected[2] == 0


def _bytes(told: str) -> bytes | None:
    return None if told == "-" else bytes.fromhex(told.removeprefix("x"))


def _counts(told: str) -> reference.Counts | None:
    if told == "-":
        return None
    prompt, cached, creation, completion = (int(count) for count in told.split(","))
    return (prompt, cached, creation, completion)


CHECKS: dict[str, Callable[[Case, Sequence[str]], bool]] = {
    "r": _request,
    "a": _answer,
    "s": _stream,
    "h": _stages,
}


def progress(name: str, cases: int) -> Callable[[int], None]:
    """Say how far a comparison is and how long it will take, on one line of standard error."""
    began = time.monotonic()

    def tell(done: int) -> None:
        left = (time.monotonic() - began) / done * (cases - done) / 60 if done else None
        about = f", {left:.0f} min left" if left is not None else ""
        sys.stderr.write(f"\r{name}: {done:,} of {cases:,}{about}   ")
        sys.stderr.flush()

    return tell


def main() -> None:
    """Compare as many bodies of each kind as the command line says."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument(
        "--kinds", default="".join(KINDS), help="some of r, a, s, h; all if left out"
    )
    options = parser.parse_args()
    program = readers.build()
    for kind in options.kinds:
        name, cases = KINDS[kind], options.cases
        told = progress(name, cases)
        taken = compare(program, kind, cases=cases, seed=options.seed, told=told)
        told(cases)
        print(json.dumps({"bodies": name, "compared": cases, "taken": taken}), flush=True)


if __name__ == "__main__":
    main()
