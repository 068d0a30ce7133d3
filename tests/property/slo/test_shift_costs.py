"""What shifts cost per hour never exceeds its limit, whatever a fleet does, by more than one tick."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.unit.domain.slo.builders import RULE, Fleet, cell, facts, level, objective, target, used
from tokenfleet.domain.slo.engine import Outcome
from tokenfleet.domain.slo.objectives.spec import Level
from tokenfleet.domain.slo.observation.measurement import PoolFacts, TokenPrices
from tokenfleet.simulation.run import decider, run
from tokenfleet.simulation.scenarios import WORLDS

PRICES = TokenPrices(0.001, 0.001, 0.002, 0.001)
HOUR = 3600

TICKS = st.lists(
    st.fixed_dictionaries(
        {
            "demand": st.sampled_from([0.0, 0.5, 4.0, 4.3, 8.0, 40.0]),
            "bad": st.sampled_from([0.0, 0.3, 1.0]),
            "tokens": st.sampled_from([5, 10, 30]),
            "large": st.integers(0, 2),
            "small": st.integers(0, 1),
            "ticks": st.sampled_from([1, 4, 12]),
        }
    ),
    min_size=1,
    max_size=8,
)


def paid(limit: float, fallbacks: tuple[str, ...], kinds: tuple[Level, ...] = ()) -> Fleet:
    pools = {
        **facts(),
        "team-a/twin": PoolFacts(ready=1, desired=1, capacity=100.0),
        "team-a/cloud": PoolFacts(ready=1, desired=1, tokens=PRICES, external=True),
        "team-a/other": PoolFacts(ready=1, desired=1, tokens=PRICES, external=True),
    }
    return Fleet(
        rules=(target(backends={"large": 3, "twin": 1}, fallbacks=fallbacks),),
        objectives=(objective(max_cost_per_hour=limit),),
        levels=tuple(level("caching", kind, 0.5, max_cost_per_hour=limit) for kind in kinds),
        pools=pools,
    )


def spent(made: Fleet, demand: float, tokens: int) -> float:
    """Per hour, by what the loops remember; shares are rounded to whole buckets."""
    memory = made.memory[str(RULE)]
    parts = {pool: memory.kept(pool).spread for pool in ("large", "twin")}
    weights = {"large": 0.75, "twin": 0.25}
    moved = sum(
        weights[pool] * part / 1000
        for pool, spread in parts.items()
        for name, part in spread.items()
        if name in {"cloud", "other"}
    )
    return moved * demand * HOUR * tokens * PRICES.prompt


def seen(made: Fleet, world: dict) -> Outcome:
    demand, bad = world["demand"], world["bad"]
    pools = dict(made.pools)
    for name in ("large", "small"):
        pools[f"team-a/{name}"] = replace(pools[f"team-a/{name}"], ready=world[name])
    made.pools = pools
    made.usage = (
        used("large", 4, prompt=world["tokens"]),
        used("cloud", 1, prompt=world["tokens"]),
    )
    made.now += made.tick
    rate = max(demand, 0.01)
    cells = (
        cell("large", rate * 0.75, bad),
        cell("twin", rate * 0.25, bad),
        cell("cloud", rate, 0.0),
    )
    return made.step(made.measured(*cells, demand=demand))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    limit=st.sampled_from([1.0, 40.0, 200.0]),
    fallbacks=st.sampled_from([("cloud",), ("cloud", "small"), ("small", "cloud", "other")]),
    kinds=st.sampled_from([(), (Level.CACHE,)]),
    worlds=TICKS,
)
@example(
    limit=40.0,
    fallbacks=("cloud", "small"),
    kinds=(),
    worlds=[
        {"demand": 4.0, "bad": 1.0, "tokens": 10, "large": 2, "small": 1, "ticks": 30},
        {"demand": 40.0, "bad": 1.0, "tokens": 30, "large": 0, "small": 0, "ticks": 8},
    ],
)
def test_after_every_tick_what_is_shifted_costs_at_most_the_limit(
    limit: float, fallbacks: tuple[str, ...], kinds: tuple[Level, ...], worlds: list[dict]
) -> None:
    made = paid(limit, fallbacks, kinds)
    for world in worlds:
        for _ in range(world["ticks"]):
            outcome = seen(made, world)

            money = spent(made, world["demand"], world["tokens"])
            assert money <= limit * (1 + 1e-6)
            told = outcome.slos["team-a/latency"].shift_cost
            assert told is not None
            assert told.per_hour <= limit * (1 + 1e-6)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    limit=st.sampled_from([10.0, 40.0]),
    first=st.sampled_from([1.0, 4.0]),
    then=st.floats(0.5, 40.0),
)
def test_demand_that_stays_makes_the_loop_give_back_once(
    limit: float, first: float, then: float
) -> None:
    made = paid(limit, ("cloud",))
    world = {"demand": first, "bad": 1.0, "tokens": 10, "large": 2, "small": 1}
    for _ in range(20):
        seen(made, world)
    before = len(made.transitions)
    for _ in range(60):
        seen(made, {**world, "demand": then})
    gave = [taken for taken in made.decisions[before:] if taken.decision.transition == "T13"]

    assert len({taken.primary for taken in gave}) == len(gave)


def test_a_provider_stands_in_for_no_more_than_it_may_cost() -> None:
    """Demand is known as a mean over three minutes, and a decision takes a scrape and a tick more."""
    scenario = replace(WORLDS["paid-fallback"], seconds=4500)
    limit = scenario.objectives[0].max_cost_per_hour
    prices = scenario.pools["provider"].prices
    assert limit is not None
    assert prices is not None
    each = 1000 * prices.prompt + 250 * prices.completion
    made = run(scenario, decider("ours", scenario), seed=0)
    (lane,) = made.lanes

    def share(minute: int) -> float:
        return [parts["provider"] for at, parts in lane.shares if at <= minute * 60][-1]

    def hourly(minute: int) -> float:
        requests = sum(n for n, _ in lane.minutes[minute - 3 : minute])
        return share(minute) * requests / 180 * HOUR * each

    costs = [hourly(minute) for minute in range(3, len(lane.minutes))]
    demand = max(sum(n for n, _ in lane.minutes[m - 3 : m]) for m in range(3, len(lane.minutes)))

    assert demand / 180 * HOUR * each > 1.8 * limit, "all of it would cost far too much"
    assert max(costs) <= 1.1 * limit
    assert max(costs) >= 0.8 * limit
    assert "T13" in {told.taken.decision.transition for told in made.told}
    assert scenario.objectives[0].windows.long == timedelta(minutes=3)
