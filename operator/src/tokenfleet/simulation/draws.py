"""Fresh draws: fleets that nobody tuned the loop for.

A number draws everything that the scenarios fix by hand:

    ==========================  =======================================================
    what                        range
    ==========================  =======================================================
    servers of the primary      16 to 128 sequences
    service time                mean servers/12 to 20 s (at most 12 requests/s), cv 0.2 to 1
    threshold                   1, 2.5 or 5 s; prefill a tenth to four tenths of it
    ordinary load               1 - c / sqrt(servers) of the capacity, c from 1.8 to 3
    fallback                    0.4 to 1.5 of the primary's servers
    declared capacity of it     unknown, half, right or twice
    cause                       a surge or an overload of 1.1 to 2 times what the primary bears,
                                slowness of 2.5 to 8, errors of 30 to 100 %, or a wave that crests
                                at 0.95 to 1.1 of what the primary bears
    how long                    10 to 40 min; overload and wave to the end
    acknowledgement             0.5 to 10 s
    ==========================  =======================================================

Square-root staffing keeps the ordinary load one that the primary really bears: small pools queue at
utilisations that large ones do not notice.
"""

import math
from dataclasses import replace
from random import Random
from typing import Final

from tokenfleet.simulation.fleet import ONE, ZERO, Pool, Profile, Scenario, constant, during

SECONDS: Final = 5400
BEGIN: Final = 1500.0
CAUSES: Final = ("surge", "overload", "slowness", "errors", "wave")


def drawn(number: int) -> Scenario:
    """Return the fleet of a number, and its trouble; equal numbers give equal fleets."""
    random = Random(f"draw {number}")  # noqa: S311 - a model, not a secret
    cause = CAUSES[number % len(CAUSES)]
    servers = random.randint(16, 128)
    mean = random.uniform(max(2.0, servers / 12), max(20.0, servers / 12))
    threshold = random.choice((1.0, 2.5, 5.0))
    like = Pool(
        servers=servers,
        mean_service=mean,
        spread=random.uniform(0.2, 1.0),
        prefill=threshold * random.uniform(0.1, 0.4),
    )
    capacity = like.capacity
    ordinary = capacity * (1 - random.uniform(1.8, 3.0) / math.sqrt(servers))
    end = BEGIN + 60 * random.uniform(10, 40)
    rate, slowness, errors = _trouble(random, cause, ordinary, capacity, end)
    ratio, declared = random.uniform(0.4, 1.5), random.choice((0.0, 0.5, 1.0, 2.0))
    words = "unknown" if not declared else f"declared {declared:g}x"
    return Scenario(
        name=f"draw {number}",
        says=f"{cause}; {servers} x {mean:.1f} s, fallback {ratio:.2f}x, {words}",
        seconds=SECONDS,
        rate=rate,
        primary=replace(like, slowness=slowness, errors=errors),
        fallback=replace(like, servers=max(4, round(servers * ratio))),
        threshold=threshold,
        fault_at=BEGIN,
        acknowledge_after=random.uniform(0.5, 10.0),
        capacity_error=declared,
    )


def _trouble(
    random: Random, cause: str, ordinary: float, capacity: float, end: float
) -> tuple[Profile, Profile, Profile]:
    """Return rate, slowness and errors."""
    height = random.uniform(1.1, 2.0) * capacity
    if cause == "surge":
        return during(BEGIN, end, height, ordinary), ONE, ZERO
    if cause == "overload":
        return during(BEGIN, SECONDS, height, ordinary), ONE, ZERO
    if cause == "slowness":
        return constant(ordinary), during(BEGIN, end, random.uniform(2.5, 8.0), 1.0), ZERO
    if cause == "errors":
        return constant(ordinary), ONE, during(BEGIN, end, random.uniform(0.3, 1.0), 0.0)
    crest = random.uniform(0.95, 1.1) * capacity
    return _wave(ordinary, crest), ONE, ZERO


def _wave(low: float, crest: float) -> Profile:
    middle, swing = (low + crest) / 2, abs(crest - low) / 2
    return lambda t: middle - swing * math.cos(2 * math.pi * t / 1800)
