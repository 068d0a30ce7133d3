"""Status of a ModelRouter: how far the newest revision has come."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from tokenfleet.api.conditions import ACCEPTED, PROGRAMMED
from tokenfleet.api.conventions import ROUTER_LABEL
from tokenfleet.api.v1alpha1.condition import Condition
from tokenfleet.domain.fleet.conditions import (
    PENDING,
    condition,
    held_over,
    judged,
    merged,
    summary,
)
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.fleet.replicas import Acknowledged
from tokenfleet.domain.fleet.rollouts import progressing
from tokenfleet.domain.fleet.router_snapshot import Body, RouterSnapshot
from tokenfleet.domain.fleet.sidecars import is_carried
from tokenfleet.domain.fleet.troubles import refused, troubles
from tokenfleet.domain.routing.sidecar import HOST

ACK_SOON: Final = timedelta(milliseconds=300)
"""Pause between looks at agents just after a change: an agent needs some 200 ms to apply it."""

ACK_LATER: Final = timedelta(seconds=5)
"""Pause once it is clear that something is wrong."""

ACK_PATIENCE: Final = timedelta(seconds=10)
"""Time in which a change is on its way rather than missing."""

ACK_REFRESH: Final = timedelta(seconds=60)
"""Pause while all is well: an agent may have restarted with older files."""

LISTED: Final = 8
"""Addresses in status; the CRD's limit."""

LISTED_REPLICAS: Final = 100
"""Replicas in status; the CRD's limit."""


def programmed_now(
    seen: RouterSnapshot,
    problems: Sequence[Problem],
    acks: Acknowledged,
    revision: int,
    *,
    young: bool,
) -> Condition:
    """Say whether every ready replica runs a revision.

    Args:
        seen: the router.
        problems: what keeps the configuration from being written.
        acks: how far the revision has come.
        revision: the one that is wanted.
        young: whether it has had no time to arrive yet.
    """
    if problems and problems[0].reason == PENDING:
        return condition(PROGRAMMED, "Unknown", reason=PENDING, message=problems[0].message)
    if problems:
        return judged(PROGRAMMED, problems, reason="Programmed")
    if not acks.ready:
        return _nobody_ready(seen)
    if acks.everywhere:
        text = f"{acks.running} of {acks.ready} ready replicas run revision {revision}"
        return condition(PROGRAMMED, status=True, reason="Programmed", message=text)
    text = "; ".join(acks.behind[:3])
    if young:
        return condition(PROGRAMMED, "Unknown", reason=PENDING, message=text)
    return condition(PROGRAMMED, status=False, reason="NotAcknowledged", message=text)


def _nobody_ready(seen: RouterSnapshot) -> Condition:
    name = seen.body["metadata"]["name"]
    text = f"no pod of Deployment {name}-router is ready"
    if is_carried(seen.body):
        text = f"no ready pod carries router {name}"
    cause = refused(_deployment(seen)) or next(iter(troubles(seen.pods)), None)
    if cause is None:
        return condition(PROGRAMMED, status=False, reason="NoReadyReplica", message=text)
    message = f"{text}; {cause.message}"
    return condition(PROGRAMMED, status=False, reason=cause.reason, message=message)


def _deployment(seen: RouterSnapshot) -> Body | None:
    return next((child for child in seen.children if child["kind"] == "Deployment"), None)


def _rollout(seen: RouterSnapshot) -> list[Condition]:
    if is_carried(seen.body):
        return []
    deployment, name = _deployment(seen), seen.body["metadata"]["name"]
    wanted = int((deployment or {}).get("spec", {}).get("replicas", 0))
    return [progressing(f"router {name}", deployment, seen.pods, wanted=wanted)]


def router_status(
    seen: RouterSnapshot,
    problems: Sequence[Problem],
    acks: Acknowledged,
    revision: int,
    *,
    young: bool = False,
) -> dict[str, Any]:
    """Return the whole status; arguments as in `programmed_now`."""
    metadata = seen.body["metadata"]
    generation = metadata.get("generation", 0)
    previous = seen.body.get("status", {}).get("conditions", ())
    fresh = [
        judged(ACCEPTED, problems, reason="Accepted"),
        held_over(
            programmed_now(
                seen,
                [problem for problem in problems if problem.condition != ACCEPTED],
                acks,
                revision,
                young=young,
            ),
            previous,
            generation=generation,
        ),
    ]
    fresh += _rollout(seen)
    text = f"{acks.running} of {acks.ready} replicas run revision {revision}"
    fresh.append(summary(fresh, (ACCEPTED, PROGRAMMED), message=text))
    listed = sorted(seen.replicas, key=lambda item: item.pod)[:LISTED_REPLICAS]
    return {
        "observedGeneration": generation,
        "addresses": _addresses(seen),
        "configRevision": revision,
        "replicas": [
            {"pod": item.pod, "appliedRevision": item.applied or 0, "version": item.version}
            for item in listed
        ],
        "replicaCount": len(seen.replicas),
        "selector": f"{ROUTER_LABEL}={metadata['name']}",
        "acknowledged": f"{acks.running}/{acks.ready}",
        "conditions": merged(previous, fresh, generation=generation, now=seen.now),
    }


def _addresses(seen: RouterSnapshot) -> list[str]:
    """Return the Service's name inside the cluster, then what a load balancer has been given.

    A router beside applications is reached by these alone, on the loopback.
    """
    metadata = seen.body["metadata"]
    if is_carried(seen.body):
        return [f"{HOST}:{seen.body['spec'].get('sidecar', {}).get('port', '')}"]
    service = next((child for child in seen.children if child["kind"] == "Service"), {})
    ports = service.get("spec", {}).get("ports") or [{}]
    port = ports[0].get("port", 80)
    given = service.get("status", {}).get("loadBalancer", {}).get("ingress") or ()
    outside = [entry.get("hostname") or entry.get("ip") for entry in given]
    hosts = [f"{metadata['name']}-router.{metadata['namespace']}.svc", *filter(None, outside)]
    return [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host in hosts[:LISTED]]


def is_young(seen: RouterSnapshot) -> bool:
    """Tell whether the newest revision has had no time to arrive yet."""
    return seen.changed_at is not None and seen.now - seen.changed_at < ACK_PATIENCE


def look_again(
    acks: Acknowledged, *, young: bool, changed: bool = False, keyless: bool = False
) -> timedelta:
    """Return when to look at the agents again."""
    if changed:
        return ACK_SOON
    if keyless and acks.everywhere:
        return ACK_LATER
    if acks.everywhere or not acks.ready:
        return ACK_REFRESH
    return ACK_SOON if young else ACK_LATER
