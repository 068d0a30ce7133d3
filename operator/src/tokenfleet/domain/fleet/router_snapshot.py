"""What is seen of one router at one instant, and what its visit plans."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tokenfleet.domain.fleet.plan import EventNote, Plan
from tokenfleet.domain.fleet.platform import PLAIN, Platform
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.fleet.replicas import Replica
from tokenfleet.domain.fleet.views import RouterView
from tokenfleet.domain.slo.observation.measurement import Measurement

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterSnapshot:
    """Everything the plan of one router depends on."""

    body: Body
    stored: Body | None
    """`<router>-config` as stored; None where it does not exist."""
    copies: tuple[Mapping[str, str], ...] = ()
    """Its data as replicas hold it; asked for only where it does not exist."""
    missing_since: datetime | None = None
    """Since when this process sees that it does not exist; None: it does."""
    elsewhere: tuple[Mapping[str, str], ...] = ()
    """Readable data of the `<router>-config` of other routers, where a route is new to this one."""
    routes: tuple[Body, ...] = ()
    """Routes that name this router and that it takes, and those that it keeps because they name one
    that does not exist."""
    pools: tuple[Body, ...] = ()
    """Pools that those routes name, as far as they exist."""
    services: Mapping[str, Body] = field(default_factory=dict)
    """Service, as the router calls it -> Service, of those pools and as far as they exist."""
    loops: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Pool, as the router calls it -> routers on the way back to where its requests come from."""
    slices: Mapping[str, tuple[Body, ...]] = field(default_factory=dict)
    """Service, as the router calls it -> EndpointSlices: of those pools, and of what it runs."""
    slos: tuple[Body, ...] = ()
    """Objectives of those routes, and those that last were about one of them."""
    children: tuple[Body, ...] = ()
    replicas: tuple[Replica, ...] = ()
    pods: tuple[Body, ...] = ()
    """Pods of its Deployment."""
    changed_at: datetime | None = None
    """When this process last wrote a new revision; None: not since it started."""
    acknowledged_at: datetime | None = None
    """When this process first saw the stored revision on all ready replicas; None: not yet."""
    measurement: Measurement | None = None
    """The newest one; None: there has been none since the start."""
    image: str
    """Router image to deploy."""
    platform: Platform = PLAIN
    """What the cluster is like."""
    shifting: bool
    """False: the operator-wide switch is off."""
    told: frozenset[str] = frozenset()
    """Identifiers of the notes in `stored` that this process has told."""
    unstored: Problem | None = None
    """Why `<router>-config` could not be stored in this visit: look, and decide nothing."""
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterPlan(Plan):
    """A plan, and what was found out on the way."""

    view: RouterView = field(default_factory=RouterView)
    revision: int = 0
    """Revision that the plan wants everywhere; 0: none."""
    untold: tuple[EventNote, ...] = ()
    """What `<router>-config` says, once `replace` is stored, that has to be told."""
