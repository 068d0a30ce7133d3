"""TokenSLO: an objective for a rule's traffic, and what to do when it is missed.

Words as in the SRE workbook: an indicator (here: the fraction of attempts under a threshold), an
objective (its target), an error budget (1 - target) and a burn rate (bad fraction / budget).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from tokenfleet.api.conventions import (
    CEL,
    Count,
    Kind,
    ListAtomic,
    ListMap,
    ListSet,
    Member,
    MetricLabel,
    Model,
    ObjectName,
    Union,
    named,
)
from tokenfleet.api.quantities import Duration, Fraction, PositiveDecimal
from tokenfleet.api.v1alpha1 import columns
from tokenfleet.api.v1alpha1.condition import Condition
from tokenfleet.api.v1alpha1.metadata import Metadata
from tokenfleet.api.v1alpha1.modelroute import PoolShare
from tokenfleet.api.v1alpha1.objectives import Objective


class TargetReference(Model):
    """The traffic that the objective is about."""

    group: Literal["tokenfleet.dev"] = "tokenfleet.dev"
    """API group of the referent."""
    kind: Literal["ModelRoute"] = "ModelRoute"
    """Kind of the referent."""
    name: ObjectName
    """ModelRoute in the same namespace."""
    section_name: ObjectName | None = None
    """Rule of the route; absent means all rules. Required to shift traffic."""


class Selector(Model):
    """Requests of the target that count; with ShiftTraffic they get shares of their own."""

    features: Annotated[list[MetricLabel], Field(max_length=32), ListSet()] = []
    """Features, any of these; empty means all."""
    request_types: Annotated[list[MetricLabel], Field(max_length=32), ListSet()] = []
    """Request types, any of these; empty means all."""


class MinimumEvents(Model):
    """How many attempts a judgement needs."""

    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(
            rule="self.bad <= self.total",
            message="bad must not be more than total",
            field_path=".bad",
        ),
    )

    total: Annotated[int, Field(ge=1, le=100_000)] = 5
    """Fewest attempts that a window must hold to be judged. A proof may need more."""
    bad: Annotated[int, Field(ge=1, le=100_000)] = 5
    """Fewest bad attempts in a window that proves a breach, so that the retries of one client prove
    nothing."""


class Control(Model):
    """The windows of the control loop."""

    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(
            rule="duration(self.longWindow) >= duration(self.shortWindow)",
            message="longWindow must not be shorter than shortWindow",
            field_path=".longWindow",
        ),
    )

    short_window: Annotated[timedelta, Duration("5s", "10m")] = timedelta(minutes=1)
    """The shortest window that attempts are counted in; the others are 2, 4, 8 ... 128 times as
    long. Set it to at least four scrape intervals: if it is shorter, all windows become longer,
    and condition DataAvailable says so."""
    long_window: Annotated[timedelta, Duration("10s", "1h")] = timedelta(minutes=3)
    """Window that status and metrics report, and over which demand and coverage are measured."""
    minimum_events: MinimumEvents = MinimumEvents()
    """How many attempts a judgement needs."""


class DataPolicy(Model):
    """What the control loop does without usable measurements."""

    on_unknown: Literal["Hold"] = "Hold"
    """Hold: shares stay as they are until there are measurements again. This time does not count
    as waiting time."""
    max_staleness: Annotated[timedelta, Duration("5s", "1h")] = timedelta(minutes=2)
    """Greatest age of the newest sample; with older samples nothing is judged. Values above 4m have
    no effect: Prometheus forgets samples after 5m."""
    min_coverage: Annotated[Decimal, Fraction("0.1", "1")] = Decimal("0.8")
    """Fraction of expected scrapes that the long window, and each window that is judged, must hold,
    for each router replica."""
    idle_reset: Annotated[timedelta, Duration("10s", "24h")] = timedelta(minutes=15)
    """After so long without traffic, shares go back to the weights as written."""


class ShiftTraffic(Model):
    """Bounds and pace of shifting."""

    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(
            rule="duration(self.maxHold) >= duration(self.holdBeforeRecovery)",
            message="maxHold must not be shorter than holdBeforeRecovery",
            field_path=".maxHold",
        ),
    )

    primary_floor: Annotated[Decimal, Fraction("0", "0.5")] = Decimal("0.02")
    """Share that the primary keeps in any shift, as a part of what it gets by its weight, so that
    its recovery can be measured. With 0 it may get no traffic at all. Then a step back is tried
    after each hold, and the hold doubles as long as that fails."""
    max_shift: Annotated[Decimal, Fraction("0.05", "1")] = Decimal("0.98")
    """Largest part of the primary's traffic that may leave it, 0 to 1."""
    settle: Annotated[timedelta, Duration("5s", "1h")] = timedelta(seconds=105)
    """Least wait between two shifts. Only attempts since the last one are judged, so it is longer
    with a long threshold or little traffic."""
    dwell: Annotated[timedelta, Duration("5s", "1h")] = timedelta(seconds=210)
    """Wait between two steps of a recovery. The long window and 30 s more is a good value."""
    hold_before_recovery: Annotated[timedelta, Duration("5s", "24h")] = timedelta(minutes=5)
    """Wait before the first step back. Attempts in most of this time must prove the primary well.
    It doubles with each failed recovery."""
    max_hold: Annotated[timedelta, Duration("5s", "24h")] = timedelta(hours=1)
    """Longest `holdBeforeRecovery` after doubling."""
    fallback_max_utilization: Annotated[Decimal, Fraction("0.1", "1")] = Decimal("0.85")
    """Part of a fallback's capacity (`capacity.requestsPerSecond` x ready replicas) that shifts may
    fill, 0 to 1."""
    max_cost_per_hour: PositiveDecimal | None = None
    """Most money per hour that what is shifted may cost at pools of type External, in the currency
    of the pools' prices, for example `40`. Shifts fill nine tenths of it; what costs more goes
    back. All rules and slices that the objective shifts share it. Absent means no limit. It bounds
    shifts only: neither weights that the route gives a pool itself, nor requests that the router
    tries again on a fallback after they have failed."""


