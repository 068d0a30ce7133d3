"""Prices of a pool, by tokens or by replicas and time; one currency per install."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from tokenfleet.api.conventions import Member, Model, Union
from tokenfleet.api.quantities import Price


class TokenPrices(Model):
    """Prices of a million tokens."""

    prompt: Price
    """Prompt tokens that were not cached."""
    cached_prompt: Price | None = None
    """Prompt tokens that were cached; absent means the price of the others."""
    cache_write: Price | None = None
    """Prompt tokens that are written to a cache which is paid for (Anthropic's); absent means the
    price of the others."""
    completion: Price
    """Tokens of the answer."""


class PoolPrice(Union):
    """What the pool costs, in the one currency of the install."""

    members: ClassVar[Mapping[str, Member]] = {
        "perReplicaHour": Member(chosen_by=("PerReplicaHour",)),
        "perMillionTokens": Member(chosen_by=("PerMillionTokens",)),
    }

    type: Literal["PerReplicaHour", "PerMillionTokens"]
    """Kind of price; the member of the same name counts. Only token prices can move traffic: with a
    price by the hour, each request costs more the fewer requests a pool has."""
    per_replica_hour: Price | None = None
    """Price of one replica for one hour."""
    per_million_tokens: TokenPrices | None = None
    """Prices of tokens."""
