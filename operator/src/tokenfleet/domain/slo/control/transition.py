"""The input and the output of one transition of the control state machine."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tokenfleet.domain.slo.control.memory import State
from tokenfleet.domain.slo.objectives.spec import Policy
from tokenfleet.domain.slo.observation.evidence import Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class Standby:
    """The fallback that would take, or takes, the rest."""

    pool: str
    ready: int
    bad: bool
    """Probed bad."""
    full: str = ""
    """Why its engines can take no more, by their own word (saturation.py); empty where they can."""
    least_kept: float | None
    """Least w that it can bear (g); None where its capacity is unknown."""
    rate: float = 0.0
    """Requests per second of each ready replica that all rules together send there now."""

    @property
    def ok(self) -> bool:
        """Tell whether more may be sent there."""
        return self.ready > 0 and not self.bad and not self.full


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopInput:
    """Everything one decision of one loop depends on."""

    now: datetime
    policy: Policy
    asked: bool
    """At least one objective asks for shifts, and control is not disabled."""
    voting: bool
    """At least one of those is heard (eligibility.py)."""
    known: bool
    """At least one vote can see."""
    all_known: bool
    """Every vote can see; otherwise w does not rise."""
    acknowledged_at: datetime | None
    """When all ready routers had the newest configuration; None: not yet."""
    ready: int
    """Ready replicas of the primary."""
    flow: float = 0.0
    """Requests per second that the weight as written asks of the primary; 0 where not measured."""
    standby: Standby | None
    """None: the rule has no fallback."""
    fast: Trigger | None = None
    slow: Trigger | None = None
    probe_bad: Trigger | None = None
    over_budget: Trigger | None = None
    healthy: bool = False
    """Every vote that sees says healthy."""
    sufficient: bool = False
    """Every vote that sees has enough attempts."""
    fallback_suffers_more: bool = False
    """The fallback is bad, and provably more so than the primary is now."""
    idle: bool = False
    """The rule as a whole has no traffic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What a transition does to a loop."""

    name: str
    w: float
    state: State
    trigger: Trigger | None = None
    pool: str = ""
    """The pool it is about."""
    changes: dict[str, Any] = field(default_factory=dict)
    """Further fields of the memory."""
