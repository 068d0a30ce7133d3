"""A managed pool's status as a view of its Deployment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tokenfleet.api.conditions import ACCEPTED, AVAILABLE, PROGRESSING
from tokenfleet.api.v1alpha1.condition import Condition
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.fleet.conditions import condition, judged, summary
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.fleet.rollouts import progressing
from tokenfleet.domain.fleet.troubles import Trouble, refused, troubles
from tokenfleet.domain.pools import rollout
from tokenfleet.domain.pools.accelerators import unchecked
from tokenfleet.domain.pools.engines.families import family
from tokenfleet.domain.pools.leader_worker_sets import serving
from tokenfleet.domain.pools.prefetch_progress import FETCHING, Fetching

ENGINE_COMPLETE: Final = "EngineComplete"

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStatus:
    """What is to be seen in the pool's status."""

    conditions: tuple[Condition, ...]
    replicas: int = 0
    """Replicas that exist."""
    ready_replicas: int = 0
    """Replicas that serve."""
    selector: str = ""
    """Label selector of the pods, for autoscalers; empty where the operator owns no pods."""
    prefetch: Mapping[str, int] = field(default_factory=dict)
    """Progress of the download into the cache; empty where there is none."""


def status(
    pool: ServingPool,
    deployment: Body | None,
    pods: Sequence[Body],
    problems: Sequence[Problem],
    fetching: Fetching | None = None,
) -> PoolStatus:
    """Return what holds now of a managed pool.

    Ready means that routes can use it: one replica that serves is enough. Fewer than wanted for
    another reason than time is Ready with the reason `Degraded`.

    Args:
        pool: the pool.
        deployment: its Deployment as stored; None where there is none yet.
        pods: of that Deployment.
        problems: from `workload`.
        fetching: what is fetched ahead, if anything.
    """
    name, wanted = pool.metadata.name, pool.spec.replicas
    seen: Body = (deployment or {}).get("status", {})
    ready = int(seen.get("readyReplicas", 0))
    cause = refused(deployment) or next(iter(troubles(pods)), None)
    cause = cause if ready < wanted else None
    conditions = [
        judged(ACCEPTED, problems, reason="Accepted", message=_accepted(pool)),
        _available(name, cause, fetching, ready=ready, wanted=wanted),
        _held(fetching) or progressing(f"pool {name}", deployment, pods, wanted=wanted),
        rollout.gapless(pool),
        *_complete(pool),
        *([fetching.condition] if fetching is not None else []),
    ]
    message = f"{ready} of {wanted} replicas serve"
    reason = "Ready" if cause is None else "Degraded"
    message = message if cause is None else f"{message}; {cause.message}"
    needed = (ACCEPTED, AVAILABLE)
    conditions.append(summary(conditions, needed, message=message, reason=reason))
    return PoolStatus(
        conditions=tuple(conditions),
        replicas=int(seen.get("replicas", 0)),
        ready_replicas=ready,
        selector=",".join(f"{label}={value}" for label, value in serving(pool).items()),
        prefetch=fetching.progress if fetching is not None else {},
    )


def _held(fetching: Fetching | None) -> Condition | None:
    """Return what is said of a rollout that waits for weights; None where none waits."""
    if fetching is None or fetching.done:
        return None
    reason, message = fetching.condition.reason, fetching.condition.message
    return condition(PROGRESSING, status=reason == FETCHING, reason=reason, message=message)


def _accepted(pool: ServingPool) -> str:
    remark = unchecked(pool.spec.managed) if pool.spec.managed is not None else ""
    return f"the spec can be deployed; {remark}" if remark else "the spec can be deployed"


def _complete(pool: ServingPool) -> list[Condition]:
    """Return what the engine does not tell or do; nothing where it does everything."""
    managed = pool.managed
    engine = family(managed)
    found = engine.lacks(managed)
    if not found:
        return []
    message = f"pool {pool.metadata.name}: {engine.TITLE}: {'; '.join(found)}"
    return [condition(ENGINE_COMPLETE, status=False, reason="EngineLacks", message=message)]


def _available(
    name: str, cause: Trouble | None, fetching: Fetching | None, *, ready: int, wanted: int
) -> Condition:
    if ready:
        message = f"{ready} of {wanted} replicas serve"
        return condition(AVAILABLE, status=True, reason="ReplicasServe", message=message)
    if not wanted:
        message = f"pool {name} is scaled to 0: raise spec.replicas to serve"
        return condition(AVAILABLE, status=False, reason="ScaledToZero", message=message)
    if fetching is not None and not fetching.done and cause is None:
        told = fetching.condition
        return condition(AVAILABLE, status=False, reason=told.reason, message=told.message)
    message = f"pool {name}: none of {wanted} replicas serve yet"
    if cause is None:
        return condition(AVAILABLE, status=False, reason="NoReplicaServes", message=message)
    message = f"{message}; {cause.message}"
    return condition(AVAILABLE, status=False, reason=cause.reason, message=message)
