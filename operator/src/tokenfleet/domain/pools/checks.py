"""What can be known to be wrong with a managed pool before anything is started."""

import re
from collections.abc import Callable
from typing import Final

from tokenfleet.api.conditions import ACCEPTED
from tokenfleet.api.conventions import GROUP
from tokenfleet.api.quantities import parse_quantity
from tokenfleet.api.v1alpha1.model_source import COMMIT
from tokenfleet.api.v1alpha1.servingpool import Managed
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.pools import models
from tokenfleet.domain.pools.accelerators import accelerators, needed
from tokenfleet.domain.pools.engines.families import family

OWN_LABELS: Final = ("app.kubernetes.io/managed-by", "app.kubernetes.io/name")


def problems(name: str, managed: Managed) -> tuple[Problem, ...]:
    """Return everything a user must fix before the pool can be deployed, in a fixed order."""
    return tuple(problem for check in CHECKS for problem in check(name, managed))


def _refused_arguments(name: str, managed: Managed) -> tuple[Problem, ...]:
    found = family(managed).refusals(managed)
    return tuple(
        _problem("ArgumentRefused", f"pool {name}: engine.extraArgs must not set {flag}: {reason}")
        for flag, reason in found
    )


def _repositories(name: str, managed: Managed) -> tuple[Problem, ...]:
    """Refuse what an older CRD let through: a repository that the engine reads as an option."""
    return tuple(
        _problem("ArgumentRefused", f"pool {name}: model {model} must not begin with a dash")
        for model in map(models.location, models.sources(managed))
        if model.startswith("-")
    )


def _devices(name: str, managed: Managed) -> tuple[Problem, ...]:
    if managed.device == "CPU":
        return ()
    found, wanted = accelerators(managed.resources.limits), needed(managed.parallelism)
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
                f" data {sizes.data}) needs {wanted} devices, resources.limits has {found.known}",
            ),
        )
    return ()


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


def _tokens(name: str, managed: Managed) -> tuple[Problem, ...]:
    references = models.tokens(managed)
    if references and any(variable.name == models.TOKEN for variable in managed.engine.env):
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
            f"pool {name}: one engine can use one hub token, target and draft name {listed}:"
            " use one token that may read both",
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
        for source in (each.hugging_face for each in models.sources(managed))
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


Check = Callable[[str, Managed], tuple[Problem, ...]]

CHECKS: Final[tuple[Check, ...]] = (
    _refused_arguments,
    _repositories,
    _devices,
    _memory,
    _tokens,
    _labels,
    _remote_code,
    _files,
    _engine,
)
