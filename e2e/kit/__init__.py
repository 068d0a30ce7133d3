"""Working with a cluster from tests and the demo: kubectl, Helm, waiting, Prometheus."""

from pathlib import Path


def manifests_folder() -> Path:
    """Return the folder of the kit's own manifests."""
    return Path(__file__).parent / "manifests"


def repository() -> Path:
    """Return the root of the repository."""
    return Path(__file__).parents[2]
