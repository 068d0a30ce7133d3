"""A result as JSON and as text: facts and estimates apart, and each under its own name."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from tokenfleet.backtest.books import Books, Interval
from tokenfleet.backtest.episodes import Episode, episodes, turns
from tokenfleet.backtest.replay import LoopKey, Move, Replay
from tokenfleet.backtest.run import Result
from tokenfleet.backtest.variants import AS_WRITTEN
from tokenfleet.domain.slo.control.memory import State

FACTS: Final = "facts: what the loop decides on the recorded data"
ESTIMATES: Final = (
    "estimates: what a shift might have changed; the lower end is no improvement, the upper end is"
    " what the fallback showed on its own attempts"
)

Json = dict[str, Any]


def document(result: Result) -> Json:
    """Return the whole result."""
    span = result.plan.span
    return {
        "from": _time(span.start),
        "to": _time(span.end),
        "tick": span.step.total_seconds(),
        "ticks": span.count,
        "assumptions": assumptions(result),
        "facts": {
            "about": FACTS,
            "objectives": [_objective(result, books) for books in result.books],
            "episodes": [_episode(episode) for episode in _episodes(result)],
            "decisions": [_move(move) for move in _moves(result.replays)],
            "alerts": [
                {
                    "alert": alert.name,
                    "about": alert.about,
                    "from": _time(alert.since),
                    "to": _time(alert.until),
                }
                for alert in result.alerts
            ],
            "dataStates": {
                name: [
                    {"from": _time(at), "to": _time(to), "state": state}
                    for at, to, state in stretches.until(span.end)
                ]
                for name, stretches in result.data.items()
            },
            "sensitivity": sensitivity(result),
        },
        "estimates": {
            "about": ESTIMATES,
            "shifts": [_estimate(books) for books in result.books if books.shifted],
        },
    }


def assumptions(result: Result) -> list[str]:
    """Return what had to be assumed because it was not recorded."""
    said = [
        f"router replicas: {len(result.pods)}, the pods whose scrapes were recorded",
        "routers acknowledge a decision within 1 s",
        "the objects of the file were in force all the time",
    ]
    for subject in result.subjects:
        said += subject.problems
        said += [
            f"{part} would have had shares of its own, which were not recorded: what would have"
            " shifted it only alerts here"
            for part in subject.slices
        ]
        rules = [str(r.key) for r in subject.rules if r.key not in result.recorded_shares]
        if rules:
            said.append(
                "tokenfleet_route_share was not recorded: shares as written are assumed for"
                f" {', '.join(rules)}"
            )
        for place, facts in sorted(subject.pools.items()):
            if place not in result.recorded_pools:
                said.append(
                    "tokenfleet_pool_ready_replicas was not recorded: assumed ready,"
                    f" {facts.ready} of {place}"
                )
    said += [
        f"{rule} was shifted at the first tick already; the replay starts at rest"
        for rule in sorted(result.shifted_at_start)
    ]
    return said


def sensitivity(result: Result) -> list[Json]:
    """Return one row per variant, the objectives as written first."""
    replays = {AS_WRITTEN: result.replays, **result.variants}
    return [_row(name, held) for name, held in replays.items()] if result.variants else []


def text(result: Result) -> str:
    """Return the result for a terminal."""
    return "\n".join(_lines(result))


def _lines(result: Result) -> Iterator[str]:
    span = result.plan.span
    yield (
        f"{_time(span.start)} to {_time(span.end)}, {span.count} ticks of"
        f" {span.step.total_seconds():g} s"
    )
    yield from (f"  assumed: {line}" for line in assumptions(result))
    yield ""
    yield FACTS.upper()
    for books in result.books:
        yield from _about(result, books)
    found = _episodes(result)
    yield ""
    yield f"episodes: {len(found)}"
    for episode in found:
        yield from _told(episode)
    yield ""
    yield f"alerts: {len(result.alerts)}"
    for alert in result.alerts:
        end = f"to {_time(alert.until)}" if alert.until else "still firing at the end"
        yield f"  {alert.name} {alert.about}: {_time(alert.since)} {end}"
    yield from _table(sensitivity(result))
    yield ""
    yield ESTIMATES.upper()
    shifted = [books for books in result.books if books.shifted]
    yield from (line for books in shifted for line in _guess(books))
    if not shifted:
        yield "  nothing was shifted, so there is nothing to estimate"


def _about(result: Result, books: Books) -> Iterator[str]:
    slo = books.objective
    kind = "ShiftTraffic" if slo.shifts else "Alert: what a shift would have done"
    part = f"{books.bad / books.attempts:.2%} bad" if books.attempts else "nothing to judge"
    yield f"objective {slo.key} on {books.rule} ({kind})"
    yield (
        f"  {books.attempts:.0f} attempts, {part}, budget {slo.budget:.2%};"
        f" {_minutes(books.violating)} beyond the budget"
    )
    stretches = result.data[slo.key].until(result.plan.span.end)
    total = sum((to - at).total_seconds() for at, to, _ in stretches)
    sums: dict[str, float] = {}
    for at, to, state in stretches:
        sums[state] = sums.get(state, 0.0) + (to - at).total_seconds()
    shares = (f"{state} {spent / total:.1%}" for state, spent in sums.items() if total)
    yield f"  data: {', '.join(shares)}"
    blind = [(at, to, state) for at, to, state in stretches if state.startswith("Unknown")]
    yield from (f"    {_time(at)} to {_time(to)}: {state}" for at, to, state in blind)


def _told(episode: Episode) -> Iterator[str]:
    end = f"to {_time(episode.ended_at)}" if episode.ended_at else "still shifted at the end"
    whose = f" (if {episode.loop.objective} shifted)" if episode.loop.objective else ""
    whose = " (cost or caching)" if episode.loop.level else whose
    yield f"  {episode.loop.rule} {episode.loop.primary}{whose}: {_time(episode.began_at)} {end}"
    if episode.acted_after is not None:
        yield (
            f"    first action {episode.acted_after:.0f} s after the pool went beyond the budget;"
            f" least share {episode.least_share:.1%}"
        )
    for move in episode.moves:
        yield f"    {_time(move.at)} {move.transition:4} {move.id} {move.message}"
    if not episode.followed:
        yield (
            "    the recorded traffic did not take these shifts: the first action is what would"
            " have happened, the rest is what follows if it had changed nothing"
        )


def _guess(books: Books) -> Iterator[str]:
    yield f"objective {books.objective.key} on {books.rule}"
    yield f"  about {books.moved:.0f} attempts would have gone elsewhere"
    avoided, violating = books.avoided(), books.violating_with()
    if avoided is None or violating is None:
        yield "  no fallback was observed with enough attempts: no upper end can be given"
        return
    low, high = books.bad - avoided.upper, books.bad - avoided.lower
    yield (
        f"  bad attempts: {books.bad:.0f} recorded; between {low:.0f} and {high:.0f} with the"
        " shifts"
    )
    yield (
        f"  beyond the budget: {_minutes(books.violating)} recorded; between"
        f" {_minutes(violating.lower)} and {_minutes(violating.upper)} with the shifts"
    )


def _table(found: Sequence[Json]) -> Iterator[str]:
    if not found:
        return
    yield ""
    yield "sensitivity (the same data under other thresholds):"
    names = ("variant", "episodes", "decisions", "turns", "minutes shifted", "first action")
    cells = [
        (
            row["variant"],
            str(row["episodes"]),
            str(row["decisions"]),
            str(row["changesOfDirection"]),
            f"{row['shiftedSeconds'] / 60:.1f}",
            row["firstActionAt"] or "-",
        )
        for row in found
    ]
    widths = [max(len(line[i]) for line in [names, *cells]) for i in range(len(names))]
    for line in [names, *cells]:
        yield (
            "  "
            + "  ".join(
                word.ljust(width) for word, width in zip(line, widths, strict=True)
            ).rstrip()
        )


def _row(name: str, replays: Iterable[Replay]) -> Json:
    held = list(replays)
    tracks = {key: track for replay in held for key, track in replay.tracks.items()}
    moves = _moves(held)
    first = next((move.at for move in moves), None)
    shifted = sum(
        spent
        for track in tracks.values()
        for state, spent in track.seconds.items()
        if state is not State.NORMAL
    )
    return {
        "variant": name,
        "episodes": len(episodes(tracks, {})),
        "decisions": len(moves),
        "changesOfDirection": sum(turns(track.moves) for track in tracks.values()),
        "shiftedSeconds": shifted,
        "firstActionAt": _time(first),
    }


def _objective(result: Result, books: Books) -> Json:
    slo = books.objective
    states: dict[str, dict[str, float]] = {}
    for replay in result.replays:
        for key, track in replay.tracks.items():
            if books.concerns(key):
                states[key.primary] = {state.value: s for state, s in track.seconds.items()}
    return {
        "objective": slo.key,
        "rule": str(books.rule),
        "onBreach": "ShiftTraffic" if slo.shifts else "Alert",
        "attempts": round(books.attempts),
        "bad": round(books.bad),
        "budget": round(slo.budget, 6),
        "secondsBeyondBudget": books.violating,
        "secondsByState": states,
    }


def _episode(episode: Episode) -> Json:
    return {
        **_loop(episode.loop),
        "from": _time(episode.began_at),
        "to": _time(episode.ended_at),
        "badSince": _time(episode.bad_since),
        "actedAfterSeconds": episode.acted_after,
        "leastShare": episode.least_share,
        "changesOfDirection": turns(episode.moves),
        "followed": episode.followed,
        "decisions": [move.id for move in episode.moves],
    }


def _move(move: Move) -> Json:
    return {
        "id": move.id,
        **_loop(move.loop),
        "at": _time(move.at),
        "transition": move.transition,
        "state": move.state.value,
        "fromShare": move.from_share,
        "toShare": move.to_share,
        "message": move.message,
        "followed": move.followed,
    }


def _estimate(books: Books) -> Json:
    return {
        "objective": books.objective.key,
        "rule": str(books.rule),
        "attemptsMoved": round(books.moved),
        "badRecorded": round(books.bad),
        "badAvoided": _interval(books.avoided()),
        "secondsBeyondBudgetRecorded": books.violating,
        "secondsBeyondBudget": _interval(books.violating_with()),
    }


def _interval(found: Interval | None) -> Json | None:
    return None if found is None else {"lower": round(found.lower), "upper": round(found.upper)}


def _loop(key: LoopKey) -> Json:
    return {
        "rule": str(key.rule),
        "primary": key.primary,
        "shadowOf": key.objective,
        "level": key.level,
    }


def _episodes(result: Result) -> tuple[Episode, ...]:
    tracks = {key: track for replay in result.replays for key, track in replay.tracks.items()}
    starts: dict[str, datetime] = {}
    for books in result.books:
        for move, since in books.starts.items():
            starts[move] = min(since, starts.get(move, since))
    return episodes(tracks, starts)


def _moves(replays: Iterable[Replay]) -> list[Move]:
    found = [m for replay in replays for track in replay.tracks.values() for m in track.moves]
    return sorted(found, key=lambda move: (move.at, move.loop))


def _time(at: datetime | None) -> str | None:
    if at is None:
        return None
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min"
