"""Where nothing was measured a dash stands, in every table: it is not 0."""

from tests.support.fakes import T0
from tests.unit.domain.fleet.builders import pool, route, slo
from tokenfleet.cli import live_tables, status
from tokenfleet.domain.console.fleet_view import fleet_view

NEW = fleet_view(
    routers=[{"metadata": {"namespace": "ns", "name": "default"}}],
    routes=[route()],
    pools=[pool()],
    objectives=[slo()],
)
"""Before any operator has looked."""


def rows(lines: list[str]) -> dict[str, list[str]]:
    """Return the cells of each row by the last part of its first."""
    found = (line.split() for line in lines if line.startswith("ns/"))
    return {cells[0]: cells[1:] for cells in found}


def test_status_shows_no_number_that_nobody_measured() -> None:
    found = rows(list(status.text(NEW, T0, colour=False)))

    assert found["ns/ttft"][-4:] == ["-", "-", "-", "Unknown"]  # burn, p99, budget; data
    assert found["ns/large"][1] == "-"
    assert found["ns/default"][:2] == ["-", "-"]


def test_top_shows_no_number_that_nobody_measured() -> None:
    found = rows(list(live_tables.text(NEW, None, T0, "", colour=False)))

    assert "0.00" not in " ".join(word for cells in found.values() for word in cells)
    assert found["ns/large"] == ["-"] * 5
