"""Teams whose fleets are in git, each followed by an Application of the real Argo CD."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from e2e.argo.application import PAGE, Application, Status, of_the_page
from e2e.argo.git import Repository
from e2e.kit import pages, repository
from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.namespaces import fresh
from e2e.kit.pages import Shell
from e2e.kit.proxy import ApiProxy
from e2e.stories import fleet as written
from e2e.stories.fleet import API, FALLBACK, PRIMARY, ROUTE, Fleet

QUIET = "quiet"
"""A route of which git does not say who controls its traffic."""
MODES = {"server-side": ["ServerSideApply=true"], "client-side": []}
"""Ways to apply -> the sync options that choose them."""
WAVES = {"ServingPool": "0", "ModelRouter": "1", "ModelRoute": "2", "TokenSLO": "3"}
"""As the page numbers them."""
AUTO = {"trafficControl": {"type": "Auto"}}


def manifests() -> list[dict[str, Any]]:
    """Return a fleet as its team writes it."""
    quiet = written.route(QUIET, rule=QUIET)
    return [
        written.pool(PRIMARY),
        written.pool(FALLBACK),
        written.router(managed={"replicas": 1}),
        written.route(**AUTO),
        quiet,
        written.slo(),
    ]


def in_waves(document: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest with the wave of its kind."""
    wave = {"argocd.argoproj.io/sync-wave": WAVES[document["kind"]]}
    return {**document, "metadata": {**document["metadata"], "annotations": wave}}


@dataclass(slots=True, kw_only=True)
class Team:
    """A namespace, and the Application that fills it from the team's folder."""

    fleet: Fleet
    application: Application
    options: list[str]
    documents: list[dict[str, Any]] = field(default_factory=manifests)

    @property
    def namespace(self) -> Namespace:
        """Return where the fleet is."""
        return self.fleet.namespace

    def follow(self, **more: Any) -> None:
        """Make the Application as the page writes it, or change its spec."""
        policy = {"syncOptions": [*self.options, *more.pop("options", [])]}
        there = {"namespace": self.namespace.name}
        self.application.apply(of_the_page("fleet"), destination=there, syncPolicy=policy, **more)

    def write(self, *changed: dict[str, Any]) -> None:
        """Put manifests in place of those of the same kind and name, in the working tree."""
        new = {(d["kind"], d["metadata"]["name"]): d for d in changed}
        self.documents = [
            new.pop((d["kind"], d["metadata"]["name"]), d) for d in self.documents
        ] + list(new.values())
        waved = [in_waves(document) for document in self.documents]
        self.application.git.write(self.application.path, waved)

    def spec(self, kind: str, name: str) -> dict[str, Any]:
        """Return the spec of an object as it is."""
        found: dict[str, Any] = self.namespace.must_get(kind, name)["spec"]
        return found

    def rule(self, route: str = ROUTE) -> dict[str, Any]:
        """Return what the status says of a route's only rule; empty where it says nothing."""
        found = self.namespace.must_get("modelroute", route)
        told: dict[str, Any] = next(iter((found.get("status") or {}).get("rules") or []), {})
        return told

    def share(self, route: str = ROUTE) -> int | None:
        """Return the primary's share of a route's only rule."""
        shares = {one["name"]: one["share"] for one in self.rule(route).get("shares", [])}
        return shares.get(PRIMARY)

    def generations(self) -> dict[str, int]:
        """Return how often the spec of each object was written."""
        kinds = "servingpools,modelrouters,modelroutes,tokenslos"
        return {
            f"{found['kind']}/{found['metadata']['name']}": found["metadata"]["generation"]
            for found in self.namespace.list(kinds)
        }


def commit(
    teams: Sequence[Team], message: str, *changed: dict[str, Any], wanted: Sequence[Status] = ()
) -> list[dict[str, Any]]:
    """Commit a change of every team's manifests, and wait until each Application is as wanted."""
    for team in teams:
        team.write(*changed)
    made = teams[0].application.git.push(message)
    for team in teams:
        team.application.look()
    return [team.application.wait(*wanted, revision=made) for team in teams]


@contextmanager
def teams(
    cluster: Cluster, proxy: ApiProxy, argo: Namespace, git: Repository
) -> Iterator[list[Team]]:
    """Make a team for each way to apply; their Applications do not exist yet."""
    with ExitStack() as kept:
        made = []
        for mode, options in MODES.items():
            namespace = kept.enter_context(fresh(cluster, mode))
            followed = Application(argo=argo, git=git, name=mode, path=mode, filled=namespace)
            fleet = Fleet(namespace=namespace, proxy=proxy)
            made.append(Team(fleet=fleet, application=followed, options=options))
        yield made


def teach_health(cluster: Cluster) -> None:
    """Run the page's command that teaches Argo CD the health of our kinds."""
    (block,) = (block for block in pages.blocks(PAGE) if "configmap argocd-cm" in block.text)
    kubectl = Path(shutil.which(cluster.kubectl) or cluster.kubectl).parent
    path = f"{kubectl}:{os.environ['PATH']}"
    reader = Shell(folder=repository(), environment={"PATH": path, **cluster.environment})
    reader.run(block, {})


def autoscaler(least: int) -> dict[str, Any]:
    """Return an autoscaler that wants at least so many replicas of the primary."""
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": PRIMARY},
        "spec": {
            "scaleTargetRef": {"apiVersion": API, "kind": "ServingPool", "name": PRIMARY},
            "minReplicas": least,
            "maxReplicas": least + 1,
            "metrics": [{"type": "Resource", "resource": cpu}],
        },
    }
