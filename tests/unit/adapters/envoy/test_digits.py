"""Numbers as regular expressions, against counting them out."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tokenfleet.adapters.envoy.digits import bucket_pattern, range_pattern

LIMIT = 12_000


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


@given(st.integers(0, LIMIT), st.lists(st.integers(0, 10**8), max_size=60))
def test_a_range_without_end_matches_everything_from_its_start(
    low: int, samples: list[int]
) -> None:
    pattern = re.compile(range_pattern(low, None))

    for number in {*samples, low - 1, low, low + 1, low * 10} - {-1}:
        assert (pattern.fullmatch(str(number)) is not None) == (number >= low), number


@given(
    st.sets(st.integers(0, 999), min_size=1)
    | st.builds(
        lambda a, b: set(range(min(a, b), max(a, b) + 1)), st.integers(0, 999), st.integers(0, 999)
    )
)
def test_buckets_match_exactly_their_numbers(wanted: set[int]) -> None:
    pattern = re.compile(bucket_pattern([bucket in wanted for bucket in range(1000)]))

    assert {b for b in range(1000) if pattern.fullmatch(f"{b:03d}")} == wanted


@pytest.mark.parametrize(
    ("buckets", "expected"),
    [
        pytest.param(range(1000), "...", id="all"),
        pytest.param(range(900), "[0-8]..", id="nine tenths"),
        pytest.param(range(950), "[0-8]..|9[0-4].", id="a boundary costs one term a digit"),
        pytest.param(range(999, 1000), "999", id="one"),
    ],
)
def test_bucket_patterns_are_short(buckets: range, expected: str) -> None:
    assert expected == bucket_pattern([bucket in buckets for bucket in range(1000)])
