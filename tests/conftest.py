"""Options that all tests share."""

import os

import pytest
from hypothesis import HealthCheck, settings

# In CI the same examples every time: a change is judged by what it changed. Everywhere else new
# ones, so that the search goes on.
# A busy machine makes examples slowly: that says nothing about them.
settings.register_profile("patient", suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.register_profile("ci", settings.get_profile("patient"), derandomize=True, database=None)
settings.load_profile("patient")
if os.environ.get("CI"):
    settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite golden files with what the code gives now",
    )


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))
