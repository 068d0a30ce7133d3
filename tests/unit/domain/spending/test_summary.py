"""Sums of summaries never say more than was used, and always how much less it can be."""

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from tokenfleet.domain.slo.observation.measurement import Usage
from tokenfleet.domain.spending.summary import Spending, Summary, heaviest, larger, merged

NAMES = [f"user-{n}" for n in range(12)]
STREAMS = st.lists(
    st.lists(st.tuples(st.sampled_from(NAMES), st.integers(1, 1000)), max_size=60), max_size=5
)


def used(tokens: float, *, unseen: float = 0.0) -> Spending:
    return Spending(Usage(requests=1, prompt=tokens), unseen=unseen)


def space_saving(stream: list[tuple[str, int]], entries: int) -> Summary:
    """The algorithm as the paper has it."""
    seen: dict[str, tuple[int, int]] = {}
    for name, tokens in stream:
        if name not in seen and len(seen) == entries:
            lightest = min(seen, key=lambda n: (sum(seen[n]), n))
            seen[name] = (0, sum(seen.pop(lightest)))
        before, inherited = seen.get(name, (0, 0))
        seen[name] = (before + tokens, inherited)
    unseen = min(map(sum, seen.values())) if len(seen) == entries else 0
    names = {name: used(own, unseen=inherited) for name, (own, inherited) in seen.items()}
    return Summary(names, Spending(unseen=unseen))


def truth(streams: list[list[tuple[str, int]]]) -> dict[str, int]:
    totals = dict.fromkeys(NAMES, 0)
    for stream in streams:
        for name, tokens in stream:
            totals[name] += tokens
    return totals


def bounds(summary: Summary) -> Iterator[tuple[str, float, float]]:
    for name in NAMES:
        found = summary.of(name)
        yield name, found.tokens, found.tokens + found.unseen


@given(streams=STREAMS, entries=st.integers(2, 8))
def test_the_truth_lies_between_the_bounds_of_a_sum(
    streams: list[list[tuple[str, int]]], entries: int
) -> None:
    total = merged(space_saving(stream, entries) for stream in streams)

    known = truth(streams)
    assert all(least <= known[name] <= most for name, least, most in bounds(total))


@given(streams=STREAMS, entries=st.integers(2, 8), kept=st.integers(1, 5))
def test_the_truth_lies_between_the_bounds_of_what_is_cut(
    streams: list[list[tuple[str, int]]], entries: int, kept: int
) -> None:
    cut = heaviest(merged(space_saving(stream, entries) for stream in streams), kept)

    known = truth(streams)
    assert len(cut.names) <= kept
    assert all(least <= known[name] <= most for name, least, most in bounds(cut))


@settings(max_examples=50)
@given(streams=STREAMS, entries=st.integers(2, 8))
def test_the_error_of_a_sum_is_at_most_its_part_of_all_tokens(
    streams: list[list[tuple[str, int]]], entries: int
) -> None:
    total = merged(space_saving(stream, entries) for stream in streams)

    everything = sum(truth(streams).values())
    assert all(most - least <= everything / entries for _, least, most in bounds(total))


def test_the_order_of_parts_does_not_show() -> None:
    parts = [Summary({"ada": used(3)}), Summary({"bob": used(2)}, Spending(unseen=1))]

    assert merged(parts) == merged(parts[::-1])
    assert merged(parts).names["ada"] == used(3, unseen=1)


def test_of_two_reports_about_the_same_traffic_the_fuller_one_counts() -> None:
    before = Summary({"ada": used(10), "gone": used(7)})
    now = Summary({"ada": used(12), "new": used(1)})

    assert larger(before, now).names == {"ada": used(12), "gone": used(7), "new": used(1)}
