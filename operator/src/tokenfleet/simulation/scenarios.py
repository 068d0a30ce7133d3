"""The scenarios: what goes wrong in fleets, small enough to be understood one by one.

A to I are the ordinary ones. J to M are the four that hurt this loop most, each for a reason:

- J, a common cause: both pools are slow, so every shift is a mistake that looks like a cure.
- K, a fault that comes and goes in the rhythm of the recovery: each probe meets the next fault.
- L, clients that ask again: what a shift relieves comes back as retries, on both pools.
- M, a fallback that dies in the middle of a surge, twice as busy as the primary ever was.

N to R add what real fleets add: an autoscaler that takes the idle primary away, the same one driven
by demand, caches that are cold after a shift, scrapes that are late, lost and answered late, and a
fallback that others use too: only its engines know how full it is.
"""

import math
from typing import Final, Literal

from tokenfleet.simulation.autoscaler import Autoscaler
from tokenfleet.simulation.fleet import Pool, Scenario, constant, during, on_and_off

HOUR: Final = 3600

BIG: Final = Pool(servers=96)
SMALL: Final = Pool(servers=51)
"""0.8 of the primary."""

_SURGE: Final = during(1800, 3600, 9.6, 6.4)
_FAILING: Final = during(1800, 5400, 0.9, 0.0)
"""An hour in which 9 of 10 first tokens are late whatever the load: time enough to scale down."""


def _scaled(driven_by: Literal["busyness", "demand"]) -> Pool:
    return Pool(replicas=8, late=_FAILING, autoscaler=Autoscaler(driven_by=driven_by))


SCENARIOS: Final[tuple[Scenario, ...]] = (
    Scenario(
        name="A",
        says="surge to 1.5x for 30 min, large fallback",
        seconds=2 * HOUR,
        rate=during(1800, 3600, 9.6, 6.4),
        primary=Pool(),
        fallback=BIG,
        fault_at=1800,
    ),
    Scenario(
        name="A'",
        says="the same surge, fallback of 0.8x",
        seconds=2 * HOUR,
        rate=during(1800, 3600, 9.6, 6.4),
        primary=Pool(),
        fallback=SMALL,
        fault_at=1800,
    ),
    Scenario(
        name="B",
        says="primary 5x slower for 20 min",
        seconds=2 * HOUR,
        rate=constant(3.2),
        primary=Pool(slowness=during(1800, 3000, 5.0, 1.0)),
        fallback=BIG,
        fault_at=1800,
    ),
    Scenario(
        name="C",
        says="1.1x of the primary for 4.5 h, small fallback",
        seconds=5 * HOUR,
        rate=during(1800, 5 * HOUR, 8.8, 6.4),
        primary=Pool(),
        fallback=Pool(servers=32),
        fault_at=1800,
    ),
    Scenario(
        name="D",
        says="77 to 99 % utilisation in waves of 1 h for 5 h, small fallback",
        seconds=5 * HOUR,
        rate=lambda t: 8 * (0.88 + 0.11 * math.sin(2 * math.pi * t / HOUR)),
        primary=Pool(),
        fallback=Pool(servers=32),
    ),
    Scenario(
        name="E",
        says="60 % errors for 15 min",
        seconds=2 * HOUR,
        rate=constant(4.0),
        primary=Pool(errors=during(1800, 2700, 0.6, 0.0)),
        fallback=BIG,
        fault_at=1800,
    ),
    Scenario(
        name="F",
        says="E, and Prometheus is out from its 5th to its 15th minute",
        seconds=2 * HOUR,
        rate=constant(4.0),
        primary=Pool(errors=during(1800, 2700, 0.6, 0.0)),
        fallback=BIG,
        fault_at=1800,
        blind=((2100, 2700),),
    ),
    Scenario(
        name="G",
        says="A, capacity of the fallback not declared",
        seconds=2 * HOUR,
        rate=during(1800, 3600, 9.6, 6.4),
        primary=Pool(),
        fallback=BIG,
        fault_at=1800,
        capacity_error=0.0,
    ),
    Scenario(
        name="H",
        says="A', fallback declared twice as large as it is",
        seconds=2 * HOUR,
        rate=during(1800, 3600, 9.6, 6.4),
        primary=Pool(),
        fallback=SMALL,
        fault_at=1800,
        capacity_error=2.0,
    ),
    Scenario(
        name="I",
        says="0.5 requests/s, 3 % bad all the time (inside the budget), 10 h",
        seconds=10 * HOUR,
        rate=constant(0.5),
        primary=Pool(late=constant(0.03)),
        fallback=BIG,
    ),
    Scenario(
        name="J",
        says="both pools 3x slower for 20 min, a common cause",
        seconds=2 * HOUR,
        rate=constant(4.8),
        primary=Pool(slowness=during(1800, 3000, 3.0, 1.0)),
        fallback=Pool(servers=48, slowness=during(1800, 3000, 3.0, 1.0)),
        fault_at=1800,
    ),
    Scenario(
        name="K",
        says="primary 4x slower for 8 of every 16 min over 4 h, in the rhythm of the recovery",
        seconds=5 * HOUR,
        rate=constant(4.8),
        primary=Pool(slowness=on_and_off(1800, 4.5 * HOUR, 960, 4.0, 1.0)),
        fallback=SMALL,
        fault_at=1800,
    ),
    Scenario(
        name="L",
        says="surge to 1.5x for 10 min, every bad answer is asked for again once",
        seconds=2 * HOUR,
        rate=during(1800, 2400, 9.6, 6.4),
        primary=Pool(),
        fallback=SMALL,
        retries=1,
        fault_at=1800,
    ),
    Scenario(
        name="M",
        says="A, and the fallback loses all replicas for 10 min in the middle",
        seconds=2 * HOUR,
        rate=_SURGE,
        primary=Pool(),
        fallback=Pool(servers=96, present=during(2400, 3000, 0.0, 1.0)),
        fault_at=1800,
    ),
    Scenario(
        name="N",
        says="primary late for an hour, its autoscaler driven by how busy it is",
        seconds=4 * HOUR,
        rate=constant(6.0),
        primary=_scaled("busyness"),
        fallback=BIG,
        fault_at=1800,
    ),
    Scenario(
        name="O",
        says="N, the autoscaler driven by the demand as if nothing were shifted",
        seconds=4 * HOUR,
        rate=constant(6.0),
        primary=_scaled("demand"),
        fallback=BIG,
        fault_at=1800,
    ),
    Scenario(
        name="P",
        says="A', conversations new to a pool take 1.6x as long",
        seconds=2 * HOUR,
        rate=_SURGE,
        primary=Pool(cold=1.6),
        fallback=Pool(servers=51, cold=1.6),
        fault_at=1800,
    ),
    Scenario(
        name="Q",
        says="A', scrapes up to 4 s off, 10 % lost, two outages of 2 min, routers 45 s late",
        seconds=2 * HOUR,
        rate=_SURGE,
        primary=Pool(),
        fallback=SMALL,
        fault_at=1800,
        blind=((1980, 2100), (3000, 3120)),
        dropped=0.1,
        jitter=0.27,
        acknowledge_after=45.0,
    ),
    Scenario(
        name="R",
        says="B, and the fallback is full of requests that no router knows of",
        seconds=2 * HOUR,
        rate=constant(4.8),
        primary=Pool(slowness=during(1800, 3000, 5.0, 1.0)),
        fallback=Pool(servers=48, others=constant(6.3)),
        fault_at=1800,
        capacity_error=0.0,
    ),
)

BY_NAME: Final = {scenario.name: scenario for scenario in SCENARIOS}
