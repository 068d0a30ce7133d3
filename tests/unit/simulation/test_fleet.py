"""The model of a pool does what a pool does."""

from random import Random
from xml.etree import ElementTree as ET

import pytest

from tokenfleet.simulation.autoscaler import STABILISATION, Autoscaler, Scaling
from tokenfleet.simulation.draws import CAUSES, drawn
from tokenfleet.simulation.plot import comparison
from tokenfleet.simulation.pools import Overload, Pool, Queue
from tokenfleet.simulation.profiles import Afflictions, during
from tokenfleet.simulation.run import simulate
from tokenfleet.simulation.scenarios import BY_NAME


def good(queue: Queue, t: float) -> bool:
    return queue.arrive(t).first <= 2.5


def bad_fraction(pool: Pool, rate: float, seconds: float = 40_000) -> float:
    random, t, seen, bad = Random(1), 0.0, 0, 0
    queue = Queue(pool, random)
    while t < seconds:
        t += random.expovariate(rate)
        seen, bad = seen + 1, bad + (not good(queue, t))
    return bad / seen


def test_a_queue_turns_bad_within_a_few_percent_of_its_capacity() -> None:
    """What load_ceilings.py says of 64 sequences and 8 s."""
    assert bad_fraction(Pool(), 0.85 * 8) < 0.01
    assert 0.08 < bad_fraction(Pool(), 0.95 * 8) < 0.2
    assert bad_fraction(Pool(), 1.1 * 8) > 0.9


def test_impatient_clients_keep_an_overloaded_queue_finite() -> None:
    queue = Queue(Pool(servers=1), Random(1))
    for second in range(3600):
        queue.arrive(float(second))

    assert queue.free[0] - 3600 < 1.5 * 60 + 60


def test_an_engine_that_does_not_notice_who_left_queues_without_end() -> None:
    queue = Queue(Pool(servers=1, notices=False), Random(1))
    for second in range(3600):
        queue.arrive(float(second))

    assert queue.free[0] > 5 * 3600


@pytest.mark.parametrize("overload", [Overload.SHARING, Overload.LINEAR])
def test_however_a_pool_slows_down_it_is_good_below_its_capacity_and_bad_beyond(
    overload: Overload,
) -> None:
    pool = Pool(overload=overload)

    assert bad_fraction(pool, 0.7 * 8) < 0.01
    assert bad_fraction(pool, 1.4 * 8) > 0.7


def test_sharing_serves_all_at_once_and_each_slower() -> None:
    """Two servers of 8 s: four at once take twice as long, and leave together."""
    queue = Queue(Pool(servers=2, spread=0.01, overload=Overload.SHARING), Random(1))
    for _ in range(4):
        queue.arrive(0.0)

    assert queue.waiting(15.0) == 2
    assert queue.waiting(17.0) == 0
    assert queue.arrive(17.0).end == pytest.approx(8, rel=0.1)


def test_who_waits_is_told_whoever_sent_it() -> None:
    """Two servers of about 8 s: of ten at once, eight wait; after a minute nobody does."""
    queue = Queue(Pool(servers=2), Random(1), patience=1000.0)
    for number in range(10):
        queue.arrive(0.0) if number % 2 else queue.crowd(0.0)

    assert queue.waiting(0.1) == 8
    assert queue.waiting(300.0) == 0
    assert Queue(Pool(speaks=False), Random(1)).waiting(0.0) is None


def test_a_pool_that_is_gone_answers_nothing_well() -> None:
    queue = Queue(Pool(), Random(1), afflictions=Afflictions(present=during(10, 20, 0.0, 1.0)))

    assert [good(queue, t) for t in (5.0, 15.0, 25.0)] == [True, False, True]
    assert queue.ready(15.0) == 0


def test_caches_are_cold_for_what_is_new_to_them_and_get_used_to_it() -> None:
    queue = Queue(Pool(cold=100.0, prefill=0.3), Random(1))
    queue.redirect(0.0, 1.0)
    assert not any(good(queue, 0.01 * n) for n in range(20))
    queue = Queue(Pool(cold=100.0, prefill=0.3), Random(1))
    queue.redirect(0.0, 1.0)

    assert sum(good(queue, 1200 + n) for n in range(20)) >= 18


def test_replicas_are_taken_from_what_is_idle_and_added_after_they_have_started() -> None:
    queue = Queue(Pool(servers=64, replicas=8), Random(1))
    queue.resize(0.0, 2, startup=100)
    assert (len(queue.free), queue.ready(0.0)) == (16, 2)
    queue.resize(0.0, 4, startup=100)

    assert (queue.ready(99.0), queue.ready(101.0)) == (2, 4)
    assert queue.busy(50.0) == 0.5


def test_an_autoscaler_grows_at_once_and_shrinks_to_the_largest_wish_of_five_minutes() -> None:
    scaling = Scaling(Autoscaler(driven_by="busyness", target=0.5), most=8)
    assert scaling.desired(0, 4, used=0.52) == 4  # within 10 %
    assert scaling.desired(15, 4, used=1.0) == 8
    assert scaling.desired(30, 8, used=0.1) == 8
    assert scaling.desired(30 + STABILISATION, 8, used=0.1) == 2


def test_a_draw_is_made_of_its_number_and_every_cause_comes() -> None:
    assert drawn(7).says == drawn(7).says
    assert drawn(7).says != drawn(12).says
    said = [drawn(number).says for number in range(5)]

    assert [text.split(";")[0] for text in said] == list(CAUSES)


@pytest.mark.parametrize("name", ["A'", "I"])
def test_the_plot_is_an_image_with_every_decision_and_every_policy(name: str) -> None:
    runs = [simulate(BY_NAME[name], policy, seed=0) for policy in ("none", "ours")]
    root = ET.fromstring(comparison(BY_NAME[name], runs).svg())
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]

    for _, transition in runs[1].decisions:
        assert transition in texts
    assert any(text.startswith("none: ") for text in texts)
    assert any(text.startswith("ours: ") for text in texts)
    for element in root.iter("{http://www.w3.org/2000/svg}polyline"):
        for point in element.get("points").split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 1000
            assert 0 <= y <= 700
