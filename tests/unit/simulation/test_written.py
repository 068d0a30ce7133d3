"""Scenarios are data: a reader adds one in ten lines, and a typo is refused with its field."""

import math
from random import Random

import pytest
import yaml

from tokenfleet.simulation.arrivals import arrivals
from tokenfleet.simulation.fleet import chat
from tokenfleet.simulation.pools import Pool
from tokenfleet.simulation.profiles import Course, Episode, Fault, Kind, Shape, afflicted, constant
from tokenfleet.simulation.quiet import poisson
from tokenfleet.simulation.run import simulate
from tokenfleet.simulation.scenarios import scenarios
from tokenfleet.simulation.written import WrittenError

MINE = """
- name: mine
  says: the first fallback is gone when it is needed
  lasts: 20m
  load: {rate: 2, episodes: [{from: 5m, for: 5m, rate: 3}]}
  pools: {primary: {servers: 32}, near: {}, far: {servers: 16}}
  faults:
  - {pool: primary, type: Errors, from: 5m, for: 10m, factor: 0.9}
  - {pool: near, type: Outage, from: 1m}
"""


def test_a_scenario_of_eight_lines_is_simulated() -> None:
    (mine,) = scenarios(MINE, "mine.yaml")
    ours = simulate(mine, "ours", seed=1)

    assert mine.fault_at == 60
    assert mine.stream.rule.fallbacks == ("near", "far")
    assert [mine.stream.rate(t) for t in (0, 300, 599, 600)] == [2, 3, 3, 2]
    assert ours.bad < simulate(mine, "none", seed=1).bad / 2


@pytest.mark.parametrize(
    ("found", "instead", "said"),
    [
        ("lasts: 20m", "lasts: long", "scenario mine: lasts: 'long' is not a duration"),
        ("servers: 32", "servers: 0", "pools.primary.servers: Input should be greater"),
        ("servers: 32", "server: 32", "pools.primary.server: there is no such field"),
        ("type: Outage", "type: Gone", "faults.1.type: Input should be 'Slow', 'Errors'"),
        ("factor: 0.9", "factor: 90", "faults.0: factor must be the fraction"),
        ("pool: near", "pool: nearby", "there is no pool nearby, only primary, near, far"),
    ],
)
def test_a_typo_is_refused_with_its_field(found: str, instead: str, said: str) -> None:
    with pytest.raises(WrittenError) as error:
        scenarios(MINE.replace(found, instead), "mine.yaml")
    assert said in str(error.value)
    assert yaml.safe_load(MINE)


def test_an_episode_comes_back_until_it_ends() -> None:
    episode = Episode(start=10, lasts=2, every=5, until=20)

    assert [t for t in range(30) if episode.holds(t)] == [10, 11, 15, 16]


def test_a_wave_begins_at_its_base() -> None:
    course = Course(base=2, wave=1, period=40)

    assert [course(t) for t in (0, 10, 30)] == pytest.approx([2, 3, 1])


def test_of_faults_of_a_kind_the_largest_counts_and_others_do_not_touch() -> None:
    def late(factor: float, start: float, **more: object) -> Fault:
        return Fault(
            pool="p", kind=Kind.LATE, when=Episode(start=start, lasts=10), factor=factor, **more
        )

    wrong = afflicted([late(0.2, 0), late(0.5, 5)], "seed")

    assert [wrong.late(t) for t in (0, 5, 12, 20)] == [0.2, 0.5, 0.5, 0.0]
    assert wrong.slowness(5) == 1.0
    wave = afflicted([late(0.4, 0, shape=Shape.WAVE, period=10)], "seed")
    assert [wave.late(t) for t in (0, 5)] == pytest.approx([0.0, 0.4])


def test_what_is_drawn_anew_keeps_its_mean_and_stays_for_its_period() -> None:
    fault = Fault(
        pool="p", kind=Kind.LATE, when=Episode(start=0), factor=0.04, shape=Shape.DRAWN, period=60
    )
    late = afflicted([fault], "seed").late
    found = [late(60.0 * minute) for minute in range(5000)]

    assert sum(found) / len(found) == pytest.approx(0.04, rel=0.1)
    assert late(61.0) == late(119.0) == found[1]


def test_a_conversation_asks_several_times_at_one_place_and_shares_its_fate() -> None:
    stream = chat(constant(2.0), {"primary": Pool()}, turns=4, gap=5.0)
    found = list(arrivals(0, stream, 4000.0, Random(1)))
    talks = [tuple(r for r in found if r.fate == fate) for fate in {r.fate for r in found}]

    assert len(found) == pytest.approx(8000, rel=0.05)
    assert [r.t for r in found] == sorted(r.t for r in found)
    assert {len(talk) for talk in talks if talk[0].t < 3500} == {4}
    assert all(len({r.place for r in talk}) == 1 for talk in talks)


def test_a_rule_that_nobody_asks_is_asked_by_nobody() -> None:
    assert list(arrivals(0, chat(constant(0.0), {"primary": Pool()}), 4000.0, Random(1))) == []


@pytest.mark.parametrize("mean", [0.3, 7.0, 15.0, 400.0])
def test_poisson_draws_have_mean_and_variance_of_their_mean(mean: float) -> None:
    random = Random(1)
    found = [poisson(random, mean) for _ in range(20_000)]
    average = sum(found) / len(found)

    assert average == pytest.approx(mean, abs=5 * math.sqrt(mean / len(found)))
    assert sum((n - average) ** 2 for n in found) / len(found) == pytest.approx(mean, rel=0.06)
