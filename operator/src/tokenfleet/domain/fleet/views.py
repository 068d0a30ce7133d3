"""What a router visit found out about its routes and objectives.

Status of routes and objectives is written from these views, never read back into decisions. They
live in memory only: the first visit after a start makes them again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tokenfleet.api.v1alpha1.condition import Condition
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.slo.engine import RuleView, SLOView


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteView:
    """One route on one router."""

    problems: tuple[Problem, ...] = ()
    rivals: tuple[str, ...] = ()
    """What other routes claim of it in vain, in a sentence each."""
    shares: Mapping[str, Mapping[str, int]] | None = None
    """Rule -> pool -> conversations of 1000, as the router runs them. None: unknown, because the
    configuration could not be read; status keeps what it says."""
    rules: Mapping[str, RuleView] = field(default_factory=dict)
    """Rule -> why; rules without a usable pool are left out."""
    programmed: Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterView:
    """Everything one router visit found out."""

    routes: Mapping[str, RouteView] = field(default_factory=dict)
    """`namespace/name` of the route -> view."""
    slos: Mapping[str, SLOView] = field(default_factory=dict)
    """`namespace/name` of the TokenSLO -> view."""
    demand: Mapping[str, float] = field(default_factory=dict)
    """`namespace/pool` -> requests per second, as if nothing were shifted."""
    keyless: Mapping[str, str] = field(default_factory=dict)
    """`namespace/pool` -> why the router has no key for it."""