class OnBreach(Union):
    """What to do when the objective is missed."""

    members: ClassVar[Mapping[str, Member]] = {
        "shiftTraffic": Member(chosen_by=("ShiftTraffic",), optional=True)
    }

    type: Literal["Alert", "ShiftTraffic"] = "Alert"
    """Alert: move nothing, and show in `status.shadow` what a shift would have done. ShiftTraffic:
    move traffic to the rule's fallbacks, and back."""
    shift_traffic: ShiftTraffic | None = None
    """Bounds and pace, for `type: ShiftTraffic`; absent means the defaults."""


class TokenSLOSpec(Model):
    """What the user promises, and what to do about it."""

    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(
            rule="!has(self.onBreach) || self.onBreach.type != 'ShiftTraffic'"
            " || has(self.targetRef.sectionName)",
            message="targetRef.sectionName must name a rule when onBreach.type is ShiftTraffic",
            field_path=".targetRef.sectionName",
        ),
        CEL(
            rule="!has(self.onBreach) || self.onBreach.type != 'ShiftTraffic'"
            " || !has(self.selector)"
            " || ((!has(self.selector.features) || !self.selector.features.exists(f, f == 'other'))"
            " && (!has(self.selector.requestTypes)"
            " || !self.selector.requestTypes.exists(t, t == 'other')))",
            message="selector must not name other when onBreach.type is ShiftTraffic: it stands for"
            " every value that the route does not list",
            field_path=".selector",
        ),
        CEL(
            rule="!has(self.onBreach) || self.onBreach.type != 'ShiftTraffic'"
            " || !has(self.selector)"
            " || (has(self.selector.features) ? size(self.selector.features) : 0)"
            " + (has(self.selector.requestTypes) ? size(self.selector.requestTypes) : 0) <= 8",
            message="selector must name at most 8 values when onBreach.type is ShiftTraffic",
            field_path=".selector",
        ),
        CEL(
            rule="self.objective.type != 'FastPathShare' || has(self.targetRef.sectionName)",
            message="targetRef.sectionName must name a rule when objective.type is FastPathShare",
            field_path=".targetRef.sectionName",
        ),
        CEL(
            rule="self.objective.type != 'FastPathShare' || !has(self.onBreach)"
            " || self.onBreach.type == 'Alert'",
            message="onBreach.type must be Alert when objective.type is FastPathShare: rules choose"
            " by what requests are, and no shift changes that",
            field_path=".onBreach.type",
        ),
    )

    target_ref: TargetReference
    """The traffic that the objective is about."""
    selector: Selector = Selector()
    """Narrows the objective to some requests, known by their headers."""
    objective: Objective
    """What is promised."""
    window: Annotated[timedelta, Duration("1h", "2160h")] = timedelta(hours=672)
    """Window of the error budget in status, for Latency and ErrorRate. It moves no traffic.
    Prometheus must keep samples that long: `status.budget.covered` says how much was measured."""
    control: Control = Control()
    """The windows of the control loop."""
    data: DataPolicy = DataPolicy()
    """What the control loop does without usable measurements."""
    on_breach: OnBreach = OnBreach()
    """What to do when the objective is missed."""


