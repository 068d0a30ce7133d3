"""Generated files are what the generator gives now."""

import pytest

from tests.house.repository import ROOT, files
from tokenfleet.cli.crds import generated

FILES = generated()


@pytest.mark.parametrize("path", FILES)
def test_a_generated_file_is_in_step_with_the_models(path: str) -> None:
    written = (ROOT / path).read_text(encoding="utf-8") if (ROOT / path).exists() else ""

    assert written == FILES[path], f"{path} is out of step: run `make golden`"


@pytest.mark.parametrize("folder", ["crds", "charts/tokenfleet/files/crds"])
def test_no_generated_file_is_left_over(folder: str) -> None:
    found = {str(path) for path in files() if str(path.parent) == folder}

    assert found == {path for path in FILES if path.rpartition("/")[0] == folder}
