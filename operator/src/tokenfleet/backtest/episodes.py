"""From decisions to episodes: what happened to one loop from its first shift until it was back."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from tokenfleet.backtest.replay import LoopKey, Move, Track
from tokenfleet.domain.slo.control.memory import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One excursion from the weights as written."""

    loop: LoopKey
    began_at: datetime
    ended_at: datetime | None
    """None: still shifted at the last tick."""
    bad_since: datetime | None
    """First tick of the stretch beyond the budget that led to the first action; None: there was
    none, as when a pool lost its last endpoint."""
    moves: tuple[Move, ...]
    least_share: float
    """Least part of its own weight that the primary kept."""

    @property
    def acted_after(self) -> float | None:
        """Return seconds from the first bad tick to the first action."""
        if self.bad_since is None:
            return None
        return (self.began_at - self.bad_since).total_seconds()

    @property
    def followed(self) -> bool:
        """Tell whether the recorded traffic took every shift that was decided."""
        return all(move.followed for move in self.moves[1:])


def episodes(
    tracks: Mapping[LoopKey, Track], bad_since: Mapping[str, datetime]
) -> tuple[Episode, ...]:
    """Cut the moves of every loop at its returns to Normal; in order of time.

    Args:
        tracks: the loops.
        bad_since: identifier of a move -> when the stretch began that led to it.
    """
    found = [
        Episode(
            loop=key,
            began_at=moves[0].at,
            ended_at=moves[-1].at if moves[-1].state is State.NORMAL else None,
            bad_since=bad_since.get(moves[0].id),
            moves=moves,
            least_share=min(move.to_share for move in moves),
        )
        for key, track in tracks.items()
        for moves in _cut(track.moves)
    ]
    return tuple(sorted(found, key=lambda episode: (episode.began_at, episode.loop)))


def turns(moves: Iterable[Move]) -> int:
    """Count changes of direction of a share; the first shift is one."""
    steps = [move.to_share - move.from_share for move in moves if move.to_share != move.from_share]
    return sum(a * b < 0 for a, b in pairwise(steps)) + bool(steps)


def _cut(moves: Sequence[Move]) -> list[tuple[Move, ...]]:
    parts: list[tuple[Move, ...]] = []
    held: list[Move] = []
    for move in moves:
        held.append(move)
        if move.state is State.NORMAL:
            parts.append(tuple(held))
            held = []
    return [*parts, tuple(held)] if held else parts
