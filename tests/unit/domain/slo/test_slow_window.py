"""The slow window never judges a share by attempts of the share before."""

from datetime import timedelta

from tests.unit.domain.slo.builders import THRESHOLD, WINDOWS, Fleet, cell
from tokenfleet.domain.slo.observation.measurement import Tally

GOOD = cell("large", 4, 0.0)
BAD = cell("large", 4, 0.6)
SPARE = cell("small", 1, 0.0)


def remembering(bad: float):
    """A pool that is good in the fast windows and has the fraction `bad` in the slow ones."""
    seen = cell("large", 4, 0.0)
    for window in (WINDOWS.slow_short, WINDOWS.slow_long):
        n = 4 * window.total_seconds()
        seen.windows[window] = Tally({THRESHOLD: n * (1 - bad)}, {THRESHOLD: n * bad})
    return seen


def recovered() -> Fleet:
    fleet = Fleet()
    fleet.see(BAD)
    while "T5" not in fleet.transitions:
        fleet.see(GOOD, SPARE)
    return fleet


def test_what_the_episode_left_in_the_slow_window_starts_no_new_one() -> None:
    fleet = recovered()
    before = fleet.transitions
    fleet.see(
        remembering(0.2), SPARE, seconds=(WINDOWS.slow_long - timedelta(seconds=30)).total_seconds()
    )

    assert fleet.transitions == before


def test_a_slow_breach_after_the_recovery_is_still_seen() -> None:
    fleet = recovered()
    before = fleet.transitions
    fleet.see(
        remembering(0.2), SPARE, seconds=(WINDOWS.slow_long + timedelta(seconds=30)).total_seconds()
    )

    assert fleet.transitions == [*before, "T1"]
