"""Sets and ranges of numbers as regular expressions (RE2), for matching header values.

Envoy's route matcher compares headers as text. Numbers with a fixed count of digits form a tree of
ten children each; a subtree that is wanted whole is one `.` per level, so a range costs a few
terms.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby


@lru_cache(maxsize=4096)  # rules with equal shares are common, and a change touches few
def bucket_pattern(ranges: tuple[tuple[int, int], ...]) -> str:
    """Return the expression for three-digit bucket numbers 000..999.

    Args:
        ranges: first and end of the ranges that match, ascending, at least one.
    """
    wanted = [False] * 1000
    for first, end in ranges:
        wanted[first:end] = [True] * (end - first)
    return "|".join(_terms(wanted))


def range_pattern(low: int, high: int | None) -> str:
    """Return the expression for decimal numbers, without leading zeros, in an inclusive range.

    Args:
        low: 0 or more.
        high: `low` or more; None means no end.
    """
    terms: list[str] = []
    longest = len(str(low if high is None else high))
    for length in range(len(str(low)), longest + 1):
        first = max(low, 10 ** (length - 1) if length > 1 else 0)
        last = 10**length - 1 if high is None else min(high, 10**length - 1)
        terms.extend(_between(str(first), str(last)))
    if high is None:
        terms.append(f"[1-9][0-9]{{{longest},}}")
    return "|".join(terms)


def _terms(wanted: Sequence[bool]) -> list[str]:
    """Return one term per group of digits whose subtrees want the same."""
    if len(wanted) == 1:
        return [""] if wanted[0] else []
    size = len(wanted) // 10
    children = [_terms(wanted[i * size : (i + 1) * size]) for i in range(10)]
    if all(child == children[0] for child in children):
        return [f".{term}" for term in children[0]]
    return [
        _digits([digit for digit, _ in run]) + term
        for child, run in _runs(children)
        for term in child
    ]


def _runs(children: list[list[str]]) -> list[tuple[list[str], list[tuple[int, list[str]]]]]:
    return [(child, list(run)) for child, run in groupby(enumerate(children), key=_second)]


def _second(pair: tuple[int, list[str]]) -> list[str]:
    return pair[1]


def _digits(digits: Sequence[int]) -> str:
    first, last = digits[0], digits[-1]
    return str(first) if first == last else f"[{first}-{last}]"


def _between(first: str, last: str) -> list[str]:
    """Return terms for numbers of one length, first..last inclusive."""
    if first == last:
        return [first]
    head, a, b = 0, int(first[0]), int(last[0])
    if len(first) == 1:
        return [_digits(range(a, b + 1))]
    if a == b:
        return [first[head] + term for term in _between(first[1:], last[1:])]
    rest = len(first) - 1
    terms: list[str] = []
    if first[1:] != "0" * rest:
        terms.extend(first[0] + term for term in _between(first[1:], "9" * rest))
        a += 1
    tail: list[str] = []
    if last[1:] != "9" * rest:
        tail = [last[0] + term for term in _between("0" * rest, last[1:])]
        b -= 1
    if a <= b:
        terms.append(_digits(range(a, b + 1)) + "[0-9]" * rest)
    return terms + tail
