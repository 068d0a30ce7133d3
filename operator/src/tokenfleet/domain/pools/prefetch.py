"""Weights that are downloaded before replicas need them: a Job that fills the pool's cache.

    no workload yet           Job -> done -> replicas start
    another revision wanted   Job beside the replicas -> done -> they are replaced
    same weights              nothing to fetch: replicas follow every other change at once

What runs is never held back: while weights are fetched the Deployment is paused, so that its
replicas stay as they are, are replaced when they die, and scale. The label `tokenfleet.dev/weights`
says of a Job what it fetches, and of a workload what was there when it was last let go.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tokenfleet.api.conventions import MANAGED_BY, PREFETCH_LABEL, WEIGHTS_LABEL
from tokenfleet.api.v1alpha1.servingpool import Managed, ServingPool
from tokenfleet.domain.fleet.platform import Platform
from tokenfleet.domain.fleet.pod_security import pod_security
from tokenfleet.domain.pools import caches, engine_files, models, pod
from tokenfleet.domain.pools.engines.engine import FILES_PATH
from tokenfleet.domain.pools.engines.families import family
from tokenfleet.domain.pools.prefetch_program import PROGRAM

Body = Mapping[str, Any]

PARTS: Final = 10
"""Containers after the one that tells sizes, so steps of progress. Each takes about two seconds to
start."""
CONTAINER: Final = "prefetch"
MESSAGE_FILE: Final = "/dev/termination-log"
RETRIES: Final = 2**31 - 1
"""A download goes on where it was cut off, and the kubelet waits up to five minutes between tries:
there is no number of failures after which trying again would be wrong."""
RESOURCES: Final = {
    "requests": {"cpu": "250m", "memory": "512Mi"},
    # Files that are written count, and are given back.
    "limits": {"memory": "4Gi"},
}
WORKLOADS: Final = ("Deployment", "LeaderWorkerSet")
NAME_PART: Final = 44
"""Characters of the pool's name in the Job's: its pods carry it as a label of at most 63."""
OFFLINE: Final = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
"""Variables that keep replicas from the hub, and would keep the Job from it, too."""
KEPT_PLACEMENT: Final = (
    "nodeSelector",
    "tolerations",
    "priorityClassName",
    "imagePullSecrets",
    "affinity",
    "serviceAccountName",
    "schedulerName",
)
"""Fields of the replicas' pods that say where pods may run, beside those about devices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Whether what a pool's replicas load lies in its cache."""

    wanted: str = ""
    """Key of the weights; empty: nothing is fetched ahead."""
    running: str = ""
    """Key of those that the workload was last let go with."""
    fetched: bool = True
    """Replicas may follow the spec."""
    job: str = ""
    """Name of the Job that fetches them, or has."""


NOT_ASKED: Final = Weights()


def weights(pool: ServingPool, platform: Platform, children: Sequence[Body] = ()) -> Weights:
    """Return how far a pool's weights are.

    Args:
        pool: the pool.
        platform: what the cluster is like.
        children: objects that the pool owns.
    """
    cache = pool.managed.model.cache
    if cache is None or cache.prefetch is None or not _fetched(pool):
        return NOT_ASKED
    key = _digest([_fetched(pool), cache.model_dump(mode="json")])
    running = next((_weights(child) for child in children if child["kind"] in WORKLOADS), "")
    done = [
        child["metadata"]["name"]
        for child in children
        if child["kind"] == "Job" and _weights(child) == key and ended(child, "Complete")
    ]
    return Weights(
        wanted=key,
        running=running,
        fetched=running == key or bool(done),
        job=min(done, default="") or _named(pool, platform, key),
    )


def ended(job: Body, how: str) -> Body | None:
    """Return the condition by which a Job has ended so (Complete, Failed), or None."""
    conditions: Sequence[Body] = job.get("status", {}).get("conditions") or ()
    found = (c for c in conditions if c.get("type") == how and c.get("status") == "True")
    return next(found, None)


def job(pool: ServingPool, platform: Platform, found: Weights) -> dict[str, Any]:
    """Return the Job that fetches a pool's weights."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": found.job,
            "namespace": pool.metadata.namespace,
            "labels": {**_labels(pool), WEIGHTS_LABEL: found.wanted},
        },
        "spec": _spec(pool, platform),
    }


