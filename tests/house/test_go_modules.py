"""Go's programs in the tests are built beside each other: what they share is compiled once."""

import re
from pathlib import Path

from tests.house.repository import ROOT

APART = {"github.com/gobwas/glob"}
"""Of these each needs its own: OpenTelemetry's collector, in Prometheus, does not compile with 1.0."""
CLUSTER, ARGO_CD = (ROOT / "e2e" / name / "go.mod" for name in ("cluster", "argo"))


def modules(file: Path) -> dict[str, str]:
    """Return the version of each module that a go.mod names, as it is built."""
    text = re.sub(r"\s*//.*", "", file.read_text(encoding="utf-8"))
    required = re.findall(r"^(?:require )?\t?(\S+\.\S+) (v\S+)$", text, re.MULTILINE)
    replaced = re.findall(r"^(?:replace )?\t?(\S+)(?: v\S+)? => \S+ (v\S+)$", text, re.MULTILINE)
    named = dict(required)
    return named | {path: version for path, version in replaced if path in named}


def test_argo_cd_is_built_from_the_modules_of_the_cluster() -> None:
    """Go's cache knows a package by its source and by the sources of all that it imports."""
    cluster, argo_cd = modules(CLUSTER), modules(ARGO_CD)
    shared = cluster.keys() & argo_cd.keys()
    assert {"k8s.io/client-go", "k8s.io/kubernetes", "golang.org/x/net"} <= shared
    other = {
        path: (cluster[path], argo_cd[path])
        for path in shared - APART
        if cluster[path] != argo_cd[path]
    }
    assert other == {}, "name the same version in both: 'go get MODULE@VERSION' in each folder"


def test_both_are_compiled_by_the_same_go() -> None:
    cluster, argo_cd = (
        re.findall(r"^go (\S+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
        for file in (CLUSTER, ARGO_CD)
    )
    assert len(cluster) == 1
    assert cluster == argo_cd
