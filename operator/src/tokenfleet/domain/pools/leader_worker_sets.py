"""Replicas over several nodes: a LeaderWorkerSet instead of a Deployment.

LeaderWorkerSet (leaderworkerset.x-k8s.io/v1) starts groups of pods, restarts a group as a whole
when one of its pods ends, and gives each container the leader's address and its own place:

    <pool>-nodes-0      leader: API server and first part of the model; the Service lists it
    <pool>-nodes-0-1    worker: computes
    ...                 one group is one replica of the pool
"""

from collections.abc import Mapping
from typing import Any, Final

from tokenfleet.api.v1alpha1.servingpool import Managed, ServingPool
from tokenfleet.domain.fleet.platform import Platform
from tokenfleet.domain.pools import pod, rollout
from tokenfleet.domain.pools.engines.engine import PORT, Group
from tokenfleet.domain.pools.engines.families import family

Body = dict[str, Any]

API_VERSION: Final = "leaderworkerset.x-k8s.io/v1"
KIND: Final = "LeaderWorkerSet"
PLACE_LABEL: Final = "leaderworkerset.sigs.k8s.io/worker-index"
"""Label of a pod with its place in the group; the leader's is 0."""
LEADER: Final = "$(LWS_LEADER_ADDRESS)"
PLACE: Final = "$(LWS_WORKER_INDEX)"
"""Variables that the controller gives each container; the kubelet writes them into arguments."""

WAIT_FOR_LEADER: Final = (
    "import os, socket, time\n"
    "while True:\n"
    "    try:\n"
    f"        socket.create_connection((os.environ['LWS_LEADER_ADDRESS'], {PORT}), 5).close()\n"
    "    except TimeoutError:\n"
    "        pass\n"
    "    except OSError:\n"
    "        break\n"
    "    time.sleep(1)\n"
)
"""What a worker does before it stops: without it the streams of its leader would break.

A leader that is too busy to accept a connection is still there.
"""


def serving(pool: ServingPool) -> dict[str, str]:
    """Return the labels of the pods that answer requests: of several nodes, the leaders."""
    managed = pool.spec.managed
    several = managed is not None and managed.parallelism.nodes > 1
    return {**pod.selector(pool), **({PLACE_LABEL: "0"} if several else {})}


def leader_worker_set(pool: ServingPool, managed: Managed, platform: Platform) -> Body:
    """Return the LeaderWorkerSet of a pool over several nodes."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            # Its controller makes a headless Service of its name, and the pool's has the pool's.
            "name": f"{pool.metadata.name}-nodes",
            "namespace": pool.metadata.namespace,
            "labels": pod.labels(pool),
        },
        "spec": {
            "replicas": pool.spec.replicas,
            "startupPolicy": "LeaderCreated",
            "rolloutStrategy": {
                "type": "RollingUpdate",
                "rollingUpdateConfiguration": rollout.strategy(managed)["rollingUpdate"],
            },
            "leaderWorkerTemplate": {
                "size": managed.parallelism.nodes,
                # A part of a model computes nothing without the others.
                "restartPolicy": "RecreateGroupOnPodRestart",
                "leaderTemplate": _leader(pool, managed, platform),
                "workerTemplate": _worker(pool, managed, platform),
            },
        },
    }


def as_deployment(found: Mapping[str, Any]) -> Body:
    """Return a LeaderWorkerSet as the Deployment whose replicas are its groups."""
    status, metadata = found.get("status", {}), found.get("metadata", {})
    observed = status.get("observedGeneration", metadata.get("generation", 0))
    ready = status.get("readyReplicas", 0)
    return {
        "kind": found["kind"],
        "metadata": metadata,
        "status": {**status, "observedGeneration": observed, "availableReplicas": ready},
    }


def _leader(pool: ServingPool, managed: Managed, platform: Platform) -> Body:
    template = pod.template(pool, managed, platform)
    group = _group(managed)
    (engine,) = template["spec"]["containers"]
    container = {**engine, **_grouped(engine, managed, group, group.leader)}
    return {**template, "spec": {**template["spec"], "containers": [container]}}


def _worker(pool: ServingPool, managed: Managed, platform: Platform) -> Body:
    template = pod.template(pool, managed, platform)
    group = _group(managed)
    (engine,) = template["spec"]["containers"]
    # A worker listens on no port: nothing can be probed or scraped.
    unserved = {"ports", "startupProbe", "readinessProbe", "livenessProbe"}
    container = {
        **{key: value for key, value in engine.items() if key not in unserved},
        **_grouped(engine, managed, group, group.worker),
        "lifecycle": {"preStop": {"exec": {"command": ["python3", "-c", WAIT_FOR_LEADER]}}},
    }
    notes = template["metadata"]["annotations"]
    metadata = {
        **template["metadata"],
        "annotations": {k: v for k, v in notes.items() if not k.startswith("prometheus.io/")},
    }
    return {"metadata": metadata, "spec": {**template["spec"], "containers": [container]}}


def _group(managed: Managed) -> Group:
    group = family(managed).GROUP
    assert group is not None, "checks: an engine without a group has one node"
    return group


def _grouped(engine: Body, managed: Managed, group: Group, told: tuple[str, ...]) -> Body:
    """Return arguments and environment of one pod of a group."""
    places = {"nodes": managed.parallelism.nodes, "leader": LEADER, "index": PLACE}
    own = {"name": group.address, "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    given = any(variable["name"] == group.address for variable in engine["env"])
    return {
        "args": [*engine["args"], *(text.format_map(places) for text in told)],
        "env": [*engine["env"], *([] if given else [own])],
    }
