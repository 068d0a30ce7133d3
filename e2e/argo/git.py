"""A git repository on the loopback, served by git's own daemon: what Argo CD follows."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from e2e.argo.processes import LOOPBACK
from e2e.kit.ports import free_port
from e2e.kit.processes import listening, process
from e2e.kit.yamls import dump

BRANCH: Final = "main"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A working tree and the bare repository that it pushes to."""

    tree: Path
    url: str

    def write(self, folder: str, documents: list[dict[str, Any]]) -> None:
        """Let a folder hold these manifests and no others."""
        place = self.tree / folder
        place.mkdir(exist_ok=True)
        (place / "fleet.yaml").write_text(dump(documents), encoding="utf-8")

    def push(self, message: str) -> str:
        """Commit what has changed in the tree, and push; return the commit."""
        _git(self.tree, "add", "--all")
        _git(self.tree, "commit", "--quiet", "--message", message)
        _git(self.tree, "push", "--quiet", "origin", BRANCH)
        return _git(self.tree, "rev-parse", "HEAD").strip()


@contextlib.contextmanager
def repository(folder: Path) -> Iterator[Repository]:
    """Make an empty repository below `folder` and serve it."""
    bare, tree, port = folder / "served" / "fleet.git", folder / "tree", free_port()
    bare.parent.mkdir(parents=True)
    _git(folder, "init", "--quiet", "--bare", f"--initial-branch={BRANCH}", str(bare))
    _git(folder, "clone", "--quiet", str(bare), str(tree))
    _git(tree, "checkout", "--quiet", "-B", BRANCH)
    with (folder / "git-daemon.log").open("w") as log:
        serve = ["git", "daemon", f"--listen={LOOPBACK}", f"--port={port}", "--export-all",
                 f"--base-path={bare.parent}", str(bare.parent)]  # fmt: skip
        with process(serve, log=log):
            listening(f"{LOOPBACK}:{port}")
            yield Repository(tree=tree, url=f"git://{LOOPBACK}:{port}/{bare.name}")


def _git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=fleet", "-c", "user.email=fleet@example.com"]
    return subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout
