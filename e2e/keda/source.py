"""KEDA's source, less what a ScaledObject with a trigger for Prometheus never reaches.

The clients of some seventy other triggers, of three clouds, and of four stores of secrets are two
thirds of what KEDA compiles. They are left out, and files of `instead` refuse what they did. What is
tried stays as it is: controllers, scale loop and executor, the trigger, authentication by Kubernetes
Secrets, the metrics server, certificates.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from e2e.cluster.errors import ClusterError

INSTEAD: Final = Path(__file__).resolve().parent / "instead"
"""Folders named after those of KEDA's `pkg`."""
COMPILED: Final = ("apis", "cmd", "controllers", "pkg", "version")
KEPT_SCALERS: Final = ("prometheus_scaler.go", "scaler.go")
GONE: Final = (
    "scalers/aws/*.go",
    "scalers/azure/*.go",
    "scalers/gcp/*.go",
    "scaling/resolver/*_handler.go",
    "eventemitter/*_handler.go",
    "util/ginkgo_reporter.go",
)
BUILDER: Final = "scaling/scalers_builder.go"
SWITCH: Final = "\tswitch triggerType {\n"
WANTED: Final = "scalers.NewPrometheusScaler("
TRANSPORT: Final = "scalers/authentication/authentication_helpers.go"
FAST: Final = re.compile(r"\tcase FastHTTP:\n.*?(?=\t\}\n\n\treturn rt, nil\n\})", re.DOTALL)
"""A transport for a single one of the other triggers."""
FAST_IMPORTS: Final = re.compile(
    r'^\t(?:libs |pConfig )?"github\.com/(?:dysnix|prometheus/common)/.*\n', re.MULTILINE
)


def trim(module: Path, place: Path) -> None:
    """Copy the module's Go source to a new folder `place` without what is left out.

    Its `go.mod` names no version: the module that builds it does.

    Raises:
        ClusterError: the source is not the one that this was written for.
    """
    ignored = shutil.ignore_patterns("*_test.go", "mock*")
    for name in COMPILED:
        # Not the modes: files of Go's module cache are read-only.
        shutil.copytree(module / name, place / name, ignore=ignored, copy_function=shutil.copyfile)
    for folder in (place, *(path for path in place.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    said = (module / "go.mod").read_text(encoding="utf-8").splitlines()
    head = [line for line in said if line.startswith(("module ", "go "))]
    (place / "go.mod").write_text("\n".join(head) + "\n", encoding="utf-8")
    _leave_out(place / "pkg")


def _leave_out(packages: Path) -> None:
    scalers = [path for path in packages.glob("scalers/*.go") if path.name not in KEPT_SCALERS]
    for path in (*scalers, *(path for pattern in GONE for path in packages.glob(pattern))):
        path.unlink()
    shutil.copytree(INSTEAD, packages, dirs_exist_ok=True)
    _edit(packages / BUILDER, _one_trigger)
    _edit(packages / TRANSPORT, lambda text: FAST_IMPORTS.sub("", FAST.sub("", text)))


def _one_trigger(text: str) -> str:
    """Return the list of triggers with one left."""
    head, _, rest = text.partition(SWITCH)
    cases, end, tail = rest.partition("\tdefault:")
    kept = [case for case in re.split(r"^(?=\tcase )", cases, flags=re.MULTILINE) if WANTED in case]
    return "".join((head, SWITCH, *kept, end, tail))


def _edit(path: Path, change: Callable[[str], str]) -> None:
    before = path.read_text(encoding="utf-8")
    after = change(before)
    if after == before:
        raise ClusterError(f"{path.name} of this KEDA is written differently: see {__name__}")
    path.write_text(after, encoding="utf-8")
