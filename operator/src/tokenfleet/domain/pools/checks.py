"""What can be known to be wrong with a managed pool before anything is started."""

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from tokenfleet.api.conditions import ACCEPTED
from tokenfleet.api.conventions import GROUP
from tokenfleet.api.quantities import parse_quantity
from tokenfleet.api.v1alpha1.servingpool import Managed
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.pools import models, speculation
from tokenfleet.domain.pools.engines.refused import refusals

OWN_LABELS: Final = ("app.kubernetes.io/managed-by", "app.kubernetes.io/name")


def problems(name: str, managed: Managed) -> tuple[Problem, ...]:
    """Return everything a user must fix before the pool can be deployed, in a fixed order."""
    return tuple(problem for check in CHECKS for problem in check(name, managed))


def _refused_arguments(name: str, managed: Managed) -> tuple[Problem, ...]:
    found = refusals(managed.engine.extra_args, cpu=managed.device == "CPU")
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
    limits = managed.resources.limits
    # An extended resource is a name with a domain: nvidia.com/gpu, amd.com/gpu, gpu.intel.com/i915.
    counts = [parse_quantity(amount) for key, amount in limits.items() if "/" in key]
    wanted = managed.parallelism.tensor
    if not counts:
        return (
            _problem(
                "NoDevices",
                f"pool {name}: device GPU needs devices in resources.limits, for example"
                f" nvidia.com/gpu: {wanted}",
            ),
        )
    if sum(counts, Decimal(0)) < wanted:
        return (
            _problem(
                "NotEnoughDevices",
                f"pool {name}: parallelism.tensor {wanted} needs {wanted} devices,"
                f" resources.limits has {sum(counts, Decimal(0))}",
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


def _problem(reason: str, message: str) -> Problem:
    return Problem(condition=ACCEPTED, reason=reason, message=message)


Check = Callable[[str, Managed], tuple[Problem, ...]]

CHECKS: Final[tuple[Check, ...]] = (
    _refused_arguments,
    _repositories,
    _devices,
    _memory,
    speculation.problems,
    _tokens,
    _labels,
)
