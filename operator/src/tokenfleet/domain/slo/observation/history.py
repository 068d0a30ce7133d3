"""What came before: the counts of the shortest window, kept slot by slot for the last two hours.

Only how much counts vary is read from it (dispersion.py), never what they are: windows come from
Prometheus. It is the operator's own, stored nowhere; after a start it fills within two hours, and
until then attempts are taken to be as independent as `dispersion.PRIOR` says.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from tokenfleet.domain.slo.observation.measurement import NO_SLOTS, Cell, Measurement, Slots

LENGTH: Final = 128
"""Slots: as many as the longest window holds."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def extended(
    before: Measurement | None, measured: Measurement, lengths: Collection[timedelta]
) -> Measurement:
    """Return a measurement with what came before it; a slot is added when one is over.

    Args:
        before: the last measurement that succeeded; None: there was none.
        measured: the one to add to.
        lengths: the shortest windows of all objectives: the lengths of slots.
    """
    if before is None:
        return measured
    over = {n for n in lengths if (measured.at - _EPOCH) // n != (before.at - _EPOCH) // n}
    rules = {}
    for key, rule in measured.rules.items():
        held = {_place(cell): cell for cell in before.rule(key).cells}
        cells = tuple(_extended(held.get(_place(cell)), cell, lengths, over) for cell in rule.cells)
        rules[key] = replace(rule, cells=cells)
    return replace(measured, rules=rules)


def looked_at(measured: Measurement, windows: Collection[timedelta]) -> Measurement:
    """Return a measurement as if only these windows had been asked for."""
    return replace(
        measured,
        rules={
            key: replace(
                rule,
                cells=tuple(
                    replace(cell, windows={w: t for w, t in cell.windows.items() if w in windows})
                    for cell in rule.cells
                ),
            )
            for key, rule in measured.rules.items()
        },
    )


def _place(cell: Cell) -> tuple[str, str, str, str]:
    return (cell.pool, cell.signal, cell.feature, cell.request_type)


def _extended(
    held: Cell | None, cell: Cell, lengths: Iterable[timedelta], over: Collection[timedelta]
) -> Cell:
    slots = dict(held.slots) if held is not None else {}
    for length in lengths:
        tally = cell.windows.get(length)
        if length not in over or tally is None or cell.broken:
            continue
        for threshold in {*tally.good, *tally.bad}:
            good, bad = slots.get((length, threshold), NO_SLOTS)
            slots[length, threshold] = Slots(
                (round(tally.good.get(threshold, 0.0)), *good[: LENGTH - 1]),
                (round(tally.bad.get(threshold, 0.0)), *bad[: LENGTH - 1]),
            )
    return replace(cell, slots=slots)