class DataStatus(Model):
    """Whether there are measurements that the control loop can judge by."""

    state: Literal["OK", "NoTraffic", "Insufficient", "Unknown"] = "Unknown"
    """OK, NoTraffic, Insufficient or Unknown."""
    reason: Annotated[str, Field(max_length=64)] = ""
    """Why not OK, as the reason of condition DataAvailable: for example SourceError, AccessDenied,
    Partial, Stale, ClockSkew, Absent, LowCoverage."""
    message: Annotated[str, Field(max_length=1024)] = ""
    """The numbers behind it."""


class Current(Model):
    """The long window (`control.longWindow`) when it was last written."""

    total: Count = 0
    """Attempts."""
    bad: Count = 0
    """Attempts that failed, or were beyond the threshold."""
    burn_rate: Annotated[str, Field(max_length=16)] = ""
    """Bad fraction divided by the error budget; 1 spends the budget exactly. For other objectives,
    what is measured divided by what is allowed: the cost, the forecast, the part of the prompts
    that was not cached, the part of the requests that took other rules. Absent where nothing was
    measured."""
    value: Annotated[str, Field(max_length=24)] = ""
    """Mean cost of a request, forecast of the money, cache hit rate, or share of the path over an
    hour; empty for other objectives."""


class Quantiles(Model):
    """Times over the long window, estimated from the histogram."""

    p50: Annotated[str, Field(max_length=24)] = ""
    """Median, with its unit, for example `240ms`."""
    p99: Annotated[str, Field(max_length=24)] = ""
    """99th percentile, with its unit."""


class BudgetStatus(Model):
    """The error budget over `spec.window`."""

    remaining: Annotated[str, Field(max_length=16)] = ""
    """Part of the budget that is left: `1` is untouched, `0` is spent, less than 0 is overspent."""
    total: Count = 0
    """Attempts."""
    bad: Count = 0
    """Bad attempts."""
    covered: Annotated[str, Field(max_length=8)] = ""
    """Part of the window that was measured; after a start it grows for some minutes."""


class BurnerStatus(Model):
    """A rule and a feature that spent a part of the error budget, or a user that spent money."""

    rule: Annotated[str, Field(max_length=63)] = ""
    """Rule of the route; empty for users."""
    feature: Annotated[str, Field(max_length=63)] = ""
    """Feature, `other` for requests without a listed one; empty for users."""
    user: Annotated[str, Field(max_length=256)] = ""
    """User, for CostPerRequest and Spend, as the router's `attribution.user.report` says."""
    bad: Count = 0
    """Bad attempts."""
    part: Annotated[str, Field(max_length=8)] = ""
    """Part of all bad attempts in the window, 0 to 1. For users: at least this part of the cost of
    this hour and the last."""


class SpendStatus(Model):
    """Money of the present hour or day, for Spend."""

    spent: Annotated[str, Field(max_length=24)] = ""
    """Money so far, at the present prices."""
    forecast: Annotated[str, Field(max_length=24)] = ""
    """Money at the end of the hour or day, at the rate of the last window."""
    ends: datetime | None = None
    """When the hour or day ends."""


