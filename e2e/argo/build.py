"""Argo CD's application controller and repo server, built once from their Go module.

    python -m e2e.argo.build    build it now, if it is not built

It comes after that of Kubernetes, which compiles two thirds of its packages: three minutes of one core
are left, seven where nothing is compiled yet. `TOKENFLEET_ARGO_CD=off` leaves it out; what needs it is
then skipped, with that reason.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from e2e.cluster import once, paths
from e2e.cluster.build import FLAGS, compile_module, ensure_built, go_command, go_environment
from e2e.cluster.errors import ClusterError
from e2e.cluster.progress import step
from e2e.cluster.space import require_space
from e2e.kit.clusters import foreign

SWITCH: Final = "TOKENFLEET_ARGO_CD"
HERE: Final = Path(__file__).resolve().parent
SOURCES: Final = ("go.mod", "go.sum", "main.go")
MODULE: Final = "github.com/argoproj/argo-cd/v3"
PROGRAM: Final = "argocd"
NAMES: Final = ("argocd-application-controller", "argocd-repo-server", "argocd-redis")
"""Under which the one binary is called; see main.go."""
LINKED: Final = "-ldflags=-s -w"
MANIFESTS: Final = (
    "crds/application-crd.yaml",
    "crds/appproject-crd.yaml",
    "base/config/argocd-cm.yaml",
    "base/config/argocd-secret.yaml",
)
"""What both programs need in a cluster, from the module's own folder `manifests`."""
VERIFIER: Final = "git-verify-wrapper.sh"
"""Called by the repo server for each commit, also where nobody asks for signatures."""
EXPECTED_COMPILATIONS: Final = 550
NEEDED_SPACE: Final = 4 << 30
"""Bytes: modules 1 GiB, Go's build cache 1.5 GiB, the binary 0.1 GiB, and room to link."""


def switched_off() -> bool:
    """Say whether the build is left out."""
    return os.environ.get(SWITCH, "").lower() == "off"


def folder() -> Path:
    """Return where the programs and their manifests lie once they are built."""
    digest = hashlib.sha256("\0".join((*FLAGS, LINKED, *NAMES, *MANIFESTS, VERIFIER)).encode())
    for name in SOURCES:
        digest.update((HERE / name).read_bytes())
    return paths.SOFTWARE / f"argocd-{digest.hexdigest()[:16]}"


def programs() -> Path:
    """Return the folder with the programs and `manifests`; wait for a build under way, or build."""
    target = folder()
    if target.exists():
        return target
    if not foreign():
        ensure_built()  # two thirds of the packages are the same
    with once.alone("argocd", "Argo CD"):
        if not target.exists():
            with step("building Argo CD (about 2 minutes on 2 cores, once)"):
                _build(target)
    return target


def missing() -> bool:
    """Say whether it is wanted and not built."""
    return not switched_off() and not folder().exists()


def _build(target: Path) -> None:
    require_space("building Argo CD", NEEDED_SPACE, paths.SOFTWARE, otherwise=f"set {SWITCH}=off")
    go = go_command()
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o755)
    command = [go, "build", "-v", *FLAGS, LINKED, "-o", str(part / PROGRAM), "."]
    compile_module(command, folder=HERE, expected=EXPECTED_COMPILATIONS)
    for name in NAMES:
        (part / name).symlink_to(PROGRAM)
    source = _source(go)
    (part / "manifests").mkdir()
    for name in MANIFESTS:
        copied = part / "manifests" / Path(name).name
        copied.write_bytes((source / "manifests" / name).read_bytes())
    (part / VERIFIER).write_bytes((source / "hack" / VERIFIER).read_bytes())
    (part / VERIFIER).chmod(0o755)
    part.rename(target)


def _source(go: str) -> Path:
    asked = [go, "mod", "download", "-json", MODULE]
    done = subprocess.run(
        asked, cwd=HERE, env=go_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ClusterError(f"'{' '.join(asked)}' failed: {done.stderr.strip()[-300:]}")
    return Path(json.loads(done.stdout)["Dir"])


if __name__ == "__main__":
    try:
        programs()
    except ClusterError as error:
        sys.exit(f"tokenfleet: {error}")
