"""What a TokenSLO can promise: latency, errors, cost, caching."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, ClassVar, Final, Literal

from tokenfleet.api.conventions import CEL, Member, Model, Union
from tokenfleet.api.ladder import LADDER_MILLISECONDS
from tokenfleet.api.quantities import Duration, Fraction, PositiveDecimal

_LADDER_CEL: Final = "[" + ", ".join(f"duration('{ms}ms')" for ms in LADDER_MILLISECONDS) + "]"


class LatencyObjective(Model):
    """A target fraction of attempts must stay within a threshold; failed ones count as too slow."""

    signal: Literal["TimeToFirstToken", "EndToEnd", "TimePerOutputToken"] = "TimeToFirstToken"
    """What is timed. TimeToFirstToken: streams only, from the end of the request to the first
    token; seen while the answer still runs, so prefer it for shifting. EndToEnd: the whole attempt,
    streamed or not; seen when it has ended. TimePerOutputToken: the rest of a stream divided by its
    tokens. Where clients do not stream, use EndToEnd."""
    threshold: Annotated[
        Annotated[timedelta, Duration("5ms", "10m")],
        CEL(
            rule=f"{_LADDER_CEL}.exists(b, b == duration(self))",
            message="must be one of the histogram boundaries "
            + ", ".join(
                f"{ms}ms" if ms < 1000 or ms % 1000 else f"{ms // 1000}s"  # noqa: PLR2004
                for ms in LADDER_MILLISECONDS
            ),
        ),
    ]
    """Longest time that is good, for example `500ms`. It must be a boundary of the histogram, so
    that the fraction is exact; the message of a refusal lists them."""
    target: Annotated[Decimal, Fraction("0.5", "0.9999")]
    """Fraction of attempts that must be within the threshold, for example `0.95`."""


class ErrorRateObjective(Model):
    """At most a fraction of attempts may fail.

    Server errors, throttling, refused connections, timeouts and broken streams are failures;
    errors of the client and attempts that it gave up are not counted at all.
    """

    max: Annotated[Decimal, Fraction("0.0001", "0.5")]
    """Largest fraction of failed attempts, for example `0.01` for 1 %."""


class CostObjective(Model):
    """The mean cost of a request, over all requests that the target and the selector name."""

    max: PositiveDecimal
    """Largest mean cost of one request, in the currency of the pools' prices, for example `0.01`.
    For one limit per feature, make one TokenSLO per feature."""


class SpendObjective(Model):
    """The money of all requests that the target and the selector name, in each hour or day (UTC).

    It is judged by its forecast: what was spent since the hour or day began, and what the rest will
    cost at the rate of the last window.
    """

    max: PositiveDecimal
    """Most money for one hour or day, in the currency of the pools' prices, for example `200`."""
    per: Literal["Hour", "Day"] = "Day"
    """What the money is for: an hour, or a day from 00:00 UTC."""


class CacheHitObjective(Model):
    """The part of prompt tokens that came from the prefix cache."""

    min: Annotated[Decimal, Fraction("0.01", "0.99")]
    """Smallest part of prompt tokens that was cached, for example `0.70`."""


class FastPathObjective(Model):
    """The part of the route's requests that the rule of `targetRef.sectionName` takes.

    Of the requests that the selector names, over an hour. No shift changes which rule takes a
    request, so this objective only alerts.
    """

    min: Annotated[Decimal, Fraction("0.01", "0.99")]
    """Smallest part of the route's requests that takes this path, for example `0.80`."""


class Objective(Union):
    """What is promised."""

    members: ClassVar[Mapping[str, Member]] = {
        "latency": Member(chosen_by=("Latency",)),
        "errorRate": Member(chosen_by=("ErrorRate",)),
        "costPerRequest": Member(chosen_by=("CostPerRequest",)),
        "spend": Member(chosen_by=("Spend",)),
        "cacheHitRate": Member(chosen_by=("CacheHitRate",)),
        "fastPathShare": Member(chosen_by=("FastPathShare",)),
    }

    type: Literal[
        "Latency", "ErrorRate", "CostPerRequest", "Spend", "CacheHitRate", "FastPathShare"
    ]
    """Kind of objective; the member of the same name counts."""
    latency: LatencyObjective | None = None
    """A latency objective."""
    error_rate: ErrorRateObjective | None = None
    """An error objective. Less load does not cure errors, so a shift moves all traffic but
    `primaryFloor` at once."""
    cost_per_request: CostObjective | None = None
    """A cost objective. Needs `price` on the pools; shifts in steps of 0.1, and only where every
    backend and fallback of the rule has token prices."""
    spend: SpendObjective | None = None
    """An objective about money by the hour or day. It needs prices, and shifts while the forecast
    is above the limit, in the same steps as a cost objective."""
    cache_hit_rate: CacheHitObjective | None = None
    """A cache objective. It should seldom shift: conversations that move start with a cold cache,
    so a shift lowers the hit rate."""
    fast_path_share: FastPathObjective | None = None
    """An objective about how much of the route takes one path. Only alerts."""
