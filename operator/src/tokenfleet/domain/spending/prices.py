"""From tokens to money: what a pool's answers cost in one span of time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from tokenfleet.domain.slo.observation.level_readings import cost
from tokenfleet.domain.slo.observation.measurement import PoolFacts, TokenPrices
from tokenfleet.domain.spending.summary import Spending, Summary


class Place(NamedTuple):
    """A label set of the routers' counters."""

    route: str
    rule: str
    pool: str
    feature: str
    request_type: str


@dataclass(frozen=True, slots=True)
class Rate:
    """What one pool's answers cost; without any member set they cost nothing that is known."""

    tokens: TokenPrices | None = None
    answer: float = 0.0
    """Money for each answer, of a pool whose replicas are paid by the hour."""
    token: float = 0.0
    """Money for each token of unknown kind, at most."""

    def of(self, spent: Spending) -> Spending:
        """Return what was used with its cost."""
        if self.tokens is not None:
            money = cost(spent.usage, self.tokens)
        else:
            money = self.answer * spent.usage.requests
        return spent._replace(cost=money, unseen_cost=self.token * spent.unseen)


def rates(
    places: Mapping[Place, Summary], facts: Mapping[str, PoolFacts], hours: float
) -> dict[str, Rate]:
    """Return pool -> rate.

    The price of replicas and hours is spread over the answers that were seen: idle hours are paid
    by those who used the others.

    Args:
        places: everything that was used in the span, by everybody.
        facts: pool -> what is known of it; its ready replicas are those of the whole span.
        hours: length of the span.
    """
    found = {}
    for pool in sorted({place.pool for place in places}):
        fact = facts.get(pool)
        if fact is None:
            found[pool] = Rate()
        elif fact.tokens is not None:
            found[pool] = Rate(tokens=fact.tokens, token=max(fact.tokens))
        else:
            mine = [summary for place, summary in places.items() if place.pool == pool]
            found[pool] = _by_answer((fact.hourly or 0.0) * fact.ready * hours, mine)
    return found


def _by_answer(money: float, summaries: Iterable[Summary]) -> Rate:
    spent = [one for summary in summaries for one in summary.names.values()]
    answers, tokens = sum(one.usage.requests for one in spent), sum(one.tokens for one in spent)
    return Rate(
        answer=money / answers if answers > 0 else 0.0, token=money / tokens if tokens > 0 else 0.0
    )


def priced(
    places: Mapping[Place, Summary], facts: Mapping[str, PoolFacts], hours: float
) -> dict[Place, Summary]:
    """Return the same with costs; see `rates`."""
    by_pool = rates(places, facts, hours)
    return {
        place: Summary(
            {name: by_pool[place.pool].of(spent) for name, spent in summary.names.items()},
            by_pool[place.pool].of(summary.rest),
        )
        for place, summary in places.items()
    }
