"""Engine images that are too old for the arguments they would get, as far as a tag tells."""

import re
from typing import Final

from tokenfleet.api.conditions import ACCEPTED
from tokenfleet.api.v1alpha1.servingpool import Managed
from tokenfleet.domain.fleet.problems import Problem

OLDEST: Final = (0, 18)
"""First vLLM release that knows `--shutdown-timeout`."""
_TAG: Final = re.compile(r"vllm[^@]*:v?(\d+)\.(\d+)(?:\.|$|[-+._])")


def problems(name: str, managed: Managed) -> tuple[Problem, ...]:
    """Refuse an image whose tag names a release that would stop at its first unknown argument."""
    found = _TAG.search(managed.engine.image)
    if found is None or (int(found[1]), int(found[2])) >= OLDEST:
        return ()
    oldest = ".".join(map(str, OLDEST))
    return (
        Problem(
            condition=ACCEPTED,
            reason="EngineTooOld",
            message=f"pool {name}: engine.image {managed.engine.image} is vLLM"
            f" {found[1]}.{found[2]}, the oldest that works is {oldest} (--shutdown-timeout);"
            " use a newer image",
        ),
    )
