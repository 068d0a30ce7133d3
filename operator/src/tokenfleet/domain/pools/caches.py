"""Where an engine keeps what it has compiled.

Compiling takes a large model's engine minutes at each start. Beside a cache claim the results stay
there; what was compiled for one image and one kind of device is of no use to another, so each pair
has a folder of its own. Inside it the engines' libraries tell device models apart themselves:
PyTorch's and Triton's cache keys hold the device's properties.
"""

import hashlib
import json
from typing import Final

from tokenfleet.api.v1alpha1.servingpool import Managed
from tokenfleet.domain.pools import models

SCRATCH: Final = "/tmp"  # noqa: S108  a volume of its own inside the container


def root(managed: Managed) -> str:
    """Return the folder for downloads: on the claim where there is one."""
    return models.CACHE_PATH if managed.model.cache is not None else f"{SCRATCH}/cache"


def compiled(managed: Managed) -> str:
    """Return the folder for compiled kernels and graphs."""
    if managed.model.cache is None:
        return root(managed)
    return f"{models.CACHE_PATH}/compiled/{_key(managed)}"


def _key(managed: Managed) -> str:
    devices = sorted(key for key in managed.resources.limits if "/" in key)
    told = [managed.engine.image, managed.device, devices, dict(managed.pod.node_selector)]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]
