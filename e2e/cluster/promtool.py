"""promtool, of the same module as the cluster's Prometheus; built where something asks for it.

It needs one module more than the cluster. Naming that in go.mod would make everybody build the whole
cluster again, so it is added to a copy beside the result.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from e2e.cluster import paths
from e2e.cluster.build import TAGS, binaries, ensure_built, go_command, go_environment
from e2e.cluster.errors import ClusterError
from e2e.cluster.progress import step

PACKAGE: Final = "github.com/prometheus/prometheus/cmd/promtool"
_MODULE: Final = "github.com/nsf/jsondiff v0.0.0-20260207060731-8e8d90c4c0ac"
_SUMS: Final = (
    f"{_MODULE} h1:4YV96Dzy2csSnhzl14/Qk5YsSrKAQusGsIADDn/4/g8=\n"
    f"{_MODULE}/go.mod h1:mpRZBD8SJ55OIICQ3iWH0Yz3cjzA61JdqMLoWXeB2+8=\n"
)
"""As in go.sum of the Prometheus that go.mod names."""


def ensure_promtool() -> Path:
    """Build promtool beside the cluster's programs if it is not there, and return it."""
    ensure_built()
    target = binaries() / "promtool"
    if target.exists():
        return target
    module = binaries() / "promtool.mod"
    required = (paths.HERE / "go.mod").read_text(encoding="utf-8")
    sums = (paths.HERE / "go.sum").read_text(encoding="utf-8")
    paths.write_atomically(module, f"{required}\nrequire {_MODULE}\n")
    paths.write_atomically(module.with_suffix(".sum"), sums + _SUMS)
    with step("building promtool (seconds, or minutes where Go's own cache is empty)"):
        unfinished = target.with_suffix(".unfinished")
        done = subprocess.run(
            [go_command(), "build", f"-modfile={module}", "-trimpath", "-ldflags", "-s -w",
             "-tags", TAGS, "-o", str(unfinished), PACKAGE],
            cwd=paths.HERE, env=go_environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        raise ClusterError(f"promtool cannot be built: {done.stderr.strip()[-600:]}")
    unfinished.replace(target)
    return target
