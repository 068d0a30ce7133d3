"""Weights, buckets, and changes that move only the difference."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tokenfleet.domain.routing.ir import BUCKETS, BucketRange
from tokenfleet.domain.routing.shares import contiguous, largest_remainder, reassign

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is not a finding."""

weights = st.dictionaries(
    st.sampled_from("abcdef"), st.integers(0, 1000), min_size=1, max_size=6
).filter(lambda w: any(w.values()))


def owners(ranges: tuple[BucketRange, ...]) -> list[str]:
    return [part.pool for part in ranges for _ in range(part.first, part.end)]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param({"a": 1}, {"a": 1000}, id="one pool takes all"),
        pytest.param({"a": 9, "b": 1}, {"a": 900, "b": 100}, id="exact"),
        pytest.param({"a": 1, "b": 1, "c": 1}, {"a": 334, "b": 333, "c": 333}, id="ties by order"),
        pytest.param({"a": 1, "b": 0}, {"a": 1000, "b": 0}, id="zero stays zero"),
    ],
)
def test_weights_become_shares(written: dict[str, int], expected: dict[str, int]) -> None:
    assert expected == largest_remainder(written)


@patient
@given(weights)
def test_shares_sum_to_the_buckets_and_are_within_one_of_exact(written: dict[str, int]) -> None:
    shares, total = largest_remainder(written), sum(written.values())

    assert sum(shares.values()) == BUCKETS
    for pool, weight in written.items():
        assert abs(shares[pool] - weight * BUCKETS / total) < 1


@patient
@given(st.lists(weights, min_size=2, max_size=6))
def test_a_change_moves_exactly_the_difference(history: list[dict[str, int]]) -> None:
    ranges = contiguous(largest_remainder(history[0]))
    for written in history[1:]:
        shares = largest_remainder(written)
        before = owners(ranges)

        ranges = reassign(ranges, shares)

        after, had = owners(ranges), Counter(before)
        assert {pool: share for pool, share in shares.items() if share} == Counter(after)
        moved = sum(old != new for old, new in zip(before, after, strict=True))
        assert moved == sum(max(0, share - had[pool]) for pool, share in shares.items())


@patient
@given(weights)
def test_equal_shares_change_nothing(written: dict[str, int]) -> None:
    ranges = contiguous(largest_remainder(written))

    assert ranges == reassign(ranges, largest_remainder(written))


def test_shifting_there_and_back_ends_where_it_began() -> None:
    """Two pools keep two ranges, whatever the steps."""
    start = ranges = contiguous({"large": 1000, "small": 0})
    for small in (100, 250, 950, 600, 300, 0):
        ranges = reassign(ranges, {"large": 1000 - small, "small": small})

    assert start == ranges
