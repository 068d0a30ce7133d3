"""The sixteen faults of Failover Bench and what is asked of a router under each.

The catalogue is public: failoverbench/failoverbench, `scenarios/catalogue.yaml`, methodology v0.1.
Identifiers, limits and severities are its; a required check that fails is a failure, an advisory one
takes a rescue down to partial.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.bench.failover.caller import Outcome
from tests.bench.failover.wall import DOWN, Seen

FALLBACK: Final = "healthy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What caller and model server saw of one fault."""

    calls: tuple[Outcome, ...]
    """One, or those of a sequence."""
    sent: tuple[float, ...]
    """When each was sent, seconds from the first attempt's clock."""
    primary: tuple[Seen, ...]
    fallback: tuple[Seen, ...]
    alive: bool
    """Whether a healthy model answered afterwards."""

    @property
    def call(self) -> Outcome:
        """The call, or the last one."""
        return self.calls[-1]

    def within(self, seconds: float) -> int:
        """Attempts at the primary within that time of the first one."""
        return sum(seen.at - self.primary[0].at < seconds for seen in self.primary)

    @property
    def gap(self) -> float | None:
        """Seconds between the first two attempts at the primary."""
        return self.primary[1].at - self.primary[0].at if len(self.primary) > 1 else None

    @property
    def during(self) -> tuple[Outcome, ...]:
        """The calls that were sent while a flapping primary was down."""
        began = self.primary[0].at
        pairs = zip(self.calls, self.sent, strict=True)
        return tuple(call for call, sent in pairs if sent - began < DOWN)

    @property
    def recovered(self) -> float | None:
        """Seconds from the end of the outage to the primary's next good answer."""
        good = [seen.at for seen in self.primary if seen.said.startswith("200")]
        return min(good) - self.primary[0].at - DOWN if good else None


@dataclass(frozen=True, slots=True)
class Check:
    """One demand; `required`: a failure where it is not met."""

    name: str
    met: Callable[[Evidence], bool]
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One scenario."""

    id: str
    title: str
    model: str
    fallback: str = FALLBACK
    most: float
    """Seconds after which a call counts as hanging."""
    calls: int = 1
    every: float = 0.0
    """Seconds from call to call."""
    rescue: str = "answer"
    """answer: the whole answer; error: a clean error, since no model may answer."""
    checks: tuple[Check, ...] = ()


def attempts(most: int) -> Check:
    """Bound the attempts at the primary."""
    return Check(f"at most {most} attempts", lambda seen: len(seen.primary) <= most)


def once(*, required: bool = True) -> Check:
    """Ask for no repetition."""
    return Check("one attempt", lambda seen: len(seen.primary) == 1, required)


def again() -> Check:
    """Ask for a second attempt at the same provider."""
    return Check("same provider asked again", lambda seen: len(seen.primary) > 1, required=False)


def burst(most: int, seconds: float) -> Check:
    """Bound the attempts within some seconds."""
    return Check(f"at most {most} in {seconds:g} s", lambda seen: seen.within(seconds) <= most)


def took(most: float, *, required: bool = True) -> Check:
    """Bound the time of the call."""
    return Check(f"within {most:g} s", lambda seen: seen.call.seconds <= most, required)


USAGE: Final = Check("usage told", lambda seen: seen.call.usage, required=False)
ALIVE: Final = Check("alive afterwards", lambda seen: seen.alive)

FAULTS: Final = (
    Fault(
        id="S01", title="429 with Retry-After, once", model="limited-once", most=20,
        checks=(
            again(),
            Check("Retry-After honoured", lambda seen: (seen.gap or 0) >= 1.8, required=False),
            burst(2, 1.5),
        ),
    ),
    Fault(
        id="S02", title="429 without Retry-After", model="limited", most=40,
        checks=(burst(4, 3), attempts(6)),
    ),
    Fault(id="S03", title="500 once", model="fails-once", most=20, checks=(again(),)),
    Fault(id="S04", title="503 persistent", model="overloaded", most=40, checks=(attempts(6),)),
    Fault(id="S05", title="Reset before headers", model="resets-once", most=20),
    Fault(
        id="S06", title="No response at all", model="silent", most=130,
        checks=(took(100), once(required=False)),
    ),
    Fault(
        id="S07", title="Slow first token", model="slow", most=60,
        checks=(took(15, required=False),),
    ),
    Fault(id="S08", title="Stream cut", model="cut", most=40),
    Fault(id="S09", title="Stream stalls", model="stalled", most=70, checks=(took(45), ALIVE)),
    Fault(
        id="S10", title="Malformed event", model="malformed", most=30,
        checks=(ALIVE, Check("recovered", lambda seen: seen.call.complete, required=False)),
    ),
    Fault(
        id="S11", title="No [DONE]", model="without-done", most=30, checks=(took(8), USAGE)
    ),
    Fault(id="S12", title="Context length exceeded", model="too-long", most=20, checks=(once(),)),
    Fault(
        id="S13", title="Content filter", model="filtered", most=20, rescue="error",
        checks=(once(),),
    ),
    Fault(
        id="S14", title="Stream cut, fallback rejects prefill", model="cut-before-no-prefill",
        fallback="no-prefill", most=40,
        checks=(
            Check(
                "no prefill error as the end",
                lambda seen: seen.call.ended != "error"
                or not any(attempt.said == "400 prefill" for attempt in seen.fallback),
            ),
        ),
    ),
    Fault(
        id="S15", title="Down for a minute", model="flapping", most=30, calls=20, every=4,
        checks=(
            Check("served in the outage", lambda seen: all(c.ended == "answer" for c in seen.during)),
            Check("back within 30 s", lambda seen: seen.recovered is not None and seen.recovered <= 30),
        ),
    ),
    Fault(
        id="S16", title="Accounting of a failover", model="overloaded-counted", most=40,
        checks=(
            Check("the fallback's name", lambda seen: FALLBACK in (seen.call.model or "")),
            USAGE,
            attempts(6),
        ),
    ),
)  # fmt: skip
