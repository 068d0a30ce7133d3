"""What speculation is worth is written in steps, and only when it has left one."""

import pytest

from tokenfleet.domain.pools.acceptance import acceptances, moved, shown
from tokenfleet.domain.slo.observation.measurement import EngineLoad

PLACE = ("fleet", "large")


@pytest.mark.parametrize(
    ("acceptance", "text"),
    [(0.0, "0.00"), (0.61, "0.60"), (0.63, "0.65"), (1.0, "1.00"), (None, None)],
)
def test_a_status_shows_steps(acceptance: float | None, text: str | None) -> None:
    assert shown(acceptance) == text


def test_a_pool_that_proposes_nothing_has_none() -> None:
    loads = {PLACE: EngineLoad(acceptance=0.5), ("fleet", "small"): EngineLoad(waiting=1)}

    assert acceptances(loads) == {PLACE: 0.5}


def test_an_engine_that_takes_more_than_was_proposed_takes_all() -> None:
    """Two counters are never read at the same instant."""
    assert acceptances({PLACE: EngineLoad(acceptance=1.01)}) == {PLACE: 1.0}


@pytest.mark.parametrize(
    ("before", "after", "pools"),
    [
        pytest.param({PLACE: 0.60}, {PLACE: 0.61}, [], id="within a step"),
        pytest.param({PLACE: 0.60}, {PLACE: 0.66}, [PLACE], id="another step"),
        pytest.param({}, {PLACE: 0.6}, [PLACE], id="now known"),
        pytest.param({PLACE: 0.6}, {}, [PLACE], id="known no longer"),
    ],
)
def test_a_pool_is_written_when_its_step_is_another(before, after, pools) -> None:
    assert list(moved(before, after)) == pools
