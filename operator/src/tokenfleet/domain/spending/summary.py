"""Summaries: who used how much, with what is not known about each.

Routers keep the heaviest users in bounded memory (Space-Saving; Metwally, Agrawal, El Abbadi 2005;
`router-image/module/src/heavy_hitters.rs`). What a summary says of a name is what was seen of it,
and how much it can have used besides, unseen. Sums of summaries stay summaries: a name that one of
them does not have may have used up to that one's `unseen` (Agarwal et al., "Mergeable Summaries",
PODS 2012), so the error of a sum is the sum of the errors, N / k of all N tokens at most.

Where everything was counted (by feature, route ...) the same type holds with nothing unseen.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from tokenfleet.domain.slo.observation.measurement import Usage

NOTHING_USED = Usage()
MOST: Final = 1e18
"""More tokens, or more money, than anybody uses in a day."""


class Spending(NamedTuple):
    """What one name used."""

    usage: Usage = NOTHING_USED
    """What was seen of it."""
    cost: float = 0.0
    """Money, for what was seen."""
    unseen: float = 0.0
    """Tokens that it used besides, at most."""
    unseen_cost: float = 0.0
    """Money for those, at most."""

    def plus(self, other: "Spending") -> "Spending":
        """Add up."""
        return Spending(
            self.usage.plus(other.usage),
            self.cost + other.cost,
            self.unseen + other.unseen,
            self.unseen_cost + other.unseen_cost,
        )

    @property
    def tokens(self) -> float:
        """Return the tokens that were seen."""
        return self.usage.prompt + self.usage.completion


NOBODY = Spending()


@dataclass(frozen=True, slots=True)
class Summary:
    """What names used in one span of time."""

    names: Mapping[str, Spending] = field(default_factory=dict)
    rest: Spending = NOBODY
    """Bounds for each name that is not in `names`; its usage and cost are 0."""

    def of(self, name: str) -> Spending:
        """Return what a name used; what it can have used where it is not there."""
        return self.names.get(name, self.rest)


def merged(summaries: Iterable[Summary]) -> Summary:
    """Add up summaries of different traffic, or of different times; linear in their names."""
    rest, names, known = NOBODY, dict[str, Spending](), dict[str, Spending]()
    for summary in summaries:
        rest = rest.plus(summary.rest)
        for name, spent in summary.names.items():
            names[name] = names.get(name, NOBODY).plus(spent)
            # What a summary without this name would say of it: here it has the name.
            known[name] = known.get(name, NOBODY).plus(summary.rest)
    return Summary(
        {
            name: spent._replace(
                unseen=spent.unseen + max(0.0, rest.unseen - known[name].unseen),
                unseen_cost=spent.unseen_cost
                + max(0.0, rest.unseen_cost - known[name].unseen_cost),
            )
            for name, spent in sorted(names.items())
        },
        rest,
    )


def added(spendings: Iterable[Spending]) -> Spending:
    """Add up."""
    total = NOBODY
    for one in spendings:
        total = total.plus(one)
    return total


def larger(one: Summary, other: Summary) -> Summary:
    """Return what both say of the same traffic, where each may have missed a part of it."""
    names = sorted({*one.names, *other.names})
    return Summary(
        {
            name: max(
                (s.names[name] for s in (one, other) if name in s.names),
                key=lambda spent: (spent.tokens, spent.cost),
            )
            for name in names
        },
        max(one.rest, other.rest, key=lambda rest: rest.unseen),
    )


def amount(value: Any) -> float:
    """Read a count or an amount of money that somebody else wrote.

    Raises:
        ValueError, TypeError, OverflowError: it is none.
    """
    number = float(value)
    if not (math.isfinite(number) and 0 <= number <= MOST):
        msg = f"{value!r} is no amount"
        raise ValueError(msg)
    return number


def heaviest(summary: Summary, most: int) -> Summary:
    """Return a summary of at most `most` names: the dearest, then those with most tokens."""
    ranked = sorted(summary.names.items(), key=rank)
    gone = [spent for _, spent in ranked[most:]]
    rest = Spending(
        unseen=max([summary.rest.unseen, *(one.tokens + one.unseen for one in gone)]),
        unseen_cost=max([summary.rest.unseen_cost, *(one.cost + one.unseen_cost for one in gone)]),
    )
    return Summary(dict(ranked[:most]), rest)


def rank(item: tuple[str, Spending]) -> tuple[float, float, str]:
    """Return the sorting key of a name: the dearest first, then most tokens, then by name."""
    name, spent = item
    return (-spent.cost, -spent.tokens, name)
