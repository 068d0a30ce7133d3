"""Rankings: who spent most, as rows for people and programs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from tokenfleet.domain.spending.prices import Place
from tokenfleet.domain.spending.summary import Spending, Summary, added, merged, rank

By = Literal["user", "feature", "type", "route"]
"""What rows are about."""

NO_USER: Final = "(no user named)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One name and what it spent."""

    name: str
    requests: int
    """Answered requests."""
    prompt_tokens: int
    cached_prompt_tokens: int
    completion_tokens: int
    cost: float
    """In the currency of the pools' prices."""
    part: float
    """Of the cost of all, 0 to 1; of the tokens where nothing has a price."""
    unseen_tokens: int = 0
    """Tokens that it used besides, at most; only users have any."""
    unseen_cost: float = 0.0
    """Money for those, at most."""


def ranked(summary: Summary, *, total: Spending | None = None) -> tuple[Row, ...]:
    """Return a row for each name, the dearest first.

    Args:
        summary: what names spent.
        total: what all spent together, for `part`; None: the sum of the names.
    """
    whole = total if total is not None else added(summary.names.values())
    by_cost = whole.cost > 0
    return tuple(
        _row(name, spent, spent.cost / whole.cost if by_cost else _ratio(spent, whole))
        for name, spent in sorted(summary.names.items(), key=rank)
    )


def by_label(spent: Iterable[tuple[Place, Spending]], by: By) -> Summary:
    """Add up label sets by one of their labels."""
    label = {"feature": "feature", "type": "request_type", "route": "route"}[by]
    return merged(Summary({getattr(place, label): one}) for place, one in spent)


def by_user(routes: Mapping[str, Summary]) -> Summary:
    """Add up users over routes."""
    return merged(routes.values())


def _ratio(spent: Spending, whole: Spending) -> float:
    return spent.tokens / whole.tokens if whole.tokens > 0 else 0.0


def _row(name: str, spent: Spending, part: float) -> Row:
    usage = spent.usage
    return Row(
        name=name or NO_USER,
        requests=round(usage.requests),
        prompt_tokens=round(usage.prompt),
        cached_prompt_tokens=round(usage.cached),
        completion_tokens=round(usage.completion),
        cost=spent.cost,
        part=part,
        unseen_tokens=round(spent.unseen),
        unseen_cost=spent.unseen_cost,
    )
