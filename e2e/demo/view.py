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

from e2e.demo.numbers import milliseconds
from e2e.demo.timeline import BASELINE, Mark, Observation, Timeline
from e2e.load.records import quantile, summarise

BAR = 30
"""Characters of a whole share."""
RECENT = 15.0
"""Seconds of requests that the view's quantiles are about."""
PLAIN_EVERY = 10.0
"""Seconds between two lines without a terminal."""


class Screen:
    """Shows the timeline while it grows; a context manager."""

    def __init__(self, story: Timeline, console: Console | None = None) -> None:
        self.story = story
        self.console = console or Console(soft_wrap=True)
        self.narration: list[str] = []
        self._live: Live | None = None
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live = Live(
                console=self.console, get_renderable=self.render, refresh_per_second=2
            )
            self._live.start()
        else:
            threading.Thread(target=self._plain, name="plain-view", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """Tell what happens now, and why."""
        self.narration.append(text)
        if self._live is None:
            print(f"\n== {text}", flush=True)

    def progress(self, text: str) -> None:
        """Tell what is waited for."""
        if self._live is None:
            print(text, flush=True)
        else:
            self._live.console.print(text, style="dim", highlight=False)

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

    def _plain(self) -> None:
        while not self._closed.wait(PLAIN_EVERY):
            if self.story.observations:
                print(line(self.story, time.time()), flush=True)


def recent_waits(story: Timeline, now: float) -> Sequence[float]:
    """Return times to first token of controlled requests sent lately, in seconds."""
    seen = story.requests(now - RECENT, now, feature=story.feature)
    return [record.ttft for record in seen if record.ttft is not None]


def line(story: Timeline, now: float) -> str:
    """Return the view as one line."""
    seen = story.observations[-1]
    waits = recent_waits(story, now)
    total = summarise(tuple(story.records))
    shares = " ".join(f"{pool} {share / 10:g}%" for pool, share in seen.shares.items())
    begun = story.marks.get(Mark.LOAD)
    clock = f"{now - begun:4.0f}s" if begun else "    -"
    return (
        f"{clock}  share {shares or '-'}  TTFT p50 {milliseconds(quantile(waits, 0.5))}"
        f" p99 {milliseconds(quantile(waits, 0.99))}  {seen.state or '-'}/{seen.data or '-'}"
        f" met={seen.met} burn {seen.burn_rate or '-'}"
        f"  sent {total.sent} failed {total.failed} waiting {len(story.running)}"
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
    waits = recent_waits(story, time.time())
    slow = (quantile(waits, 0.99) or 0) > story.objective.threshold
    total = summarise(tuple(story.records))
    shown = f"p50 {milliseconds(quantile(waits, 0.5))}   p99 {milliseconds(quantile(waits, 0.99))}"
    table.add_row("first token", Text(shown, style="red" if slow else "green"), "as clients see it")
    late = len(story.waiting(0, time.time() - story.objective.threshold))
    sent = f"{total.sent} answered, {total.failed} failed, {late} wait longer than promised"
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
        would = ", ".join(f"{pool} {share / 10:g} %" for pool, share in seen.shadow.items())
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


def table(rows: Sequence[tuple[str, str]], title: str) -> RenderableType:
    """Draw the final table."""
    drawn = Table(title=title, title_justify="left", show_header=False)
    for name, value in rows:
        drawn.add_row(name, value)
    return drawn
