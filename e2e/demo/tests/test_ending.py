"""However a story ends, what was recorded is told, plotted and kept, and the first error is the one that is told."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from e2e.demo import __main__ as demo
from e2e.demo import archive, ending
from e2e.demo.story import Pace, Story
from e2e.demo.tape import Tape
from e2e.demo.tests.test_view import story
from e2e.demo.timeline import Mark, Timeline
from e2e.demo.view import Screen
from e2e.kit.kubectl import CommandError
from e2e.load.records import Record

RECORD = Record(at=1.0, feature="generation", conversation="c", outcome="ok")


class Load:
    """A load that ends as told."""

    def __init__(self, end: Exception | None = None) -> None:
        self.live, self.running, self.end = [RECORD], {}, end

    def finish(self) -> list[Record]:
        """End."""
        if self.end is not None:
            raise self.end
        return [RECORD, RECORD]


def told(load: Load, *, broken: Exception | None = None) -> Timeline:
    """Play a story of no phases, or of one that breaks, against a made-up load."""
    timeline = demo.empty_timeline()
    namespace: Any = type("Namespace", (), {"name": "n"})()
    screen = Screen(timeline, Console(file=io.StringIO()))
    playing = Story(namespace, timeline, screen, Pace())
    playing.load = load  # type: ignore[assignment]

    def phase() -> None:
        timeline.marks.setdefault(Mark.LOAD, 1.0)
        if broken is not None:
            raise broken

    for name in ("_begin_load", "_slow_down", "_alert_only", "_defend", "_recover"):
        setattr(playing, name, phase)
    if broken is None:
        playing.play()
    else:
        with pytest.raises(type(broken), match=str(broken)):
            playing.play()
    return timeline


def test_a_load_that_ends_badly_keeps_what_it_reported_and_stops_no_story() -> None:
    timeline = told(Load(CommandError(["kubectl", "exec"], 137, "killed")))

    assert timeline.records == [RECORD]
    assert "ended with 137" in timeline.troubles[0]
    assert Mark.END in timeline.marks


def test_what_broke_the_story_is_not_hidden_by_how_its_load_ended() -> None:
    timeline = told(Load(AssertionError("late")), broken=AssertionError("no such pod"))

    assert timeline.records == [RECORD]
    assert Mark.END not in timeline.marks


def test_half_a_story_is_told_and_kept(tmp_path: Path) -> None:
    half = story()
    console = Console(file=io.StringIO(), width=120)
    recorded = Tape()

    ending.tell(console, half, recorded, tmp_path / "deep")

    kept = {path.name for path in (tmp_path / "deep").iterdir()}
    assert kept == {"story.json", "story.cast", "story.svg"}
    assert archive.read(tmp_path / "deep" / "story.json").records == half.records
    assert "0 of 11" in console.file.getvalue()
    assert any("NO" in text and "told to its end" in text for _, text in recorded.lines)


def test_nothing_recorded_at_all_is_told_too(tmp_path: Path) -> None:
    ending.tell(Console(file=io.StringIO()), demo.empty_timeline(), Tape(), tmp_path)

    assert (tmp_path / "story.svg").exists()


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Replace the cluster by a list of what was done to it."""
    done: list[str] = []
    cluster: Any = type("Cluster", (), {"namespace": lambda _self, name: name})()

    def broken(*_: object, **__: object) -> None:
        done.append("play")
        raise CommandError(["kubectl", "exec"], 137, "the first error")

    def clear(*_: object, **__: object) -> None:
        done.append("clear away")
        raise CommandError(["helm", "uninstall"], 1, "the second error")

    monkeypatch.setattr(demo, "connect", lambda: cluster)
    monkeypatch.setattr(demo, "leave_running", lambda: False)
    monkeypatch.setattr(demo.setup, "fleet", lambda *_: None)
    monkeypatch.setattr(demo, "play", broken)
    monkeypatch.setattr(demo, "clear_away", clear)
    monkeypatch.setattr(demo.ending, "tell", lambda *_: done.append("tell"))
    monkeypatch.setattr(demo, "next_commands", lambda *_: "Everything is up. Try:")
    return done


def test_the_first_error_is_told_first(
    stage: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["demo"])

    assert demo.run() == 1

    words = capsys.readouterr().err
    assert 0 < words.index("the first error") < words.index("the second error")
    assert stage == ["play", "tell", "clear away"]


def test_what_is_kept_up_is_told_of_even_when_the_story_failed(
    stage: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["demo", "--keep"])

    assert demo.run() == 1
    assert "Everything is up" in capsys.readouterr().out
    assert stage == ["play", "tell"]