class ShiftCostStatus(Model):
    """What shifts cost at pools of type External, for `shiftTraffic.maxCostPerHour`."""

    per_hour: Annotated[str, Field(max_length=24)] = ""
    """Money per hour at the present shares, demand and prices."""
    max: Annotated[str, Field(max_length=24)] = ""
    """Most money per hour: `shiftTraffic.maxCostPerHour`."""


class Shadow(Model):
    """What ShiftTraffic would have done while only alerting."""

    shares: Annotated[list[PoolShare], Field(max_length=16), ListMap(("name",))] = []
    """Shares by pool that a shift would have reached."""
    transition: Annotated[str, Field(max_length=8)] = ""
    """The last transition that it would have taken."""
    message: Annotated[str, Field(max_length=1024)] = ""
    """Why, with the numbers."""


class Decision(Model):
    """One transition of the control state machine."""

    id: Annotated[str, Field(max_length=64)]
    """Identifier; equal inputs give equal identifiers."""
    transition: Annotated[str, Field(max_length=8)]
    """Name of the transition, for example T1; operator/docs/control-loop.md has the table."""
    at: datetime
    """When it was taken."""
    from_share: Annotated[str, Field(max_length=8)]
    """Primary's part of its baseline before, 0 to 1."""
    to_share: Annotated[str, Field(max_length=8)]
    """Primary's part of its baseline after, 0 to 1."""
    reason: Annotated[str, Field(max_length=1024)]
    """Why, with the numbers and the limits."""


class TokenSLOStatus(Model):
    """What the operator saw last."""

    observed_generation: Count | None = None
    """The `metadata.generation` this status was computed from."""
    state: Annotated[str, Field(max_length=16)] = ""
    """Normal, Shifted, Recovering or Frozen."""
    data: DataStatus = DataStatus()
    """Whether there are measurements that the control loop can judge by."""
    current: Current = Current()
    """Counts of the long window. While nothing changes they are renewed every 30 to 60 minutes."""
    quantiles: Quantiles = Quantiles()
    """Median and 99th percentile of the times."""
    budget: BudgetStatus | None = None
    """What is left of the error budget; absent for cost and caching, and where nothing is known."""
    top_burners: Annotated[list[BurnerStatus], Field(max_length=5), ListAtomic()] = []
    """Who spent the budget: the largest parts, largest first. Users where money is the budget."""
    spend: SpendStatus | None = None
    """Money so far, and its forecast; absent for other objectives, and where nothing is known."""
    shift_cost: ShiftCostStatus | None = None
    """What its shifts cost; absent without `onBreach.shiftTraffic.maxCostPerHour`."""
    shadow: Shadow | None = None
    """What ShiftTraffic would have done, for `onBreach.type: Alert`."""
    last_decision: Decision | None = None
    """The last decision."""
    operator: Annotated[str, Field(max_length=317)] = ""
    """The operator that manages the object, by its Lease: `NAMESPACE/NAME`."""
    contender: Annotated[str, Field(max_length=317)] = ""
    """Another operator that watches the object too, and does not manage it. That operator writes
    this field."""
    conditions: Annotated[list[Condition], Field(max_length=16), ListMap(("type",))] = []
    """Accepted, ResolvedRefs, DataAvailable, Met, Voting, Affordable, ManagedByAnother, Ready."""


class TokenSLO(Model):
    """An objective for a rule's traffic."""

    validations: ClassVar[tuple[CEL, ...]] = (named(63, "metrics name it"),)

    metadata: Metadata
    """Standard object metadata."""
    spec: TokenSLOSpec
    """What the user promises."""
    status: TokenSLOStatus = TokenSLOStatus()
    """What the operator saw last."""


TOKEN_SLO: Final = Kind(
    kind="TokenSLO",
    plural="tokenslos",
    singular="tokenslo",
    short_name="tslo",
    columns=columns.TOKEN_SLO,
)