def network_policy(pool: ServingPool) -> dict[str, Any]:
    """Return the policy by which nobody connects to a pod that writes weights."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": f"{pool.metadata.name}-prefetch",
            "namespace": pool.metadata.namespace,
            "labels": _labels(pool),
        },
        "spec": {
            "podSelector": {"matchLabels": {PREFETCH_LABEL: pool.metadata.name}},
            "policyTypes": ["Ingress"],
        },
    }


def _fetched(pool: ServingPool) -> list[tuple[str, str | None]]:
    """Return (repository, revision) of everything that comes from the hub, each once."""
    found = [
        (source.hugging_face.repo, getattr(source.hugging_face, "revision", None))
        for source in models.sources(pool)
        if source.hugging_face is not None
    ]
    return list(dict.fromkeys(found))


def _weights(body: Body) -> str:
    return str(body["metadata"].get("labels", {}).get(WEIGHTS_LABEL, ""))


def _named(pool: ServingPool, platform: Platform, key: str) -> str:
    """Return a name of its own for each content: a Job's template never changes."""
    short = pool.metadata.name[:NAME_PART].rstrip("-")
    return f"{short}-prefetch-{_digest([pool.metadata.name, key, _spec(pool, platform)])}"


def _digest(told: Any) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:8]


def _labels(pool: ServingPool) -> dict[str, str]:
    """Return labels by which no Service, budget or workload takes a pod for a replica."""
    return {
        "app.kubernetes.io/managed-by": MANAGED_BY,
        "app.kubernetes.io/name": pod.APP_NAME,
        PREFETCH_LABEL: pool.metadata.name,
    }


def _spec(pool: ServingPool, platform: Platform) -> dict[str, Any]:
    managed, files = pool.managed, {"fetch.py": PROGRAM}
    return {
        "backoffLimit": RETRIES,
        "template": {
            "metadata": {
                "labels": {**managed.pod.labels, **_labels(pool)},
                "annotations": {**managed.pod.annotations, **engine_files.annotations(files)},
            },
            "spec": {
                "restartPolicy": "OnFailure",
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "securityContext": pod_security(
                    fixed_ids=platform.fixed_ids,
                    **pod.groups(managed),
                    fsGroupChangePolicy="OnRootMismatch",
                ),
                "initContainers": [
                    _container(pool, f"{CONTAINER}-{part}", part) for part in range(PARTS)
                ],
                "containers": [_container(pool, CONTAINER, PARTS)],
                "volumes": [
                    {"name": "scratch", "emptyDir": {"sizeLimit": pod.SCRATCH_LIMIT}},
                    models.cache_volume(managed),
                    *pod.file_volumes(managed),
                    *engine_files.volumes(files),
                ],
                **_placement(pool, managed),
            },
        },
    }


def _container(pool: ServingPool, name: str, part: int) -> dict[str, Any]:
    managed, files = pool.managed, {"fetch.py": PROGRAM}
    return {
        "name": name,
        **pod.image(managed),
        "command": ["python3", f"{FILES_PATH}/fetch.py"],
        "args": [json.dumps(_fetched(pool)), str(part), str(PARTS), MESSAGE_FILE],
        "env": [one for one in family(managed).environment(pool) if one["name"] not in OFFLINE],
        "resources": {kind: dict(amounts) for kind, amounts in RESOURCES.items()},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "scratch", "mountPath": caches.SCRATCH},
            models.cache_mount(managed),
            *pod.file_mounts(managed),
            *engine_files.mounts(files),
        ],
    }


def _placement(pool: ServingPool, managed: Managed) -> dict[str, Any]:
    """Return where the pod may run: where replicas may, best on a node that has one.

    A claim that one node mounts at a time (ReadWriteOnce) is with the running replicas.
    """
    given = pod.placement(pool, managed)
    kept: dict[str, Any] = {key: given[key] for key in KEPT_PLACEMENT if key in given}
    near = {
        "weight": 100,
        "podAffinityTerm": {
            "topologyKey": "kubernetes.io/hostname",
            "labelSelector": {"matchLabels": pod.selector(pool)},
        },
    }
    affinity = kept.get("affinity", {})
    pods = affinity.get("podAffinity", {})
    preferred = "preferredDuringSchedulingIgnoredDuringExecution"
    beside = {**pods, preferred: [*pods.get(preferred, ()), near]}
    return {**kept, "affinity": {**affinity, "podAffinity": beside}}
