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

Two more draws test single assumptions: `poor_fallback` and `overstated`.

Square-root staffing keeps the ordinary load one that the primary really bears: small pools queue at
utilisations that large ones do not notice.
"""

import math
from dataclasses import replace
from random import Random
from typing import Final

from tokenfleet.simulation.fleet import Scenario, chat, promise
from tokenfleet.simulation.pools import Overload, Pool
from tokenfleet.simulation.profiles import Course, Episode, Fault, Kind, Profile, constant
from tokenfleet.simulation.scenarios import BY_NAME

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
    rate, faults = _trouble(random, cause, ordinary, capacity, end)
    ratio, declared = random.uniform(0.4, 1.5), random.choice((0.0, 0.5, 1.0, 2.0))
    words = "unknown" if not declared else f"declared {declared:g}x"
    fallback = replace(like, servers=max(4, round(servers * ratio)), declared=declared)
    pools = {"primary": like, "fallback": fallback}
    return Scenario(
        name=f"draw {number}",
        says=f"{cause}; {servers} x {mean:.1f} s, fallback {ratio:.2f}x, {words}",
        seconds=SECONDS,
        streams=(chat(rate, pools),),
        pools=pools,
        faults=faults,
        objectives=(promise(threshold=threshold),),
        fault_at=BEGIN,
        acknowledge_after=random.uniform(0.5, 10.0),
    )


def _trouble(
    random: Random, cause: str, ordinary: float, capacity: float, end: float
) -> tuple[Profile, tuple[Fault, ...]]:
    """Return the rate, and what is wrong with the primary."""
    height = random.uniform(1.1, 2.0) * capacity
    if cause in {"surge", "overload"}:
        lasts = end - BEGIN if cause == "surge" else math.inf
        return Course(base=ordinary, episodes=((Episode(start=BEGIN, lasts=lasts), height),)), ()
    when = Episode(start=BEGIN, lasts=end - BEGIN)
    if cause == "slowness":
        fault = Fault(pool="primary", kind=Kind.SLOW, when=when, factor=random.uniform(2.5, 8.0))
        return constant(ordinary), (fault,)
    if cause == "errors":
        fault = Fault(pool="primary", kind=Kind.ERRORS, when=when, factor=random.uniform(0.3, 1.0))
        return constant(ordinary), (fault,)
    crest = random.uniform(0.95, 1.1) * capacity
    middle, swing = (ordinary + crest) / 2, abs(crest - ordinary) / 2
    return lambda t: middle - swing * math.cos(2 * math.pi * t / 1800), ()


def poor_fallback(number: int) -> Scenario:
    """Return a fleet whose primary is late for a while, and whose fallback is no better.

    The primary: 10 to 50 % late for 2 of 4 hours. The fallback: 30 to 100 % late or failing, all
    the time. 0.05 to 3 requests per second, evenly on a logarithmic scale.
    """
    random = Random(f"poor fallback {number}")  # noqa: S311 - a model, not a secret
    rate = 0.05 * 60 ** random.random()
    wrong, theirs = random.uniform(0.1, 0.5), random.uniform(0.3, 1.0)
    kind = random.choice((Kind.LATE, Kind.ERRORS))
    pools = {"primary": Pool(), "fallback": Pool()}
    return Scenario(
        name=f"poor fallback {number}",
        says=f"{rate:.2f}/s, primary {wrong:.0%} late, fallback {theirs:.0%} {kind.lower()}",
        seconds=4 * 3600,
        streams=(chat(constant(rate), pools),),
        pools=pools,
        faults=(
            Fault(
                pool="primary",
                kind=Kind.LATE,
                when=Episode(start=3600.0, lasts=7200.0),
                factor=wrong,
            ),
            Fault(pool="fallback", kind=kind, when=Episode(start=0.0), factor=theirs),
        ),
        objectives=(promise(),),
        fault_at=3600.0,
    )


def overstated(number: int) -> Scenario:
    """Return a surge whose fallback is declared twice as large as it is, under drawn assumptions.

    How both pools slow down when more comes than they bear, when clients give up, whether engines
    notice that, whether engines say how many requests wait, and how large the fallback really is:
    0.4 to 0.8 of the primary. The rest is scenario H.
    """
    random = Random(f"overstated {number}")  # noqa: S311 - a model, not a secret
    overload = random.choice(tuple(Overload))
    patience = random.choice((20.0, 60.0, 120.0, math.inf))
    speaks, notices = random.choice((True, False)), random.choice((True, False))
    ratio = random.uniform(0.4, 0.8)
    surge = BY_NAME["H"]
    pools = {
        name: replace(pool, overload=overload, speaks=speaks, notices=notices)
        for name, pool in surge.pools.items()
    }
    servers = round(ratio * pools["primary"].servers)
    return replace(
        surge,
        name=f"overstated {number}",
        says=f"{overload}, fallback {ratio:.2f}x, patience {patience:g} s, abandoned requests"
        f" {'dropped' if notices else 'served'}, engines {'speak' if speaks else 'silent'}",
        pools={**pools, "fallback": replace(pools["fallback"], servers=servers)},
        patience=patience,
    )
