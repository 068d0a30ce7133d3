"""The scenarios: what goes wrong in fleets, small enough to be understood one by one."""

import math
from typing import Final

from tokenfleet.simulation.fleet import Pool, Scenario, constant, during

HOUR: Final = 3600

BIG: Final = Pool(servers=96)
SMALL: Final = Pool(servers=51)
"""0.8 of the primary."""

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
        blind=(2100, 2700),
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
)
