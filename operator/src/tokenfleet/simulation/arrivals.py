"""Arrivals: when clients ask, alone or in conversations."""

import heapq
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from tokenfleet.simulation.fleet import Stream


class Request(NamedTuple):
    """One request that is about to be sent."""

    t: float
    stream: int
    again: int = 0
    """How often it was sent before."""
    place: float = -1.0
    """0..1, which pool its conversation is on; less than 0: its conversation is new."""
    fate: float | None = None
    """What its conversation shares; see `Queue.arrive`."""


def arrivals(number: int, stream: Stream, seconds: float, random: Random) -> Iterator[Request]:
    """Send requests: a Poisson process of a changing rate by thinning, each a conversation."""
    highest = max((stream.rate(t) for t in range(0, int(seconds), 10)), default=0.0) / stream.turns
    if highest <= 0:
        return
    turns: list[Request] = []
    rate, waited, drawn = stream.rate, random.expovariate, random.random
    t = waited(highest)
    while t < seconds:
        if drawn() * highest * stream.turns <= rate(t):
            request = Request(t, number)
            if stream.turns > 1:
                request = request._replace(place=random.random(), fate=random.random())
                turns += _further(request, stream, random)
                heapq.heapify(turns)
            while turns and turns[0].t <= t:
                yield heapq.heappop(turns)
            yield request
        t += waited(highest)


def _further(first: Request, stream: Stream, random: Random) -> Iterator[Request]:
    t = first.t
    for _ in range(stream.turns - 1):
        t += random.expovariate(1 / stream.gap)
        yield first._replace(t=t)
