"""The input and the output of one transition of the control state machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from tokenfleet.domain.slo.control.cost_ledger import Purse
from tokenfleet.domain.slo.control.memory import State
from tokenfleet.domain.slo.objectives.spec import Policy
from tokenfleet.domain.slo.observation.evidence import Trigger

TRIAL: Final = 0.1
"""Part of the primary's baseline with which a fallback that was found bad is tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standby:
    """The fallback that would take, or takes, the rest."""

    pool: str
    ready: int
    bad: bool
    """It is bad, and more so than the primary."""
    full: str = ""
    """Why its engines can take no more, by their own word (saturation.py); empty where they can."""
    least_kept: float | None
    """Least w that it can bear (g); None where its capacity is unknown."""
    least_declared: float = 0.0
    """The same by its declared capacity alone; 0 where none was declared."""
    rate: float = 0.0
    """Requests per second of each ready replica that all rules together send there now."""
    used: float = 0.0
    """Part of the primary's baseline that it gets now; 0..1."""
    worse: Trigger | None = None
    """The proof of that, where it is in use."""
    worse_than_left: bool = False
    """It is provably worse than the primary was when it was left."""
    easy: bool = False
    """What it gets is little for it: at most a quarter of its capacity, or engines do not queue."""
    queueing: bool = False
    """Its engines say that requests wait."""
    trial: bool = False
    """It was found bad before, long enough ago to be tried with a little."""
    hourly: float | None = 0.0
    """Money per hour if it got the whole baseline, as far as a limit is set on that: 0 where none
    is, infinite where it has no prices, None where nobody can say (cost_ledger.py)."""

    @property
    def ok(self) -> bool:
        """Tell whether more may be sent there."""
        return self.ready > 0 and not self.bad and not self.full

    @property
    def room(self) -> float:
        """Return the largest part of the primary's baseline that it may get; 0..1."""
        if self.ready == 0:
            return 0.0
        if not self.ok:  # what it has is not taken back because of that
            return self.used
        fits = 1.0 if self.least_kept is None else 1.0 - self.least_kept
        return min(fits, max(TRIAL, self.used)) if self.trial else fits

    def buys(self, money: float) -> float:
        """Return the part of the primary's baseline that money per hour pays for; at least 0.

        Where nobody can say what it costs, that is what it has.
        """
        if self.hourly is None:
            return self.used
        return money / self.hourly if self.hourly > 0 else 1.0


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
    chain: tuple[Standby, ...] = ()
    """The fallbacks of the rule, in its order."""
    age: timedelta = timedelta(0)
    """How long the present share has been in effect; `EVER` where it never changed."""
    breach: Trigger | None = None
    """The proof that the primary is bad, out of the blue."""
    still_bad: Trigger | None = None
    """The proof that it is bad at the present share."""
    judged: timedelta = timedelta(0)
    """The longest window that was judged in this tick, by every objective that sees."""
    well_for: timedelta = timedelta(0)
    """For how long it is proven well at the present share; 0: it is not."""
    doubtful: bool = False
    """It shows signs of being bad at the present share."""
    longest: timedelta = timedelta(hours=2)
    """The longest window of evidence."""
    fallback_helps: bool = True
    """The fallbacks in use seem better than the primary, or have not been seen yet."""
    idle: bool = False
    """The rule as a whole has no traffic."""
    purse: Purse | None = None
    """What may be spent at External pools; None: nothing limits it."""

    @property
    def ok(self) -> bool:
        """Tell whether any fallback may get more."""
        return any(standby.ok and self.spare(standby) > 0 for standby in self.chain)

    def spare(self, standby: Standby) -> float:
        """Return the part of the baseline that a fallback may get beyond what it has."""
        more = standby.room - standby.used
        if self.purse is None or standby.hourly == 0:
            return more
        return min(more, standby.buys(self.purse.left)) if standby.hourly is not None else 0.0

    @property
    def serving(self) -> tuple[Standby, ...]:
        """Return the fallbacks with ready replicas."""
        return tuple(standby for standby in self.chain if standby.ready > 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What a transition does to a loop."""

    name: str
    w: float
    state: State
    trigger: Trigger | None = None
    pool: str = ""
    """The pool it is about."""
    parts: Mapping[str, int] | None = None
    """Fallback -> thousandths of the baseline; None: the rest goes to those who have it now."""
    note: str = ""
    """What the numbers do not say."""
    changes: dict[str, Any] = field(default_factory=dict)
    """Further fields of the memory."""
