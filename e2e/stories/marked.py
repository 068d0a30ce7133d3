"""The part of our chart that marks CRDs, around a CRD that nobody needs, followed by Argo CD.

What Argo CD does with it, it would do with the CRDs of the cluster, on which all fleets rest: so a
test of who may lose them has one of its own, under other names.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from typing import Any, Final

import yaml

from e2e.argo.application import WELL, Application, of_the_page, status
from e2e.argo.git import Repository
from e2e.kit import repository
from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.namespaces import fresh
from e2e.kit.waiting import NotYet, wait_for
from e2e.stories.gitops import MODES

CHART: Final = Path("charts/tokenfleet")
PARTS: Final = (
    "Chart.yaml",
    "values.yaml",
    "values.schema.json",
    "templates/_helpers.tpl",
    "templates/crds.yaml",
)
LARGEST: Final = "files/crds/tokenfleet.dev_servingpools.yaml"
"""Applied client-side, a CRD is stored a second time in an annotation of limited size."""
STAYS: Final = "stays"
GOES: Final = "goes"
"""ConfigMaps beside the CRD: always in the chart; only with `crds.install`."""
LIMIT: Final = 300.0
"""Seconds for one step of Argo CD, which compares every 10 s and shares two cores with a fleet."""
_BESIDE: Final = f"""\
apiVersion: v1
kind: ConfigMap
metadata: {{name: {STAYS}}}
{{{{- if .Values.crds.install }}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: {GOES}}}
{{{{- end }}}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The chart in a folder of the repository, and the Application that installs it."""

    application: Application
    crd: str
    options: Sequence[str]

    def follow(self, *, install: bool) -> None:
        """Make the Application as the page writes it, with a value of `crds.install`."""
        self.application.apply(
            of_the_page("tokenfleet"),
            source={"helm": {"valuesObject": {"crds": {"install": install}}}},
            destination={"namespace": self.application.filled.name},
            syncPolicy={"syncOptions": list(self.options)},
        )

    def there(self, name: str) -> bool:
        """Say whether a ConfigMap of the chart exists."""
        return self.application.filled.get("configmap", name) is not None

    def pruned(self) -> bool | NotYet:
        """Say whether Argo CD has deleted what is no longer in the chart, and is content."""
        if self.there(GOES):
            return NotYet(f"the ConfigMap {GOES} is there")
        seen = status(self.application.compare())
        return seen == WELL or NotYet(f"{seen}")

    def life(self) -> str:
        """Return what a CRD that was deleted and made again has another of."""
        found = self.application.filled.must_get("crd", self.crd)["metadata"]
        return "being deleted" if "deletionTimestamp" in found else str(found["uid"])


@contextmanager
def charts(cluster: Cluster, argo: Namespace, git: Repository) -> Iterator[list[Chart]]:
    """Install a chart for each way to apply; in the end all are gone, CRDs too."""
    with ExitStack() as kept:
        made = []
        for mode, options in MODES.items():
            word = mode.partition("-")[0]
            filled = kept.enter_context(fresh(cluster, f"chart-{word}"))
            followed = Application(argo=argo, git=git, name=word, path=word, filled=filled)
            crd = write(git.tree / word, word)
            kept.callback(filled.delete, "crd", crd)
            made.append(Chart(application=followed, crd=crd, options=options))
        pushed = git.push("Charts")
        for chart in made:
            chart.follow(install=True)
        for chart in made:
            chart.application.wait(revision=pushed, timeout=LIMIT)
        yield made


def outlive(made: Sequence[Chart]) -> None:
    """Hold that a CRD outlives its place in the chart, and then the Application."""
    lives = [chart.life() for chart in made]

    assert all(chart.there(GOES) for chart in made), "nothing would show that Argo CD prunes"
    for chart in made:
        chart.follow(install=False)
    for chart in made:
        wait_for("pruning", chart.pruned, timeout=LIMIT, namespace=chart.application.filled)

    assert [chart.life() for chart in made] == lives
    for chart in made:
        chart.application.cascade()
    for chart in made:
        wait_for("the Application to be gone", chart.application.gone, timeout=LIMIT)

    assert not any(chart.there(STAYS) for chart in made), "the Application took nothing along"
    assert [chart.life() for chart in made] == lives


def write(folder: Path, word: str) -> str:
    """Write the chart into a new folder, its CRD named by a word of small letters.

    Returns:
        The name of the CRD.
    """
    ours = repository() / CHART
    for part in (*PARTS, LARGEST):
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        copyfile(ours / part, folder / part)
    (folder / "templates" / "beside.yaml").write_text(_BESIDE, encoding="utf-8")
    crd = renamed(yaml.safe_load((ours / LARGEST).read_text(encoding="utf-8")), word)
    (folder / LARGEST).write_text(yaml.safe_dump(crd, sort_keys=False), encoding="utf-8")
    return str(crd["metadata"]["name"])


def renamed(crd: dict[str, Any], word: str) -> dict[str, Any]:
    """Return a CRD that no name or category of ours finds."""
    plural, kind, group = f"{word}pools", f"{word.title()}Pool", f"{word}.example.com"
    names = {
        "plural": plural,
        "singular": kind.lower(),
        "kind": kind,
        "listKind": f"{kind}List",
    }
    spec = {**crd["spec"], "group": group, "names": names}
    return {**crd, "metadata": {**crd["metadata"], "name": f"{plural}.{group}"}, "spec": spec}
