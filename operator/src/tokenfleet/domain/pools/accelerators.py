"""How many accelerators a replica asks for, by the names of extended resources.

A resource with a domain in its name is anything that a device plugin counts: GPUs, network
adapters, shares of a GPU's memory. Only those that are known to be whole devices for models are
compared with what the engine is told to use; others are named and left alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from tokenfleet.api.units import parse_quantity
from tokenfleet.api.v1alpha1.servingpool import ACCELERATORS, Managed
from tokenfleet.domain.pools.engines.engine import Engine

CORES: Final[Mapping[str, int]] = {
    "aws.amazon.com/neuron": 8,
    "aws.amazon.com/neurondevice": 8,
    "google.com/tpu": 2,
    "gpu.intel.com/i915": 2,
    "gpu.intel.com/xe": 2,
}
"""Resources that count chips, each with at most so many cores; engines count cores (AWS Neuron
device plugin: an Inferentia2 chip has 2, a Trainium2 chip 8 with its default layout. A TPU v7x chip
is two devices, older ones are one. A Data Center GPU Max 1550 is two tiles, others are one)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerators:
    """What the resource limits say about devices."""

    known: Decimal
    """Devices (or their cores) of known makes."""
    named: bool
    """Whether a known make is asked for at all."""
    unknown: tuple[str, ...]
    """Further extended resources, sorted."""


def accelerators(limits: Mapping[str, str]) -> Accelerators:
    """Count what one replica asks for."""
    extended = {key: parse_quantity(amount) for key, amount in limits.items() if "/" in key}
    known = {key: amount for key, amount in extended.items() if re.match(ACCELERATORS, key)}
    return Accelerators(
        known=sum((amount * CORES.get(key, 1) for key, amount in known.items()), Decimal(0)),
        named=bool(known),
        unknown=tuple(sorted(extended.keys() - known.keys())),
    )


def copies(managed: Managed, engine: Engine) -> int:
    """Return how many times `parallelism.data` multiplies the devices of one replica."""
    inside = any(option in managed.engine.extra_args for option in engine.SHARED_BY)
    return 1 if inside else managed.parallelism.data


def needed(managed: Managed, engine: Engine) -> int:
    """Return the devices that one replica's engine uses on each of its nodes."""
    sizes = managed.parallelism
    return sizes.tensor * sizes.pipeline * copies(managed, engine) // sizes.nodes


def unchecked(managed: Managed) -> str:
    """Return a remark for a condition where devices are asked for that cannot be checked, or ''."""
    found = accelerators(managed.resources.limits)
    if managed.device == "CPU" or found.named or not found.unknown:
        return ""
    listed = ", ".join(found.unknown)
    return f"unknown, not checked against parallelism: {listed}"
