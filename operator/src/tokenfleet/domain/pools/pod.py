"""The pod template of a pool: restricted Pod Security, probes, volumes, placement.

A change of one byte here restarts every pool of every user on the next operator upgrade: the golden
tests exist to make that visible. What may change freely lies in objects beside the template.
"""

from collections.abc import Mapping
from typing import Any, Final

from tokenfleet.api.conventions import MANAGED_BY, POOL_LABEL
from tokenfleet.api.v1alpha1.engine import FileSource
from tokenfleet.api.v1alpha1.servingpool import Managed, ServingPool
from tokenfleet.domain.fleet.platform import Platform
from tokenfleet.domain.fleet.pod_security import pod_security
from tokenfleet.domain.fleet.scheduling import toleration
from tokenfleet.domain.pools import caches, engine_files, models, rollout
from tokenfleet.domain.pools.engines.engine import PORT
from tokenfleet.domain.pools.engines.families import family

APP_NAME: Final = "servingpool"
ENGINE_CONTAINER: Final = "engine"
SCRATCH_LIMIT: Final = "64Gi"
"""Most that a replica may write beside its claims: a runaway engine ends its pod, not its node."""
DOWNLOADS_LIMIT: Final = "2Ti"
"""The same where weights are downloaded without a cache claim: then they lie in it, too."""


def labels(pool: ServingPool) -> dict[str, str]:
    """Return the labels that every object of the pool carries."""
    return {
        "app.kubernetes.io/managed-by": MANAGED_BY,
        "app.kubernetes.io/name": APP_NAME,
        **selector(pool),
    }


def selector(pool: ServingPool) -> dict[str, str]:
    """Return the labels that pick the pool's pods; immutable once a Deployment exists."""
    return {POOL_LABEL: pool.metadata.name}


def template(pool: ServingPool, managed: Managed, platform: Platform) -> dict[str, Any]:
    """Return the Deployment's `template`."""
    engine = family(managed)
    return {
        "metadata": {
            "labels": {**managed.pod.labels, **labels(pool)},
            "annotations": {
                **managed.pod.annotations,
                "prometheus.io/scrape": "true",
                "prometheus.io/port": str(PORT),
                "prometheus.io/path": engine.METRICS_PATH,
                **engine_files.annotations(engine.files(pool)),
            },
        },
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": rollout.grace_seconds(managed),
            "securityContext": pod_security(
                fixed_ids=platform.fixed_ids,
                **groups(managed),
                # A recursive change of owner over 140 GB of weights takes minutes.
                fsGroupChangePolicy="OnRootMismatch",
            ),
            "containers": [_engine(pool, managed)],
            "volumes": [*_volumes(pool, managed), *engine_files.volumes(engine.files(pool))],
            **placement(pool, managed),
        },
    }


def _engine(pool: ServingPool, managed: Managed) -> dict[str, Any]:
    engine = family(managed)
    return {
        "name": ENGINE_CONTAINER,
        **image(managed),
        "command": managed.engine.command or list(engine.COMMAND),
        "args": engine.arguments(pool),
        "env": engine.environment(pool),
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        **_resources(managed),
        **engine.probes(managed),
        "lifecycle": {"preStop": engine.pre_stop(managed)},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": managed.pod.security_context.read_only_root_filesystem,
            "capabilities": _capabilities(managed),
        },
        # The last words of an engine that ends, for the pool's conditions.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "scratch", "mountPath": caches.SCRATCH},
            {"name": "shared-memory", "mountPath": "/dev/shm"},  # noqa: S108
            *models.mounts(pool),
            *file_mounts(managed),
            *engine_files.mounts(engine.files(pool)),
        ],
    }


def image(managed: Managed) -> dict[str, Any]:
    """Return the fields of a container that runs the engine's image."""
    policy = managed.engine.image_pull_policy
    return {"image": managed.engine.image, **({"imagePullPolicy": policy} if policy else {})}


def _resources(managed: Managed) -> dict[str, Any]:
    given = {
        "limits": dict(managed.resources.limits),
        "requests": dict(managed.resources.requests),
    }
    kept: dict[str, Any] = {key: amounts for key, amounts in given.items() if amounts}
    if managed.resources.claims:
        kept["claims"] = [
            claim.model_dump(by_alias=True, exclude_none=True) for claim in managed.resources.claims
        ]
    return {"resources": kept} if kept else {}


def _volumes(pool: ServingPool, managed: Managed) -> list[dict[str, Any]]:
    return [
        {"name": "scratch", "emptyDir": {"sizeLimit": _scratch_limit(pool)}},
        {
            "name": "shared-memory",
            "emptyDir": {"medium": "Memory", "sizeLimit": managed.shared_memory},
        },
        *models.volumes(pool),
        *file_volumes(managed),
    ]


def file_volumes(managed: Managed) -> list[dict[str, Any]]:
    """Return the volumes of the user's files."""
    return [_file_volume(file) for file in managed.engine.files]


def file_mounts(managed: Managed) -> list[dict[str, Any]]:
    """Return the mounts of `file_volumes`."""
    return [
        {"name": f"file-{file.name}", "mountPath": file.mount_path, "readOnly": True}
        for file in managed.engine.files
    ]


def _file_volume(file: FileSource) -> dict[str, Any]:
    name = f"file-{file.name}"
    if file.config_map is not None:
        return {"name": name, "configMap": {"name": file.config_map}}
    return {"name": name, "secret": {"secretName": file.secret}}


def _scratch_limit(pool: ServingPool) -> str:
    if pool.managed.scratch is not None:
        return pool.managed.scratch
    downloads = any(source.hugging_face for source in models.sources(pool))
    return DOWNLOADS_LIMIT if downloads and pool.managed.model.cache is None else SCRATCH_LIMIT


def groups(managed: Managed) -> dict[str, Any]:
    """Return the groups by which the pod may use devices and shared folders."""
    given = managed.pod.security_context.supplemental_groups
    return {"supplementalGroups": list(given)} if given else {}


def _capabilities(managed: Managed) -> dict[str, Any]:
    added = managed.pod.security_context.capabilities.add
    return {"drop": ["ALL"], **({"add": sorted(added)} if added else {})}


def placement(pool: ServingPool, managed: Managed) -> dict[str, Any]:
    """Return the fields of the pod that say where it may run, and with which rights."""
    pod = managed.pod
    own = {"labelSelector": {"matchLabels": selector(pool)}}
    wanted: Mapping[str, Any] = {
        "nodeSelector": dict(pod.node_selector),
        "tolerations": [toleration(item) for item in pod.tolerations],
        "runtimeClassName": pod.runtime_class_name,
        "priorityClassName": pod.priority_class_name,
        "imagePullSecrets": [{"name": item.name} for item in pod.image_pull_secrets],
        "affinity": pod.affinity.wire() if pod.affinity is not None else None,
        "topologySpreadConstraints": [
            {**constraint.wire(), **own} for constraint in pod.topology_spread_constraints
        ],
        "serviceAccountName": pod.service_account_name,
        "schedulerName": pod.scheduler_name,
        "resourceClaims": [claim.wire() for claim in pod.resource_claims],
    }
    return {key: value for key, value in wanted.items() if value}
