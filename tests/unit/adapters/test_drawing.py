"""A picture has the format of its file's suffix, with every shape in it."""

from pathlib import Path

import pytest

from tokenfleet.adapters.drawing import Drawing, DrawingError, check


def page() -> Drawing:
    """Return a page with one of everything."""
    drawn = Drawing(width=200, height=100, title="a & b")
    drawn.words(10, 20, "costs $1 <each>", bold=True)
    drawn.stroke([(0, 0), (200, 100)], dashed=True)
    drawn.box(20, 30, 40, 20, fill="#dddddd", tip="unseen")
    drawn.dot(90, 50, 3, color="#d62728", tip="T1 12:00 shifting")
    return drawn


@pytest.mark.parametrize(
    ("suffix", "magic"), [(".svg", b"<svg"), (".png", b"\x89PNG"), (".pdf", b"%PDF"), (".PNG", b"\x89PNG")]
)  # fmt: skip
def test_the_suffix_is_the_format(suffix: str, magic: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"picture{suffix}"

    page().write(path)

    assert path.read_bytes().startswith(magic)


def test_shapes_say_more_under_the_mouse() -> None:
    drawn = page().svg()

    for part in ("<title>a &amp; b</title>", "<title>unseen</title>", "<title>T1 12:00 shifting</title>"):  # fmt: skip
        assert part in drawn


def test_another_suffix_is_refused_with_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(DrawingError, match=r"day\.gif: pictures end in \.svg, \.png, \.pdf"):
        page().write(tmp_path / "day.gif")


def test_a_place_where_nothing_can_be_written_is_said_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder.svg").mkdir()

    check(tmp_path / "day.svg")
    with pytest.raises(DrawingError, match="there is no folder"):
        check(tmp_path / "none" / "day.svg")
    with pytest.raises(DrawingError, match="a folder is there; name a file"):
        check(tmp_path / "folder.svg")
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write anywhere
    with pytest.raises(DrawingError, match="no permission to write there"):
        check(tmp_path / "day.svg")
