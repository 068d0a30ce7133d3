"""I4: what is not a number, or contradicts itself, never moves a share, in whatever order it comes."""

import math
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.domain.slo.builders import REPLICA, T0, cell, measurement, objective, target
from tokenfleet.adapters.prometheus.measure import read
from tokenfleet.adapters.prometheus.queries import Family, Query
from tokenfleet.domain.slo.engine import Snapshot, step
from tokenfleet.domain.slo.observation.measurement import PoolFacts
from tokenfleet.ports import Sample

FRACTIONS = st.sampled_from([0.0, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0])


@settings(max_examples=60, deadline=None)
@given(bad=FRACTIONS, broken=st.booleans(), pool=st.sampled_from(["large", "small"]))
def test_i4_what_is_not_a_number_never_shifts(bad, broken, pool):
    cells = [cell("large", 4, bad), cell("small", 1, 0.0)]
    cells = [replace(c, broken=broken and c.pool == pool) for c in cells]
    snapshot = Snapshot(
        rules=(target(),),
        objectives=(objective(),),
        pools={
            "team-a/small": PoolFacts(ready=1, desired=1, capacity=100.0),
            "team-a/large": PoolFacts(ready=1, desired=1, capacity=100.0),
        },
        replicas=(REPLICA,),
        measurement=measurement(T0, *cells),
        acknowledged_at=T0,
    )
    outcome = step(snapshot, {}, T0)

    if broken:
        assert outcome.decisions == ()
        assert outcome.slos["team-a/latency"].data.reason == "NotANumber"


POISON = st.sampled_from([math.nan, math.inf, -math.inf, -1.0])


@settings(max_examples=40, deadline=None)
@given(value=POISON, at=st.integers(0, 8), bad=st.sampled_from([0.0, 1.0]), again=st.booleans())
def test_i4_rows_that_are_no_counts_or_contradict_each_other_never_move_a_share(
    value, at, bad, again
):
    """What Prometheus answers, row by row, in any order: one poisoned row holds the rule."""
    windows = objective().windows.all
    good, late = [], []
    for pool, rate, part in (("large", 4, bad), ("small", 1, 0.0)):
        for window in windows:
            labels = {
                "namespace": "team-a",
                "route": "chat",
                "rule": "slow",
                "pool": pool,
                "window": str(window // timedelta(milliseconds=1)),
            }
            n = rate * window.total_seconds()
            good.append(Sample({**labels, "le": "0.5"}, n * (1 - part), T0))
            late.append(Sample({**labels, "threshold": "0.5"}, n * part, T0))
    poisoned = late[at]._replace(value=value if not again else late[at].value + 7)
    late = [*late, poisoned] if again else [*late[:at], poisoned, *late[at + 1 :]]
    answers = [(Query(Family.BAD, ""), late[::-1]), (Query(Family.GOOD, ""), good)]
    seen = read(answers, at=T0, scrape_interval=timedelta(seconds=15))
    seen = replace(seen, replicas=measurement(T0, cell("large", 4, 0.0)).replicas)
    world = Snapshot(
        rules=(target(),),
        objectives=(objective(),),
        pools={
            f"team-a/{pool}": PoolFacts(ready=1, desired=1, capacity=100.0)
            for pool in ("large", "small")
        },
        replicas=(REPLICA,),
        measurement=seen,
        acknowledged_at=T0,
    )
    outcome = step(world, {}, T0)

    assert outcome.decisions == ()
    assert outcome.slos["team-a/latency"].data.reason == "NotANumber"
