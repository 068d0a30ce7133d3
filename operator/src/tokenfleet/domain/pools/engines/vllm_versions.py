"""Engine images that are too old for the arguments they would get, as far as a tag tells.

Only tags that count vLLM's own releases are read. Many images hold vLLM and count something else:
LMCache's, Dynamo's, vendors' own releases. To refuse one of those would keep a pool that works from
running; an engine that is too old says so itself when it starts.
"""

import re
from typing import Final

from tokenfleet.api.conditions import ACCEPTED
from tokenfleet.api.v1alpha1.servingpool import Managed
from tokenfleet.domain.fleet.problems import Problem

OLDEST: Final = (0, 18)
"""First vLLM release that knows `--shutdown-timeout`."""
_TAG: Final = re.compile(
    r"(?:^|/)(?<!lmcache/)"
    r"(?:vllm/vllm-[a-z0-9-]+|vllm|vllm-openai[a-z0-9-]*|vllm-[a-z0-9-]*release-repo)"
    r":v?(\d+)\.(\d+)(?:$|[-+._@])"
)
"""Repositories of the project, mirrors of them, and repositories called `vllm`."""


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
