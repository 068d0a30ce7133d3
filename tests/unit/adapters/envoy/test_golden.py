"""What the renderer gives for each case is what was reviewed."""

import pytest

from tests.unit.adapters.envoy.golden import CASES, TESTDATA, case, parts, written


@pytest.mark.parametrize("name", CASES)
def test_a_case_renders_as_reviewed(name: str, *, update_golden: bool) -> None:
    """`--update-golden` rewrites the files; the review is of their difference."""
    actual = {part: written(case(name).parts[part]) for part in parts(name)}
    files = {part: TESTDATA / name / f"out.{part}.yaml" for part in parts(name)}
    if update_golden:
        for stale in set((TESTDATA / name).glob("out.*")) - set(files.values()):
            stale.unlink()
        for part, text in actual.items():
            files[part].write_text(text)

    assert {part: file.read_text() for part, file in files.items()} == actual


@pytest.mark.parametrize("name", CASES)
def test_rendering_twice_gives_equal_bytes(name: str) -> None:
    assert written(dict(case(name).parts)) == written(dict(case(name).parts))
