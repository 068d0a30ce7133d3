"""The plot at the end: shares and waits over time, decisions marked."""

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # no display is needed to write a file

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from e2e.demo.timeline import BASELINE, Mark, Timeline
from e2e.load.records import quantile

SVG = {"svg.fonttype": "none", "svg.hashsalt": "tokenfleet"}
"""Text stays text, and equal records give equal files (which is why they carry no date either)."""
BIN = 5.0
"""Seconds of requests behind one point of the quantile lines."""


def draw(story: Timeline, path: Path) -> None:
    """Write the plot, in the format that the path's suffix names."""
    begun = story.marks.get(Mark.LOAD, story.observations[0].at if story.observations else 0.0)
    figure, (share, wait) = plt.subplots(2, 1, sharex=True, figsize=(11, 7), height_ratios=(1, 1.4))
    _shares(share, story, begun)
    _waits(wait, story, begun)
    for axes in (share, wait):
        _marks(axes, story, begun, named=axes is share)
        axes.grid(alpha=0.2)
    _decisions(share, story, begun)
    wait.set_xlabel("seconds since the load began")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(SVG):
        figure.savefig(path, dpi=120, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def _shares(axes: Axes, story: Timeline, begun: float) -> None:
    seen = [o for o in story.observations if o.shares and o.at >= begun]
    times = [o.at - begun for o in seen]
    for pool, color in ((story.primary, "tab:blue"), (story.fallback, "tab:purple")):
        values = [o.shares.get(pool, 0) * 100 / BASELINE for o in seen]
        axes.step(times, values, where="post", label=pool, color=color, linewidth=2)
    axes.set_ylabel("share of conversations, %")
    axes.set_ylim(-4, 132)  # the names of what happens stand above
    axes.set_yticks(range(0, 101, 20))
    axes.legend(loc="center right")
    axes.set_title("where the slow rule's traffic goes")


def _waits(axes: Axes, story: Timeline, begun: float) -> None:
    records = [r for r in story.records if r.feature == story.feature and r.ttft is not None]
    for pool, color in ((story.primary, "tab:blue"), (story.fallback, "tab:purple")):
        mine = [r for r in records if r.pool == pool]
        axes.scatter([r.at - begun for r in mine], [r.ttft for r in mine], s=5, alpha=0.35,
                     color=color, label=f"answered by {pool}")  # fmt: skip
    end = max((r.at for r in records), default=begun)
    starts = [begun + n * BIN for n in range(int((end - begun) / BIN) + 1)]
    for q, style in ((0.5, "-"), (0.99, ":")):
        line = []
        for start in starts:
            seen = [r.ttft for r in records if start <= r.at < start + BIN and r.ttft is not None]
            line.append(quantile(seen, q) if seen else float("nan"))
        axes.plot([s + BIN / 2 - begun for s in starts], line, style, color="black", linewidth=1.2,
                  label=f"p{q * 100:.0f}")  # fmt: skip
    axes.axhline(story.objective.threshold, color="tab:red", linewidth=1)
    axes.text(0, story.objective.threshold, " threshold", color="tab:red", va="bottom", fontsize=8)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylabel("time to first token, s")
    axes.legend(loc="upper right", fontsize=8)


def _marks(axes: Axes, story: Timeline, begun: float, *, named: bool) -> None:
    turns = [(mark, at) for mark, at in story.marks.items() if mark not in {Mark.LOAD, Mark.END}]
    for number, (mark, at) in enumerate(turns):
        height = 0.96 - 0.09 * (number % 2)  # neighbours do not write over each other
        axes.axvline(at - begun, color="gray", linestyle="--", linewidth=1)
        if named:
            axes.text(at - begun, height, f" {mark}", transform=axes.get_xaxis_transform(),
                      va="top", fontsize=8, color="dimgray")  # fmt: skip


def _decisions(axes: Axes, story: Timeline, begun: float) -> None:
    for decision in story.decisions():
        if decision.at < begun:
            continue
        try:
            height = float(decision.to_share) * 100
        except ValueError:
            continue
        axes.plot(decision.at - begun, height, "v", color="tab:orange", markersize=7)
        axes.annotate(decision.transition, (decision.at - begun, height), fontsize=7,
                      textcoords="offset points", xytext=(3, 6))  # fmt: skip
