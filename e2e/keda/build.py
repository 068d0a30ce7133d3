"""KEDA's operator and metrics server, built once from their Go module.

    python -m e2e.keda.build    build them now, if they are not built

KEDA is compiled against the modules that the cluster's own go.mod names, so most of its packages are
compiled already: 150 of 1,500 are not, and take about a minute of one core.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from e2e.cluster import beside, once, paths
from e2e.cluster.build import (
    FLAGS,
    binaries,
    compile_module,
    ensure_built,
    go_command,
    go_environment,
)
from e2e.cluster.errors import ClusterError
from e2e.cluster.progress import step
from e2e.cluster.space import require_space
from e2e.keda.source import INSTEAD, trim

VERSION: Final = "2.21.0"
MODULE: Final = "github.com/kedacore/keda/v2"
SUM: Final = "h1:R6z2HZvstK4RLUMxroNACzBj74xGxt3kG59b5Xc+Xps="
"""Of the module's files, as in the public checksum database."""
HERE: Final = Path(__file__).resolve().parent
SUMS: Final = HERE / "modules.sum"
REQUIRED: Final = (
    f"{MODULE} v{VERSION}",
    "github.com/expr-lang/expr v1.17.8",
    (
        "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
        " v1.1.1-0.20250905170011-2dc9821e1ff0"
    ),
    "github.com/open-policy-agent/cert-controller v0.16.0",
    "github.com/rcrowley/go-metrics v0.0.0-20250401214520-65e299d6c5c9",
    # KEDA's go.mod names the one of Kubernetes 1.36, which does not compile against 1.37.
    "sigs.k8s.io/custom-metrics-apiserver v1.37.0",
    # Asked for by cert-controller; go.mod replaces it by the cluster's.
    "k8s.io/kube-aggregator v0.35.2",
)
"""What the cluster's go.mod does not name, in the versions of KEDA's own where nothing is said."""
PROGRAMS: Final = {
    "operator": "keda",
    "adapter": "keda-adapter",
    "webhooks": "keda-admission-webhooks",
}
"""Folders of KEDA's `cmd`, and what its images call the programs."""
CONFIG: Final = "config"
"""Folder of KEDA's manifests, kept beside the programs."""
EXPECTED_COMPILATIONS: Final = 150
NEEDED_SPACE: Final = 2 << 30
"""Bytes: modules 0.3 GiB, Go's build cache 0.5 GiB, the programs 0.1 GiB, and room to link."""


def folder() -> Path:
    """Return where the programs and their manifests lie once they are built."""
    digest = hashlib.sha256("\0".join((binaries().name, SUM, *REQUIRED, *PROGRAMS)).encode())
    for path in (HERE / "source.py", SUMS, *sorted(INSTEAD.rglob("*.go"))):
        digest.update(path.read_bytes())
    return paths.SOFTWARE / f"keda-{digest.hexdigest()[:16]}"


def programs() -> Path:
    """Return the folder with the programs and `config`; build what is not built."""
    target = folder()
    if target.exists():
        return target
    ensure_built()
    with once.alone("keda", "KEDA"):
        if not target.exists():
            with step("building KEDA (about a minute, once; more where Go's own cache is empty)"):
                _build(target)
    return target


def _build(target: Path) -> None:
    require_space("building KEDA", NEEDED_SPACE, paths.SOFTWARE)
    go, module = go_command(), _module()
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o755)
    source = part / "source"
    trim(module, source)
    named = beside.go_module(
        part / "keda.mod", REQUIRED, SUMS.read_text(encoding="utf-8"), {MODULE: source}
    )
    compile_module(
        [go, "build", "-v", f"-modfile={named}", *FLAGS, "-ldflags", "-s -w", "-o", f"{part}/",
         *(f"{MODULE}/cmd/{name}" for name in PROGRAMS)],
        folder=paths.HERE, expected=EXPECTED_COMPILATIONS,
    )  # fmt: skip
    for name, called in PROGRAMS.items():
        (part / name).rename(part / called)
    shutil.copytree(module / CONFIG, part / CONFIG, copy_function=shutil.copyfile)
    for path in (part / CONFIG, *(path for path in (part / CONFIG).rglob("*") if path.is_dir())):
        path.chmod(0o755)
    shutil.rmtree(source)
    part.rename(target)


def _module() -> Path:
    """Return the folder of KEDA's source, checked against its hash."""
    asked = [go_command(), "mod", "download", "-json", f"{MODULE}@v{VERSION}"]
    done = subprocess.run(
        asked, cwd=paths.HERE, env=go_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ClusterError(f"'{' '.join(asked)}' failed: {(done.stderr or done.stdout)[-300:]}")
    said = json.loads(done.stdout)
    if said["Sum"] != SUM:
        raise ClusterError(f"{MODULE} v{VERSION} has the hash {said['Sum']}, not {SUM}")
    return Path(said["Dir"])


if __name__ == "__main__":
    try:
        programs()
    except ClusterError as error:
        sys.exit(f"tokenfleet: {error}")
