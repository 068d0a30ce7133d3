"""Begin what takes minutes to build, beside work that needs none of it yet.

    python -m e2e.ahead

Each build runs in a process of its own, and who needs it waits for it. Those that are needed later
give way to those that are needed sooner, and all of them to what runs in the foreground.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from e2e.argo import build as argo
from e2e.cluster import build, dockerfiles, images, llama, once
from e2e.cluster.lifecycle import BESIDE
from e2e.cluster.progress import say
from e2e.kit.clusters import foreign


@dataclass(frozen=True, slots=True)
class Build:
    """Something that is built once, and how to build it."""

    name: str
    """Of its lock and of its log in the cache."""
    called: str
    command: tuple[str, ...]
    """What `python -m` takes."""
    niceness: int
    missing: Callable[[], bool]


CLUSTER: Final = (
    Build("cluster", "Kubernetes and Prometheus", ("e2e.cluster", "build"), BESIDE, build.missing),
    Build("install", "vLLM and Envoy", ("e2e.cluster", "install"), BESIDE, images.unprepared),
    Build("images", "images", ("e2e.cluster.dockerfiles",), 19, dockerfiles.missing),
)
"""Of the built-in cluster: not for those whose KUBECONFIG names another."""
PROGRAMS: Final = (
    Build("llama", "llama-server", ("e2e.cluster.llama",), 15, llama.missing),
    Build("argocd", "Argo CD", ("e2e.argo.build",), 19, argo.missing),
)


def main() -> None:
    """Begin every build that is wanted and not done."""
    chosen = PROGRAMS if foreign() else (*CLUSTER, *PROGRAMS)
    begun = [build for build in chosen if build.missing()]
    for each in begun:
        once.begin(each.name, *each.command, niceness=each.niceness)
    if begun:
        say(f"building beside other work, once: {', '.join(each.called for each in begun)}")


if __name__ == "__main__":
    main()
