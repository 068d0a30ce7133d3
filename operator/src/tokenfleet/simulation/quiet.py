"""Fleets in which nothing happens, for weeks: attempts drawn by the scrape, without a queue.

What is tested is luck, not load. Good and bad attempts of independent clients are two Poisson
processes, so one draw of each per scrape is exact, whatever the rate: 30 days at 8/s are a few
hundred thousand draws and not twenty million requests.
"""

import math
from random import Random
from typing import Final

from tokenfleet.simulation.fleet import PRIMARY, RULE, Scenario, chat, promise
from tokenfleet.simulation.policies import Ours, Shares
from tokenfleet.simulation.pools import Pool
from tokenfleet.simulation.profiles import constant
from tokenfleet.simulation.scrapes import Store

DAY: Final = 86_400
QUICK: Final = 0.07
CORNER: Final = 0.013
"""Limits of algorithm PTRS: where to accept at once, and where to reject at once."""
SMALL: Final = 10.0
"""Mean below which multiplying uniforms is quicker than rejecting."""


def false_shifts(
    rate: float,
    bad: float,
    *,
    days: float,
    seed: int,
    target: float = 0.95,
    scrape: float = 15.0,
) -> list[tuple[float, str]]:
    """Return (second, transition) of all that the engine did; should be nothing.

    Args:
        rate: requests per second.
        bad: fraction of attempts on the primary that are bad, all the time; none on the fallback.
        days: how long.
        seed: equal seeds, equal fleets.
        target: fraction of good attempts that is promised.
        scrape: seconds between scrapes, and between decisions.
    """
    random = Random(f"quiet {rate} {bad} {seed}")  # noqa: S311 - a model, not a secret
    pools = {PRIMARY: Pool(), "fallback": Pool(servers=96)}
    scenario = Scenario(
        name="quiet",
        says="nothing happens",
        seconds=int(days * DAY),
        streams=(chat(constant(rate), pools),),
        pools=pools,
        objectives=(promise(target=target),),
    )
    store = Store.of(scenario.objectives, {RULE: tuple(pools)}, scrape)
    store.lag, store.ready = 0.0, dict.fromkeys(pools, 1)
    chooser, t = Ours(scenario), 0.0
    shares: Shares = {RULE: {PRIMARY: 1.0, "fallback": 0.0}}
    while t < scenario.seconds:
        t += scrape
        for line, book in store.books.items():
            attempts = rate * scrape * shares[RULE][line.pool]
            part = bad if line.pool == PRIMARY else 0.0
            book.add(int(t), 0, poisson(random, attempts * (1 - part)))
            book.add(int(t), 1, poisson(random, attempts * part))
        store.scrape(t)
        shares = chooser.decide(t + 1, store, shares)
    return [(told.at, told.taken.decision.transition) for told in chooser.told]


def poisson(random: Random, mean: float) -> int:
    """Draw from a Poisson distribution in constant time.

    Small means by multiplying uniforms (Knuth), others by transformed rejection: W. Hoermann, "The
    transformed rejection method for generating Poisson random variables", 1993, algorithm PTRS.
    """
    if mean < SMALL:
        limit, product, count = math.exp(-mean), random.random(), 0
        while product > limit:
            product *= random.random()
            count += 1
        return count
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    v_r = 0.9277 - 3.6224 / (b - 2)
    while True:
        u, v = random.random() - 0.5, random.random()
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + mean + 0.43) if us > 0 else -1
        if us >= QUICK and v <= v_r:
            return k
        if k < 0 or (us < CORNER and v > us):
            continue
        if math.log(v * inverse_alpha / (a / (us * us) + b)) <= (
            k * math.log(mean) - mean - math.lgamma(k + 1)
        ):
            return k
