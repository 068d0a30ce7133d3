"""A pool as Kubernetes objects: Deployment or LeaderWorkerSet, Service, budget, monitor, Job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tokenfleet.api.conditions import ACCEPTED
from tokenfleet.api.conventions import WEIGHTS_LABEL
from tokenfleet.api.v1alpha1.servingpool import Managed, ServingPool
from tokenfleet.domain.fleet.platform import PLAIN, Platform
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.pools import checks, leader_worker_sets, pod, prefetch, rollout
from tokenfleet.domain.pools.engines.engine import PORT
from tokenfleet.domain.pools.engines.families import family
from tokenfleet.domain.pools.leader_worker_sets import serving
from tokenfleet.domain.pools.prefetch import NOT_ASKED, Weights

Body = dict[str, Any]

DISCOVERED_POOL: Final = "__meta_kubernetes_pod_label_tokenfleet_dev_pool"
"""The pod's label `tokenfleet.dev/pool`, as Prometheus names it while it finds targets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What a pool asks for."""

    objects: tuple[Body, ...]
    """Complete bodies in the order in which they are applied. Empty when there are problems: what
    is deployed already stays as it is."""
    problems: tuple[Problem, ...]
    """What the user must fix first."""
    kept: tuple[tuple[str, str], ...] = ()
    """(kind, name) of what stays as it is where it exists."""
    weights: Weights = NOT_ASKED
    """What is fetched ahead."""


def workload(
    pool: ServingPool, platform: Platform = PLAIN, children: Sequence[Mapping[str, Any]] = ()
) -> Workload:
    """Return the pool's objects; equal arguments give equal bytes.

    Args:
        pool: `Existing` pools deploy nothing and have no problems of this kind.
        platform: what the cluster is like.
        children: objects that the pool owns; they say which weights are in its cache.
    """
    managed = pool.spec.managed
    if managed is None:
        return Workload(objects=(), problems=())
    problems = (*checks.problems(pool), *_missing(managed, platform))
    if problems:
        return Workload(objects=(), problems=problems)
    weights = prefetch.weights(pool, platform, children)
    replicas = _replicas(pool, managed, platform, weights)
    # A LeaderWorkerSet cannot be paused: it waits as a whole.
    waits = not weights.fetched and managed.parallelism.nodes > 1
    monitor = (_pod_monitor(pool),) if platform.pod_monitors else ()
    objects = (
        _service(pool),
        _budget(pool),
        *_ahead(pool, platform, weights),
        *([] if waits else [replicas]),
        *monitor,
    )
    kept = (("Job", weights.job), *([(replicas["kind"], replicas["metadata"]["name"])] * waits))
    return Workload(objects=objects, problems=(), kept=kept, weights=weights)


def _ahead(pool: ServingPool, platform: Platform, weights: Weights) -> tuple[Body, ...]:
    """Return what fetches weights; a Job that is done only stays."""
    if not weights.wanted:
        return ()
    running = () if weights.fetched else (prefetch.job(pool, platform, weights),)
    return (prefetch.network_policy(pool), *running)


def _missing(managed: Managed, platform: Platform) -> tuple[Problem, ...]:
    if managed.parallelism.nodes == 1 or platform.leader_worker_sets:
        return ()
    return (
        Problem(
            condition=ACCEPTED,
            reason="LeaderWorkerSetsNotServed",
            message="parallelism.nodes needs LeaderWorkerSet (leaderworkerset.x-k8s.io/v1), which"
            " the cluster does not serve; install its controller, and the operator finds the kind"
            " within a minute",
        ),
    )


def _replicas(pool: ServingPool, managed: Managed, platform: Platform, weights: Weights) -> Body:
    if managed.parallelism.nodes > 1:
        body = leader_worker_sets.leader_worker_set(pool, managed, platform)
    else:
        body = _deployment(pool, managed, platform)
        if not weights.fetched:
            body["spec"]["paused"] = True
    let_go_with = weights.wanted if weights.fetched else weights.running
    if let_go_with:
        body["metadata"]["labels"][WEIGHTS_LABEL] = let_go_with
    return body


def object_of(api_version: str, kind: str, pool: ServingPool) -> Body:
    """Return the beginning of an object that has the pool's name."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": pool.metadata.name,
            "namespace": pool.metadata.namespace,
            "labels": pod.labels(pool),
        },
    }


def _service(pool: ServingPool) -> Body:
    return {
        **object_of("v1", "Service", pool),
        "spec": {"selector": serving(pool), "ports": [service_port("http")]},
    }


def service_port(target: str | int) -> Body:
    """Return the port of a pool's Service: by its name routers find the port of the pods."""
    return {
        "name": "http",
        "port": PORT,
        "targetPort": target,
        "protocol": "TCP",
        "appProtocol": "http",
    }


def _budget(pool: ServingPool) -> Body:
    return {
        **object_of("policy/v1", "PodDisruptionBudget", pool),
        "spec": {
            "maxUnavailable": 1,
            # A replica that does not serve protects nothing by staying.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": pod.selector(pool)},
        },
    }


def _deployment(pool: ServingPool, managed: Managed, platform: Platform) -> Body:
    return {
        **object_of("apps/v1", "Deployment", pool),
        "spec": {
            "replicas": pool.spec.replicas,
            "selector": {"matchLabels": pod.selector(pool)},
            "strategy": rollout.strategy(managed),
            "progressDeadlineSeconds": rollout.progress_deadline_seconds(managed),
            "revisionHistoryLimit": 5,
            "template": pod.template(pool, managed, platform),
        },
    }


def _pod_monitor(pool: ServingPool) -> Body:
    return {
        **object_of("monitoring.coreos.com/v1", "PodMonitor", pool),
        "spec": {
            "selector": {"matchLabels": pod.selector(pool)},
            "podMetricsEndpoints": [
                {
                    "port": "http",
                    "path": family(pool.managed).METRICS_PATH,
                    "interval": "15s",
                    # Engines do not know which pool they serve; objectives and dashboard ask by it.
                    "relabelings": [{"sourceLabels": [DISCOVERED_POOL], "targetLabel": "pool"}],
                }
            ],
        },
    }
