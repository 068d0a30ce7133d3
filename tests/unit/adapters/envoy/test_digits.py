"""Numbers as regular expressions, against counting them out."""

import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tokenfleet.adapters.envoy.digits import bucket_pattern, range_pattern

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is not a finding."""

LIMIT = 12_000


@patient
@given(
    st.integers(0, LIMIT), st.integers(0, LIMIT), st.lists(st.integers(0, LIMIT * 3), max_size=60)
)
@example(0, 0, [0, 1, 10])
@example(0, 8000, [7999, 8000, 8001])
@example(999, 10_000, [998, 999, 1000, 9999, 10_000, 10_001])
def test_a_range_matches_exactly_its_numbers(low: int, size: int, samples: list[int]) -> None:
    pattern, high = re.compile(range_pattern(low, low + size)), low + size

    for number in {*samples, low - 1, low, low + 1, high - 1, high, high + 1} - {-1}:
        assert (pattern.fullmatch(str(number)) is not None) == (low <= number <= high), number


@patient
@given(st.integers(0, LIMIT), st.lists(st.integers(0, 10**8), max_size=60))
def test_a_range_without_end_matches_everything_from_its_start(
    low: int, samples: list[int]
) -> None:
    pattern = re.compile(range_pattern(low, None))

    for number in {*samples, low - 1, low, low + 1, low * 10} - {-1}:
        assert (pattern.fullmatch(str(number)) is not None) == (number >= low), number


edges = st.lists(st.integers(0, 1000), min_size=2, max_size=12, unique=True).map(sorted)


@patient
@given(edges)
def test_buckets_match_exactly_their_numbers(edges: list[int]) -> None:
    ranges = tuple(zip(edges[::2], edges[1::2], strict=False))
    pattern = re.compile(bucket_pattern(ranges))

    wanted = {b for first, end in ranges for b in range(first, end)}
    assert {b for b in range(1000) if pattern.fullmatch(f"{b:03d}")} == wanted


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        pytest.param(((0, 1000),), "...", id="all"),
        pytest.param(((0, 900),), "[0-8]..", id="nine tenths"),
        pytest.param(((0, 950),), "[0-8]..|9[0-4].", id="a boundary costs one term a digit"),
        pytest.param(((999, 1000),), "999", id="one"),
    ],
)
def test_bucket_patterns_are_short(ranges: tuple[tuple[int, int], ...], expected: str) -> None:
    assert expected == bucket_pattern(ranges)
