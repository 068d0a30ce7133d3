"""What a load consists of, and the moments at which its requests are sent.

Open loop: arrivals are fixed in advance by rate, duration and seed, and never wait for answers; a
slow server gets the same load as a fast one (closed loops hide outages: "coordinated omission").
Pure: equal profiles give equal arrivals.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

LONGEST_SECONDS = 900.0
"""A load ends by itself after this long at most, whatever its profile says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One kind of request."""

    name: str
    """Sent in the header `x-tokenfleet-feature`."""
    rate: float
    """Requests per second."""
    request_type: str = "chat"
    prompt_words: int = 24
    max_tokens: int = 16
    stream: bool = True
    body: dict[str, Any] = field(default_factory=dict)
    """Further members of the request body."""
    headers: dict[str, str] = field(default_factory=dict)
    """Further headers of the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A whole load."""

    url: str
    """Base URL of the router, without a path."""
    model: str
    """Public model name."""
    features: tuple[Feature, ...]
    duration: float
    """Seconds during which requests are sent; cut to `LONGEST_SECONDS`."""
    arrivals: Literal["poisson", "fixed"] = "poisson"
    conversations: int = 500
    """Different values of `prompt_cache_key` per feature; 0 sends none."""
    request_timeout: float = 60.0
    """Seconds after which a request without an end counts as failed."""
    drain: float = 30.0
    """Seconds that running requests get after the last one was sent; then they are cancelled."""
    max_in_flight: int = 256
    """Bound: an arrival that finds as many under way is recorded as `unsent`."""
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One request that is to be sent."""

    at: float
    """Seconds after the start."""
    feature: Feature
    conversation: str
    """Value of `prompt_cache_key`; empty sends none."""
    number: int
    """Position in its feature, from 0."""


def to_json(profile: Profile) -> str:
    """Write a profile for the pod."""
    return json.dumps(asdict(profile), sort_keys=True)


def from_json(text: str) -> Profile:
    """Read what `to_json` wrote."""
    data = json.loads(text)
    data["features"] = tuple(Feature(**feature) for feature in data["features"])
    return Profile(**data)


def arrivals(profile: Profile) -> list[Arrival]:
    """Return all requests of the load, by time."""
    merged = [arrival for feature in profile.features for arrival in _of(feature, profile)]
    return sorted(merged, key=lambda arrival: (arrival.at, arrival.feature.name))


def _of(feature: Feature, profile: Profile) -> Iterator[Arrival]:
    dice = random.Random(f"{profile.seed}/{feature.name}")
    end = min(profile.duration, LONGEST_SECONDS)
    at, number = 0.0, 0
    while feature.rate > 0:
        gap = 1 / feature.rate
        at += dice.expovariate(feature.rate) if profile.arrivals == "poisson" else gap
        if at >= end:
            return
        talk = dice.randrange(profile.conversations) if profile.conversations else None
        name = "" if talk is None else f"{feature.name}-{talk}"
        yield Arrival(at=at, feature=feature, conversation=name, number=number)
        number += 1


WORDS = ("the", "fleet", "serves", "a", "token", "and", "then", "one", "more", "while", "traffic",
         "moves", "slowly", "between", "pools", "of", "models", "that", "answer", "people")  # fmt: skip


def prompt(arrival: Arrival) -> str:
    """Return a prompt that differs from request to request, so that caches do not answer it."""
    dice = random.Random(f"{arrival.feature.name}/{arrival.number}")
    return " ".join(dice.choice(WORDS) for _ in range(arrival.feature.prompt_words))


def body(arrival: Arrival, model: str) -> dict[str, Any]:
    """Return the JSON body of one chat completion request."""
    feature = arrival.feature
    request: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": prompt(arrival)}],
        "max_tokens": feature.max_tokens,
        "stream": feature.stream,
        **feature.body,
    }
    if feature.stream:
        request["stream_options"] = {"include_usage": True}
    if arrival.conversation:
        request["prompt_cache_key"] = arrival.conversation
    return request
