"""What cannot be seen is never judged."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.domain.slo.builders import (
    REPLICA,
    RULE,
    SPARE,
    T0,
    WINDOWS,
    Fleet,
    cell,
    measurement,
    objective,
)
from tokenfleet.domain.slo.observation.data_state import Kind, blindness, judge
from tokenfleet.domain.slo.observation.evidence import Evidence
from tokenfleet.domain.slo.observation.measurement import Failure, Scrapes

LONG = WINDOWS.long
SEEN = measurement(T0, cell("large", 4, 0.0))


def scraped(successes: float, newest=T0):
    scrapes = Scrapes(successes={LONG: successes}, newest=newest)
    return replace(SEEN, replicas={("team-a", "router-1"): scrapes})


@pytest.mark.parametrize(
    ("measured", "reason"),
    [
        pytest.param(SEEN, "", id="all scraped"),
        pytest.param(None, "SourceError", id="never measured"),
        pytest.param(replace(SEEN, failure=Failure("Partial", "x")), "Partial", id="source failed"),
        pytest.param(replace(SEEN, at=T0 - timedelta(minutes=3)), "Stale", id="the tick is stuck"),
        pytest.param(replace(SEEN, replicas={}), "Absent", id="the replica is not scraped"),
        pytest.param(scraped(12, T0 - timedelta(seconds=121)), "Stale", id="samples are old"),
        pytest.param(scraped(12, T0 + timedelta(seconds=31)), "ClockSkew", id="samples are ahead"),
        pytest.param(scraped(8), "LowCoverage", id="8 of 12 scrapes"),
        pytest.param(scraped(9), "", id="9 of 12, and one of grace, are 80 %"),
    ],
)
def test_each_way_of_not_seeing_has_a_name(measured, reason: str) -> None:
    failure = blindness(measured, [REPLICA], objective(), T0)

    assert (failure.reason if failure else "") == reason


def test_one_replica_that_is_not_scraped_is_enough_to_be_blind() -> None:
    other = replace(REPLICA, pod="router-2")
    failure = blindness(SEEN, [REPLICA, other], objective(), T0)

    assert failure is not None
    assert "router-2" in failure.message


def test_without_router_replicas_nothing_is_known() -> None:
    assert blindness(SEEN, [], objective(), T0) == Failure("Absent", "no router replica is ready")


@pytest.mark.parametrize("age", [0, 20, 45, 60, 120])
def test_a_new_replica_is_asked_only_for_its_own_age(age: int) -> None:
    """It was scraped every 15 s since it became ready, one scrape late."""
    young = replace(REPLICA, since=T0 - timedelta(seconds=age))

    assert blindness(scraped(max(0, age // 15 - 1)), [young], objective(), T0) is None


@pytest.mark.parametrize(
    ("rate", "kind"),
    [
        pytest.param(0, Kind.NO_TRAFFIC, id="none"),
        pytest.param(0.02, Kind.INSUFFICIENT, id="4 in 3 min"),
        pytest.param(0.2, Kind.OK, id="36 in 3 min"),
    ],
)
def test_traffic_decides_the_rest(rate: float, kind: Kind) -> None:
    measured = measurement(T0, cell("large", rate, 0.0)).rule(RULE)

    assert judge(measured, Evidence.of(measured.cells, objective()), None).kind is kind


def test_a_cell_that_is_not_a_number_is_unknown() -> None:
    measured = measurement(T0, replace(cell("large", 4, 0.0), broken=True)).rule(RULE)

    assert judge(measured, Evidence.of(measured.cells, objective()), None).reason == "NotANumber"


@pytest.mark.parametrize(("holes", "moved"), [(False, ["T1"]), (True, [])])
def test_each_window_that_judges_is_asked_for_its_own_scrapes(holes, moved) -> None:
    """10 % bad is proved by the long windows alone. What is reported is scraped well; they are not."""
    fleet = Fleet()
    seen = fleet.measured(cell("large", 4, 0.1), SPARE)
    (scrapes,) = seen.replicas.values()
    fewer = {
        window: successes * 0.7 if holes and window > LONG else successes
        for window, successes in scrapes.successes.items()
    }
    fleet.step(replace(seen, replicas={("team-a", "router-1"): replace(scrapes, successes=fewer)}))

    assert blindness(seen, [REPLICA], objective(), T0) is None
    assert fleet.transitions == moved
