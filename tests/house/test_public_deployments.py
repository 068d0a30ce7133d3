"""The pools page names every public deployment that is held by a golden file, and no other."""

import re

from tests.house.repository import ROOT

PAGE = ROOT / "operator" / "docs" / "pools.md"
TESTDATA = ROOT / "tests" / "unit" / "domain" / "pools" / "testdata"


def test_the_table_of_public_deployments_is_the_folder_of_golden_files() -> None:
    told = re.findall(r"`(public-[a-z0-9-]+)`", PAGE.read_text())

    assert sorted(told) == sorted(folder.name for folder in TESTDATA.glob("public-*"))
