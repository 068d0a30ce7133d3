"""An application that carries a router: the load, as a Deployment that asks 127.0.0.1."""

from dataclasses import dataclass, field, replace
from typing import Any

from e2e.kit.waiting import NotYet, wait_for
from e2e.kit.yamls import merged
from e2e.load.pod import LoadRun, manifests
from e2e.load.records import Record
from e2e.stories import fleet as written
from e2e.stories.fleet import ROUTER, Fleet

APPLICATION = "web"
SCRAPED = {"prometheus.io/scrape": "true", "prometheus.io/port": "9091"}


def sidecar_router(name: str = ROUTER, **change: Any) -> dict[str, Any]:
    """Return a router that pods of the namespace's default account may carry."""
    spec = {"type": "Sidecar", "sidecar": {"serviceAccounts": ["default"], "cpu": "50m"}}
    return {
        "apiVersion": written.API,
        "kind": "ModelRouter",
        "metadata": {"name": name},
        "spec": merged(spec, change),
    }


@dataclass(slots=True, kw_only=True)
class Application:
    """Pods that send requests to their own router, and what became of the requests."""

    fleet: Fleet
    rate: float = 4.0
    talk: dict[str, Any] = field(default_factory=dict)
    runs: dict[str, LoadRun] = field(default_factory=dict)
    """Pod -> its load, also of pods that are gone."""

    def deploy(self, *, replicas: int = 2, version: str = "one") -> None:
        """Apply the Deployment."""
        profile = written.profile(
            self.fleet.namespace.name, duration=900.0, rate=self.rate, **self.talk
        )
        profile = replace(profile, url="http://127.0.0.1:8787")
        config, pod = manifests(APPLICATION, profile)
        spec = {
            key: value
            for key, value in pod["spec"].items()
            if key not in ("restartPolicy", "activeDeadlineSeconds")
        }
        labels = {"app": APPLICATION, "tokenfleet.dev/router": ROUTER, "version": version}
        deployment = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": APPLICATION},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": APPLICATION}},
                "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
                "template": {
                    "metadata": {"labels": labels, "annotations": SCRAPED},
                    "spec": spec,
                },
            },
        }
        self.fleet.namespace.apply(config, deployment)

    def wait(self, *, replicas: int = 2, version: str = "one") -> None:
        """Wait until exactly these pods run and are ready; follow what each of them sends."""

        def settled() -> bool | NotYet:
            pods = self.fleet.namespace.list("pods", f"app={APPLICATION}")
            for pod in pods:
                self._follow(pod)
            new = [p for p in pods if p["metadata"]["labels"]["version"] == version]
            ready = [p for p in new if _ready(p)]
            done = len(pods) == len(ready) == replicas
            return done or NotYet(f"{len(ready)} of {len(pods)} pods are new and ready")

        wait_for("the application", settled, timeout=240, namespace=self.fleet.namespace)

    def records(self) -> list[Record]:
        """Return what was answered so far, of all pods that ever were."""
        return [record for run in self.runs.values() for record in run.live]

    def restarts(self) -> int:
        """Return how often any container of the pods has been started again."""
        return sum(
            status["restartCount"]
            for pod in self.fleet.namespace.list("pods", f"app={APPLICATION}")
            for part in ("initContainerStatuses", "containerStatuses")
            for status in pod["status"].get(part, ())
        )

    def _follow(self, pod: dict[str, Any]) -> None:
        name = pod["metadata"]["name"]
        started = [s for s in pod["status"].get("containerStatuses", ()) if s.get("started")]
        if name not in self.runs and started:
            profile = written.profile(self.fleet.namespace.name, duration=900.0)
            self.runs[name] = LoadRun(self.fleet.namespace, name, profile).follow()


def _ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
