"""The live view: pods, shares, waits, the objective and the decisions; plain lines without a terminal."""

import threading
import time
from collections.abc import Sequence
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from e2e.demo.numbers import duration, lately, shares_text
from e2e.demo.tape import Tape
from e2e.demo.timeline import BASELINE, Mark, Observation, Timeline
from e2e.load.records import summarise

BAR = 30
"""Characters of a whole share."""
PLAIN_EVERY = 10.0
"""Seconds between two lines without a terminal."""


class Screen:
    """Shows the timeline while it grows, and records on a tape what it tells; a context manager."""

    def __init__(
        self, story: Timeline, console: Console | None = None, tape: Tape | None = None
    ) -> None:
        self.story = story
        self.console = console or Console(soft_wrap=True)
        self.tape = tape or Tape()
        self.narration: list[str] = []
        self.log = PlainLog(story)
        self._live: Live | None = None
        self._closed = threading.Event()
        self._teller = threading.Thread(target=self._tell, name="plain-view", daemon=True)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live = Live(
                console=self.console, get_renderable=self.render, refresh_per_second=2
            )
            self._live.start()
        self._teller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._teller.join(timeout=5)
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """Tell what happens now, and why."""
        self.narration.append(text)
        self.line(f"== {text}")

    def progress(self, text: str) -> None:
        """Tell what is waited for."""
        self.line(text)
        if self._live is not None:
            self._live.console.print(text, style="dim", highlight=False)

    def line(self, text: str) -> None:
        """Put a line on the tape, and show it where there is no live view."""
        self.tape.add(text)
        if self._live is None:
            print(text, flush=True)

    def render(self) -> RenderableType:
        """Draw the whole view."""
        seen = self.story.observations[-1] if self.story.observations else None
        parts: list[RenderableType] = [
            Panel(Text(self.narration[-1] if self.narration else "", style="bold"), style="cyan")
        ]
        if seen is not None:
            parts += [_pods(seen), _traffic(self.story, seen), _objective(self.story, seen)]
            parts += [_decisions(self.story)]
        return Group(*parts)

    def _tell(self) -> None:
        while not self._closed.wait(1.0):
            for text in self.log.news(time.time()):
                self.line(text)


class PlainLog:
    """What is told in lines: each decision once, what a shift would do, and how clients fare."""

    def __init__(self, story: Timeline) -> None:
        self._story = story
        self._decided: set[str] = set()
        self._would = ""
        self._told_at = 0.0

    def news(self, now: float) -> list[str]:
        """Return the lines that are due."""
        story, begun = self._story, self._story.marks.get(Mark.LOAD)
        if begun is None or not story.observations:
            return []
        lines = [
            f"-> {decision.at - begun:4.0f} s  {decision.reason}"
            for decision in story.decisions()
            if decision.at >= begun and decision.id not in self._decided
        ]
        self._decided |= {decision.id for decision in story.decisions()}
        would = story.latest.shadow_reason if story.would_shift(story.latest) else ""
        if would and would != self._would:
            lines.append(f"-> {now - begun:4.0f} s  would have: {would}")
        self._would = would
        if now - self._told_at >= PLAIN_EVERY:
            self._told_at = now
            lines.append(line(story, now))
        return lines


MET = {True: "objective met", False: "objective missed", None: "objective not known"}


def line(story: Timeline, now: float) -> str:
    """Return the view as one line."""
    seen, clients = story.latest, lately(story, now)
    total = summarise(tuple(story.records))
    token = f"p50 {duration(clients.p50)}" if clients.p50 is not None else "no first token lately"
    late = f"{clients.late} of {clients.judged} late" if clients.judged else "none judged yet"
    oldest = f", oldest waits {duration(clients.oldest)}" if clients.oldest else ""
    return (
        f"{now - story.marks.get(Mark.LOAD, now):4.0f} s  {shares_text(seen.shares)}"
        f" | {token}, {late}{oldest}"
        f" | {MET[seen.met]}, burn {seen.burn_rate or 'not known'}"
        f" | {total.failed} of {total.sent} failed"
    )


def _pods(seen: Observation) -> RenderableType:
    table = Table(expand=True, box=None, pad_edge=False)
    for title in ("pod", "of", "phase", "ready", "cpu limit"):
        table.add_column(title, no_wrap=True)
    for pod in seen.pods:
        style = "green" if pod.ready else "yellow"
        if pod.role:
            ready = Text("yes" if pod.ready else "no", style=style)
            table.add_row(pod.name, pod.role, pod.phase, ready, pod.cpu or "-")
    return Panel(table, title="pods", title_align="left")


def bar(share: int) -> str:
    """Draw a share of 0..1000."""
    full = round(share * BAR / BASELINE)
    return "█" * full + "·" * (BAR - full)


def _traffic(story: Timeline, seen: Observation) -> RenderableType:
    table = Table(expand=True, box=None, pad_edge=False, show_header=False)
    for pool, share in seen.shares.items():
        color = "blue" if pool == story.primary else "magenta"
        table.add_row(pool, Text(bar(share), style=color), f"{share / 10:g} %")
    clients = lately(story, time.time())
    slow = clients.late > clients.judged * (1 - story.objective.target)
    total = summarise(tuple(story.records))
    shown = (
        f"p50 {duration(clients.p50)}   p99 {duration(clients.p99)}"
        f"   {clients.late} of {clients.judged} late   oldest waits {duration(clients.oldest)}"
    )
    table.add_row("first token", Text(shown, style="red" if slow else "green"), "as clients see it")
    sent = f"{total.failed} of {total.sent} failed"
    table.add_row("requests", Text(sent, style="red" if total.failed else "green"), "")
    return Panel(table, title="traffic of the slow rule", title_align="left")


def _objective(story: Timeline, seen: Observation) -> RenderableType:
    promise = story.objective
    words = {True: Text("met", style="green"), False: Text("missed", style="bold red")}
    met = words[seen.met] if seen.met is not None else Text("not known", style="yellow")
    table = Table(expand=True, box=None, pad_edge=False, show_header=False)
    title = (
        f"objective: {promise.target:.0%} of first tokens within {promise.threshold * 1000:.0f} ms"
    )
    table.add_row("now", met, f"state {seen.state or '-'}", f"data {seen.data or '-'}",
                  f"burn {seen.burn_rate or '-'}", f"p99 {seen.p99 or '-'}")  # fmt: skip
    if seen.shadow:
        would = shares_text(seen.shadow)
        table.add_row("would", Text(would, style="yellow"), seen.shadow_transition, "(Alert only)")
    return Panel(table, title=title, title_align="left")


def _decisions(story: Timeline) -> RenderableType:
    begun = story.marks.get(Mark.LOAD, 0.0)
    lines = [
        f"{d.at - begun:5.0f}s {d.transition:<4} {d.from_share} -> {d.to_share}  {d.reason}"
        for d in story.decisions()[-6:]
        if d.at >= begun
    ]
    return Panel(Text("\n".join(lines) or "none yet", overflow="ellipsis", no_wrap=True),
                 title="decisions", title_align="left")  # fmt: skip


def table(rows: Sequence[tuple[str, ...]], title: str, *heads: str) -> RenderableType:
    """Draw one of the final tables."""
    drawn = Table(*heads, title=title, title_justify="left", show_header=bool(heads))
    for row in rows:
        drawn.add_row(*row)
    return drawn
