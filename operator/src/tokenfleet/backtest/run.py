"""One backtest: fetch a part of the range, replay it, fetch the next."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from tokenfleet.adapters.prometheus.measure import read
from tokenfleet.adapters.prometheus.queries import Query, queries
from tokenfleet.backtest.alerts import Alert, Alerts, burning, looks, of_replay
from tokenfleet.backtest.books import Books
from tokenfleet.backtest.history import (
    MAX_POINTS,
    Attendance,
    Place,
    Recorded,
    Rows,
    Span,
    ready_query,
    router_pods,
    rows,
    share_query,
)
from tokenfleet.backtest.replay import LoopKey, Replay, Seen
from tokenfleet.backtest.variants import AS_WRITTEN, VARIANTS
from tokenfleet.domain.fleet.documents import UnfitError
from tokenfleet.domain.fleet.subject import Subject
from tokenfleet.domain.slo.objectives.spec import Windows, fitting
from tokenfleet.domain.slo.observation.history import extended, looked_at
from tokenfleet.domain.slo.observation.measurement import Measurement, RouterReplica, RuleKey
from tokenfleet.ports import MetricHistory

Progress = Callable[[float], None]
"""Told the part that is done, 0..1."""

POINTS: Final = 1_000
"""Most points of a curve in the result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to replay, and how."""

    span: Span
    scrape_interval: timedelta
    chunk: int
    """Ticks per query."""
    sensitivity: bool = True


@dataclass(slots=True)
class Stretches:
    """A value over time, as the moments at which it changed."""

    changes: list[tuple[datetime, str]] = field(default_factory=list)

    def enter(self, at: datetime, value: str) -> None:
        """Note a value."""
        if not self.changes or self.changes[-1][1] != value:
            self.changes.append((at, value))

    def until(self, end: datetime) -> list[tuple[datetime, datetime, str]]:
        """Return (from, to, value)."""
        ends = [at for at, _ in self.changes[1:]] + [end]
        return [(at, to, value) for (at, value), to in zip(self.changes, ends, strict=True)]


@dataclass(slots=True, kw_only=True)
class Result:
    """Everything that a backtest found."""

    plan: Plan
    subjects: Sequence[Subject]
    replays: Sequence[Replay]
    """Of the objectives as written, one per router."""
    variants: Mapping[str, Sequence[Replay]]
    books: Sequence[Books]
    data: Mapping[str, Stretches]
    """`namespace/name` of an objective -> data states."""
    alerts: Sequence[Alert]
    curves: Mapping[LoopKey, list[tuple[datetime, float, float]]]
    """Loop -> (time, share of the primary, its bad fraction)."""
    recorded_shares: frozenset[RuleKey]
    """Rules whose shares were recorded."""
    shifted_at_start: frozenset[RuleKey]
    """Rules whose recorded shares were not the weights as written at the first tick."""
    recorded_pools: frozenset[str]
    """`namespace/pool` of pools whose ready replicas were recorded."""
    pods: Sequence[Place]


async def backtest(
    history: MetricHistory, subjects: Sequence[Subject], plan: Plan, progress: Progress
) -> Result:
    """Replay the range under the objectives as written and under every variant.

    Raises:
        UnfitError: no router was scraped in the range.
        PortError: Prometheus did not answer.
    """
    pods = await router_pods(history, {s.namespace for s in subjects}, plan.span)
    if not pods:
        names = ", ".join(sorted({s.namespace for s in subjects}))
        msg = (
            "Prometheus holds no series tokenfleet_router_applied_revision of namespace"
            f" {names} in this range: no router was scraped, or under another namespace"
        )
        raise UnfitError(msg)
    changes = VARIANTS if plan.sensitivity else {}
    run = _Run(plan=plan, pods=pods, variants=[_Variant.of(AS_WRITTEN, subjects, plan, pods)])
    for name, change in changes.items():
        changed = [replace(s, objectives=tuple(map(change, s.objectives))) for s in subjects]
        run.variants.append(_Variant.of(name, changed, plan, pods))
    shares = share_query(rule.key.route for s in subjects for rule in s.rules)
    ready = ready_query(place.partition("/")[2] for s in subjects for place in s.pools)
    texts = [*(q.text for v in run.variants for q in v.queries), shares, ready]
    parts = list(plan.span.parts(min(plan.chunk, MAX_POINTS)))
    wanted = looks([slo for s in subjects for slo in s.objectives], plan.span)
    steps = len(parts) * (len(set(texts)) + REPLAY_WEIGHT)
    steps += sum(len(look.parts) * len(look.queries) for look in wanted)
    done = 0.0

    def advance(by: float = 1.0) -> None:
        nonlocal done
        done += by / steps
        progress(min(1.0, done))

    for part in parts:
        answers = await rows(history, texts, part, advance)
        for tick in range(part.count):
            run.tick(part.at(tick), tick, answers, (shares, ready))
            advance(REPLAY_WEIGHT / part.count)
    burned = await burning(history, wanted, advance)
    return run.result(subjects, burned.sent)


REPLAY_WEIGHT: Final = 10
"""How many queries the replay of a part takes about as long as; for the progress bar only."""


@dataclass(slots=True, kw_only=True)
class _Variant:
    name: str
    queries: tuple[Query, ...]
    replays: list[Replay]
    windows: tuple[Windows, ...]
    before: Measurement | None = None

    def measured(self, everything: Measurement) -> Measurement:
        """Return what a live operator would have asked for at that tick."""
        since = self.before.at if self.before is not None else None
        asked = {w for one in self.windows for w in one.due(everything.at, since).all}
        lengths = {one.short for one in self.windows}
        self.before = extended(self.before, looked_at(everything, asked), lengths)
        return self.before

    @classmethod
    def of(
        cls, name: str, subjects: Iterable[Subject], plan: Plan, pods: Iterable[Place]
    ) -> "_Variant":
        held = list(subjects)
        replicas = [
            RouterReplica(namespace=namespace, pod=pod, since=plan.span.start)
            for namespace, pod in pods
        ]
        promises = [
            fitting(slo, plan.scrape_interval) for s in held for slo in (*s.objectives, *s.levels)
        ]
        return cls(
            name=name,
            queries=queries(promises, replicas),
            replays=[Replay(subject=s) for s in held],
            windows=tuple(slo.windows for slo in promises),
        )


@dataclass(slots=True, kw_only=True)
class _Run:
    """The state between two parts of the range."""

    plan: Plan
    pods: Sequence[Place]
    variants: list[_Variant]
    attendance: Attendance = field(default_factory=Attendance)
    recorded: Recorded = field(default_factory=Recorded)
    books: list[Books] = field(default_factory=list)
    data: dict[str, Stretches] = field(default_factory=dict)
    alerts: Alerts = field(default_factory=Alerts)
    curves: dict[LoopKey, list[tuple[datetime, float, float]]] = field(default_factory=dict)
    shifted_at_start: set[RuleKey] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Open the books of the objectives as written."""
        self.books = [
            Books(objective=slo, rule=rule.key, every=self.plan.span.step)
            for replay in self.variants[0].replays
            for slo in replay.subject.objectives
            for rule in replay.subject.rules
            if (slo.namespace, slo.route) == rule.key[:2] and slo.rule in {None, rule.key.rule}
        ]

    def tick(
        self, at: datetime, tick: int, answers: Mapping[str, Rows], gauges: tuple[str, str]
    ) -> None:
        """Replay one tick under every variant."""
        self.recorded.at(answers[gauges[0]][tick], answers[gauges[1]][tick])
        measured: dict[tuple[Query, ...], Measurement] = {}
        replicas: tuple[RouterReplica, ...] | None = None
        for variant in self.variants:
            asked = variant.queries
            if asked not in measured:
                measured[asked] = read(
                    [(query, answers[query.text][tick]) for query in asked],
                    at=at,
                    scrape_interval=self.plan.scrape_interval,
                )
            if replicas is None:
                replicas = self.attendance.at(measured[asked])
            seen = Seen(
                measurement=variant.measured(measured[asked]),
                replicas=replicas,
                shares=self.recorded.shares,
                ready=self.recorded.ready,
            )
            for replay in variant.replays:
                replay.tick(seen)
            if variant.name == AS_WRITTEN:
                self._note(seen)

    def result(self, subjects: Sequence[Subject], burned: Iterable[Alert]) -> Result:
        """Close the books."""
        first, *others = self.variants
        return Result(
            plan=self.plan,
            subjects=subjects,
            replays=first.replays,
            variants={variant.name: variant.replays for variant in others},
            books=self.books,
            data=self.data,
            alerts=sorted([*self.alerts.sent, *burned], key=lambda alert: alert.since),
            curves=self.curves,
            recorded_shares=frozenset(self.recorded.shares),
            shifted_at_start=frozenset(self.shifted_at_start),
            recorded_pools=frozenset(self.recorded.ready),
            pods=self.pods,
        )

    def _note(self, seen: Seen) -> None:
        at = seen.measurement.at
        wrong: dict[tuple[str, str], timedelta] = {}
        for replay in self.variants[0].replays:
            outcome = replay.outcome
            assert outcome is not None
            if at == self.plan.span.start:
                self.shifted_at_start |= replay.not_as_written(seen)
            for slo in (*replay.subject.objectives, *replay.subject.levels):
                data = outcome.slos[slo.key].data
                label = f"{data.kind.value}/{data.reason}" if data.reason else data.kind.value
                self.data.setdefault(slo.key, Stretches()).enter(at, label)
                for books in self.books:
                    if books.objective.key == slo.key:
                        books.tick(replay, seen, data)
            wrong |= of_replay(outcome)
            self._curve(replay, seen)
        self.alerts.tick(at, wrong)

    def _curve(self, replay: Replay, seen: Seen) -> None:
        every = max(1, self.plan.span.count // POINTS)
        tick = round((seen.measurement.at - self.plan.span.start) / self.plan.span.step)
        for key, track in replay.tracks.items():
            moved = (
                bool(track.moves)
                and track.moves[-1].at >= seen.measurement.at - self.plan.span.step
            )
            if tick % every and not moved:
                continue
            books = next((b for b in self.books if b.concerns(key)), None)
            if books is None and not track.moves:
                continue  # a loop that nothing in the file is about
            ratio = books.latest.get(key.primary, 0.0) if books is not None else 0.0
            self.curves.setdefault(key, []).append((seen.measurement.at, track.held.w, ratio))
