"""The metrics reference names every series that the operator offers."""

import re

from tests.house.repository import ROOT

PAGE = ROOT / "operator/docs/reference/metrics.md"
SOURCES = sorted((ROOT / "operator/src/tokenfleet/handlers").glob("*.py"))
NAME = re.compile(
    r'"((?:tokenfleet|controller_runtime|workqueue|leader_election|rest_client)_[a-z_]+)"'
)


def test_every_series_of_the_operator_is_described() -> None:
    named = {name for source in SOURCES for name in NAME.findall(source.read_text())}

    assert named, "the pattern finds the names"
    assert {name for name in named if f"`{name}`" not in PAGE.read_text()} == set()
