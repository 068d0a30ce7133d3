"""Room on the disk, asked for before long work begins."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from e2e.cluster.errors import ClusterError

LARGER_DISK: Final = "set XDG_CACHE_HOME to a larger disk"


def require_space(what: str, needed: int, folder: Path, *, otherwise: str = LARGER_DISK) -> None:
    """Raise ClusterError where fewer than `needed` bytes are free.

    Args:
        what: the beginning of the sentence that says who needs them.
        folder: on that disk; it need not exist yet.
        otherwise: what to do where no room can be made.
    """
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise ClusterError(
            f"{what} needs {needed >> 30} GiB below {folder}, but {free / 2**30:.1f} GiB are free: "
            f"make room, or {otherwise}"
        )
