"""What can be known to be wrong with a managed pool before anything is started."""

import re
from collections.abc import Callable
from typing import Final

from tokenfleet.api.conditions import ACCEPTED
from tokenfleet.api.conventions import GROUP
from tokenfleet.api.units import parse_quantity
from tokenfleet.api.v1alpha1.model_source import COMMIT
from tokenfleet.api.v1alpha1.servingpool import Managed, Parallelism, ServingPool
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.pools import models
from tokenfleet.domain.pools.accelerators import accelerators, copies, needed
from tokenfleet.domain.pools.engines.engine import Engine
from tokenfleet.domain.pools.engines.families import family

LONGEST_NAME: Final = 42
"""Most characters of a pool's name over several nodes: the LeaderWorkerSet adds `-nodes`, its
StatefulSets `-999`, and their revision's label 11 more, of 63."""
OWN_LABELS: Final = ("app.kubernetes.io/managed-by", "app.kubernetes.io/name")


def problems(pool: ServingPool) -> tuple[Problem, ...]:
    """Return everything a user must fix before the pool can be deployed, in a fixed order.

    Args:
        pool: of `type: Managed`.
    """
    name, managed = pool.metadata.name, pool.managed
    return (
        *(problem for check in POOL_CHECKS for problem in check(pool)),
        *(problem for check in CHECKS for problem in check(name, managed)),
    )


def _refused_arguments(pool: ServingPool) -> tuple[Problem, ...]:
    name, found = pool.metadata.name, family(pool.managed).refusals(pool)
    return tuple(
        _problem("ArgumentRefused", f"pool {name}: engine.extraArgs must not set {flag}: {reason}")
        for flag, reason in found
    )


def _repositories(name: str, managed: Managed) -> tuple[Problem, ...]:
    """Refuse what an older CRD let through: a repository that the engine reads as an option."""
    return tuple(
        _problem("ArgumentRefused", f"pool {name}: model {model} must not begin with a dash")
        for model in map(models.location, models.weights(managed))
        if model.startswith("-")
    )


def _devices(name: str, managed: Managed) -> tuple[Problem, ...]:
    if managed.device == "CPU":
        return ()
    engine = family(managed)
    found, wanted = accelerators(managed.resources.limits), needed(managed, engine)
    claimed = bool(managed.resources.claims)
    if not found.named and not found.unknown and not claimed:
        return (
            _problem(
                "NoDevices",
                f"pool {name}: device GPU needs devices in resources.limits, for example"
                f" nvidia.com/gpu: {wanted}",
            ),
        )
    if found.named and not claimed and found.known < wanted:
        sizes = managed.parallelism
        return (
            _problem(
                "NotEnoughDevices",
                f"pool {name}: parallelism (tensor {sizes.tensor} x pipeline {sizes.pipeline} x"
                f" data {copies(managed, engine)}{_over(sizes)}) needs {wanted} devices,"
                f" resources.limits has {found.known}{_shared_by(sizes, engine)}",
            ),
        )
    return ()


def _over(sizes: Parallelism) -> str:
    return f" over {sizes.nodes} nodes, on each" if sizes.nodes > 1 else ""


def _shared_by(sizes: Parallelism, engine: Engine) -> str:
    if sizes.data == 1 or not engine.SHARED_BY:
        return ""
    return f"; data adds none with {' or '.join(engine.SHARED_BY)} in engine.extraArgs"


def _memory(name: str, managed: Managed) -> tuple[Problem, ...]:
    limit = managed.resources.limits.get("memory")
    if managed.cpu is None or limit is None:
        return ()
    if parse_quantity(managed.cpu.kv_cache) < parse_quantity(limit):
        return ()
    return (
        _problem(
            "NotEnoughMemory",
            f"pool {name}: cpu.kvCache {managed.cpu.kv_cache} leaves nothing of the memory limit"
            f" {limit} for the weights",
        ),
    )


def _tokens(pool: ServingPool) -> tuple[Problem, ...]:
    name, references, given = pool.metadata.name, models.tokens(pool), pool.managed.engine.env
    if references and any(variable.name == models.TOKEN for variable in given):
        return (
            _problem(
                "TokenConflict",
                f"pool {name}: {models.TOKEN} stands in engine.env and in tokenSecretRef:"
                " leave one of them out",
            ),
        )
    if len(references) <= 1:
        return ()
    listed = " and ".join(f"{item.name}/{item.key}" for item in references)
    return (
        _problem(
            "TokenConflict",
            f"pool {name}: one engine can use one hub token, its sources name {listed}:"
            " use one token that may read all",
        ),
    )


def _labels(name: str, managed: Managed) -> tuple[Problem, ...]:
    return tuple(
        _problem("LabelRefused", f"pool {name}: pod.labels must not set {key}: the operator does")
        for key in sorted(managed.pod.labels)
        if key in OWN_LABELS or key.startswith(f"{GROUP}/")
    )


def _remote_code(name: str, managed: Managed) -> tuple[Problem, ...]:
    """Refuse a draft whose code could change: the engine's one switch holds for both models."""
    if managed.model.remote_code == "Refused":
        return ()
    return tuple(
        _problem(
            "RemoteCodeUnpinned",
            f"pool {name}: model {source.repo} needs a commit as its revision (40 hexadecimal"
            " digits) while model.remoteCode is Allowed",
        )
        for source in (each.hugging_face for each in models.weights(managed))
        if source is not None and not re.fullmatch(COMMIT, source.revision or "")
    )


def _files(name: str, managed: Managed) -> tuple[Problem, ...]:
    paths = [file.mount_path.rstrip("/") for file in managed.engine.files]
    return tuple(
        _problem("FileConflict", f"pool {name}: engine.files mounts {path} twice")
        for path in sorted({path for path in paths if paths.count(path) > 1})
    )


def _engine(name: str, managed: Managed) -> tuple[Problem, ...]:
    return family(managed).problems(name, managed)


def _problem(reason: str, message: str) -> Problem:
    return Problem(condition=ACCEPTED, reason=reason, message=message)


def adapters_unsupported(pool: ServingPool, engine: Engine) -> tuple[Problem, ...]:
    """Return what is wrong with adapters of a pool whose engine has none."""
    if not pool.spec.served.adapters or engine.ADAPTERS:
        return ()
    text = f"pool {pool.metadata.name}: {engine.TITLE} cannot serve served.adapters; leave them out"
    return (_problem("AdaptersUnsupported", text),)


def _adapters(pool: ServingPool) -> tuple[Problem, ...]:
    return adapters_unsupported(pool, family(pool.managed))


Check = Callable[[str, Managed], tuple[Problem, ...]]


def _nodes(pool: ServingPool) -> tuple[Problem, ...]:
    name, engine, nodes = pool.metadata.name, family(pool.managed), pool.managed.parallelism.nodes
    if nodes == 1:
        return ()
    if engine.GROUP is None:
        text = f"pool {name}: {engine.TITLE} runs on one node here; set parallelism.nodes to 1"
        return (_problem("NodesUnsupported", text),)
    if len(name) > LONGEST_NAME:
        text = (
            f"pool {name}: the name has {len(name)} characters; over several nodes it may have"
            f" {LONGEST_NAME}; create the pool under a shorter name"
        )
        return (_problem("NameTooLong", text),)
    return ()


POOL_CHECKS: Final = (_refused_arguments, _tokens, _adapters, _nodes)
CHECKS: Final[tuple[Check, ...]] = (
    _repositories,
    _devices,
    _memory,
    _labels,
    _remote_code,
    _files,
    _engine,
)
