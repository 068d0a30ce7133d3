"""Applications: as the page writes them, and what Argo CD says of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from e2e.argo.git import BRANCH, Repository
from e2e.kit import repository
from e2e.kit.kubectl import Namespace
from e2e.kit.waiting import NotYet, wait_for
from e2e.kit.yamls import merged

PAGE: Final = Path("operator/docs/gitops.md")
KIND: Final = "application.argoproj.io"
REFRESH: Final = "argocd.argoproj.io/refresh"
"""Annotation that asks for a comparison; Argo CD takes it away when it has compared."""
CASCADE: Final = "resources-finalizer.argocd.argoproj.io"
"""Finalizer of an Application that takes its objects along."""
_YAML: Final = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
Status = tuple[str, str]
"""Sync and health, as `kubectl get application` shows them."""
WELL: Final[Status] = ("Synced", "Healthy")


def of_the_page(name: str) -> dict[str, Any]:
    """Return the Application of that name from the page."""
    return next(found for found in documents() if (found.get("metadata") or {}).get("name") == name)


def documents() -> list[dict[str, Any]]:
    """Return every document in YAML on the page, parts of objects included."""
    text = (repository() / PAGE).read_text(encoding="utf-8")
    return [found for block in _YAML.findall(text) for found in yaml.safe_load_all(block)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One Application and the folder of the repository that it follows."""

    argo: Namespace
    git: Repository
    name: str
    path: str
    filled: Namespace
    """Where its objects are."""

    def apply(self, written: dict[str, Any], **spec: Any) -> None:
        """Make or change it: as written, but for its name, its source, and `spec`."""
        where = {
            "repoURL": self.git.url,
            "path": self.path,
            "targetRevision": BRANCH,
            "chart": None,
        }
        mine = {"metadata": {"name": self.name}, "spec": {"source": where}}
        self.argo.apply(merged(merged(written, mine), {"spec": spec}))

    def get(self) -> dict[str, Any]:
        """Return it as it is."""
        return self.argo.must_get(KIND, self.name)

    def look(self) -> None:
        """Tell Argo CD of a commit, as a webhook would."""
        self.argo.run("annotate", KIND, self.name, f"{REFRESH}=normal", "--overwrite")

    def cascade(self) -> None:
        """Delete it with all its objects; return at once."""
        self.argo.patch(KIND, self.name, {"metadata": {"finalizers": [CASCADE]}})
        self.argo.delete(KIND, self.name, "--wait=false")

    def gone(self) -> bool | NotYet:
        """Say whether it and its objects are deleted."""
        return self.argo.get(KIND, self.name) is None or NotYet(f"{self.name} is there")

    def compare(self) -> dict[str, Any]:
        """Let Argo CD compare what is with what is written; return the Application after that."""
        self.look()

        def compared() -> dict[str, Any] | NotYet:
            found = self.get()
            waits = REFRESH in (found["metadata"].get("annotations") or {})
            return NotYet("not compared yet") if waits else found

        return wait_for(f"{self.name} to be compared", compared, timeout=240, namespace=self.argo)

    def wait(self, *wanted: Status, revision: str = "", timeout: float = 300) -> dict[str, Any]:
        """Wait until it is as wanted, by default well, at a commit if one is named; return it."""

        def probe() -> dict[str, Any] | NotYet:
            found = self.get()
            seen, synced = status(found), revision_of(found)
            if seen in (wanted or (WELL,)) and revision in {"", synced}:
                return found
            if seen[0] == "Unknown":
                self.look()  # after an error it would wait for its next round
            return NotYet(f"{seen} at {synced[:7]}: {said(found)}")

        words = " or ".join("/".join(one) for one in wanted or (WELL,))
        return wait_for(f"{self.name} {words}", probe, timeout=timeout, namespace=self.filled)


def status(found: dict[str, Any]) -> Status:
    """Return sync and health of an Application."""
    told = found.get("status") or {}
    return (
        (told.get("sync") or {}).get("status", ""),
        (told.get("health") or {}).get("status", ""),
    )


def said(found: dict[str, Any]) -> str:
    """Return what Argo CD says about errors, and about its last operation."""
    told = found.get("status") or {}
    errors = [one["message"] for one in told.get("conditions") or []]
    return "; ".join([*errors, (told.get("operationState") or {}).get("message", "")])


def revision_of(found: dict[str, Any]) -> str:
    """Return the commit that it has compared with."""
    return str((((found.get("status") or {}).get("sync")) or {}).get("revision", ""))
