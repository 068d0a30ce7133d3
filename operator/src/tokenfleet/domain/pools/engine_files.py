"""Files that the operator writes for an engine, without an object beside the pod.

Each is an annotation of the pod, which the kubelet puts into a file (downward API). So a changed
file is a changed template: it rolls out as every other change does.
"""

from collections.abc import Mapping
from typing import Any, Final

from tokenfleet.api.conventions import GROUP
from tokenfleet.domain.pools.engines.engine import FILES_PATH

VOLUME: Final = "engine-files"


def annotations(files: Mapping[str, str]) -> dict[str, str]:
    """Return the pod's annotations that hold the files."""
    return {_key(name): text for name, text in sorted(files.items())}


def volumes(files: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the volume with the files, or nothing where there are none."""
    if not files:
        return []
    items = [
        {"path": name, "fieldRef": {"fieldPath": f"metadata.annotations['{_key(name)}']"}}
        for name in sorted(files)
    ]
    return [{"name": VOLUME, "downwardAPI": {"items": items}}]


def mounts(files: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the mount of `volumes`."""
    return [{"name": VOLUME, "mountPath": FILES_PATH, "readOnly": True}] if files else []


def _key(name: str) -> str:
    return f"engine.{GROUP}/{name}"
