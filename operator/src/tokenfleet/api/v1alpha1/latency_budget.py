"""The latency budget of a route: what a request may take, and which stage may take how much."""

from datetime import timedelta
from typing import Annotated, ClassVar, Final

from pydantic import Field

from tokenfleet.api.conventions import CEL, ListMap, Model
from tokenfleet.api.names import DNS_LABEL
from tokenfleet.api.quantities import Duration

ROUTING: Final = "routing"
MODEL: Final = "model"
TOTAL: Final = "total"
ROUTERS_OWN: Final = (ROUTING, MODEL)
"""Stages that the router measures; nobody can report them."""

StageName = Annotated[str, Field(min_length=1, max_length=32, pattern=DNS_LABEL)]
"""Name of a stage, as clients and tools report it."""


class StageBudget(Model):
    """How long one stage may take."""

    name: StageName
    """Its name: `routing` and `model` are measured by the router, every other one is reported in
    the request header `x-tokenfleet-stages`."""
    budget: Annotated[timedelta, Duration("1ms", "10m")]
    """Longest time that 99 of 100 requests may spend in it."""


class LatencyBudget(Model):
    """What a request may take, from the user's action to the first token, and where it may go."""

    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(
            rule="self.stages.map(s, duration(s.budget)).sum() <= duration(self.total)",
            message="the budgets of stages must not add up to more than total; what is left over is"
            " the buffer",
            field_path=".stages",
        ),
        CEL(
            rule="self.stages.all(s, s.name != 'total')",
            message="stages must not name total: it stands for all of them",
            field_path=".stages",
        ),
    )

    total: Annotated[timedelta, Duration("10ms", "10m")]
    """Longest time for 99 of 100 requests, all stages together, for example `500ms`."""
    stages: Annotated[list[StageBudget], Field(min_length=1, max_length=16), ListMap(("name",))]
    """The stages, in the order in which people read them."""


class RemainingBudget(Model):
    """How much of the budget earlier stages have left."""

    max: Annotated[timedelta, Duration("1ms", "10m")]
    """Most time that may be left: a request with more takes another rule. A stage that was not
    reported counts as 0."""


class StageStatus(Model):
    """How long one stage takes."""

    stage: Annotated[str, Field(max_length=32)]
    """Its name; `total` for all of them together."""
    budget: Annotated[str, Field(max_length=24)] = ""
    """Its budget."""
    p50: Annotated[str, Field(max_length=24)] = ""
    """Median over an hour; empty: not known, or fewer than 20 requests."""
    p99: Annotated[str, Field(max_length=24)] = ""
    """99th percentile over an hour."""
