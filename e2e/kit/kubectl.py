"""kubectl and Helm as subprocesses: what a user types, with errors that say what was typed.

The command line is used on purpose: stories then prove what users do. Only reads of whole objects
(`get`, `list`), which a story repeats while it waits, do without it (`objects`).
"""

import json
import os
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from e2e.kit.objects import ReadError, objects
from e2e.kit.yamls import dump

FEWER_COLLECTIONS: Final = "1000"
"""Go's `GOGC`: the first collection at 40 MB instead of 4 MB. A quarter of the processor time of a
short command is collections."""


class CommandError(Exception):
    """A command failed; the message holds the command, its status and what it wrote."""

    def __init__(self, command: Sequence[str], status: int | None, output: str) -> None:
        ended = "did not end in time" if status is None else f"ended with {status}"
        super().__init__(f"`{shlex.join(command)}` {ended}:\n{output.strip()[-3000:]}")
        self.output = output


def call(
    command: Sequence[str],
    *,
    stdin: str | None = None,
    timeout: float = 60.0,
    environment: dict[str, str] | None = None,
    accept: Sequence[int] = (0,),
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end.

    Raises:
        CommandError: it ended with a status outside `accept`, or not in time (seconds).
    """
    try:
        done = subprocess.run(
            list(command),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**os.environ, **(environment or {})},
        )
    except subprocess.TimeoutExpired as error:
        raise CommandError(command, None, str(error.stderr or "")) from error
    if done.returncode not in accept:
        raise CommandError(command, done.returncode, done.stderr + done.stdout)
    return done


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A Kubernetes cluster and the two programs that talk to it."""

    kubeconfig: Path
    kubectl: str = "kubectl"
    helm: str = "helm"
    builtin: bool = False
    """True: the built-in cluster, whose node and processes a story may touch."""

    @property
    def environment(self) -> dict[str, str]:
        """Return what both programs need."""
        return {"KUBECONFIG": str(self.kubeconfig), "GOGC": FEWER_COLLECTIONS}

    def namespace(self, name: str) -> "Namespace":
        """Return kubectl bound to a namespace."""
        return Namespace(cluster=self, name=name)

    def run_helm(self, *arguments: str, timeout: float = 360.0) -> str:
        """Run Helm; return what it wrote."""
        return call([self.helm, *arguments], timeout=timeout, environment=self.environment).stdout


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """kubectl in one namespace."""

    cluster: Cluster
    name: str
    user: str = ""
    """Impersonated user; empty means the kubeconfig's own."""

    def as_user(self, user: str) -> "Namespace":
        """Return the same namespace, seen by somebody else."""
        return replace(self, user=user)

    def command(self, *arguments: str) -> list[str]:
        """Return the whole command line."""
        who = ["--as", self.user] if self.user else []
        return [self.cluster.kubectl, "--namespace", self.name, *who, *arguments]

    def run(
        self,
        *arguments: str,
        stdin: str | None = None,
        timeout: float = 60.0,
        accept: Sequence[int] = (0,),
    ) -> str:
        """Run kubectl; return what it wrote."""
        return call(
            self.command(*arguments),
            stdin=stdin,
            timeout=timeout,
            environment=self.cluster.environment,
            accept=accept,
        ).stdout

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """Return one object, or None where there is none.

        Raises:
            CommandError: there is no such kind, or the API server refused or did not answer.
        """
        try:
            return objects(self.cluster.kubeconfig).get(self.name, kind, name, self.user)
        except ReadError as error:
            raise CommandError(self.command("get", kind, name), 1, str(error)) from error

    def must_get(self, kind: str, name: str) -> dict[str, Any]:
        """Return one object that is known to exist.

        Raises:
            CommandError: as in `get`, and where there is none.
        """
        found = self.get(kind, name)
        if found is None:
            raise CommandError(self.command("get", kind, name), 1, f'"{name}" not found')
        return found

    def list(self, kinds: str, selector: str = "") -> list[dict[str, Any]]:
        """Return objects of one or several kinds, as `pods,services`.

        Raises:
            CommandError: as in `get`.
        """
        try:
            return objects(self.cluster.kubeconfig).list(self.name, kinds, selector, self.user)
        except ReadError as error:
            narrowed = ["--selector", selector] if selector else []
            raise CommandError(self.command("get", kinds, *narrowed), 1, str(error)) from error

    def apply(self, *documents: dict[str, Any] | Path, server_side: bool = False) -> str:
        """Apply manifests, given as objects or as files; what a user's `kubectl apply` does."""
        how = ["--server-side"] if server_side else []
        return self.run("apply", *how, "-f", "-", stdin=dump(documents))

    def differences(self, *documents: dict[str, Any] | Path) -> str:
        """Return `kubectl diff` of manifests against the cluster; empty means none."""
        return self.run("diff", "-f", "-", stdin=dump(documents), accept=(0, 1))

    def refusal(self, *documents: dict[str, Any]) -> str:
        """Apply what must be refused; return the API server's words."""
        try:
            self.apply(*documents)
        except CommandError as error:
            return error.output
        message = "the API server accepted what it must refuse"
        raise AssertionError(message)

    def patch(self, kind: str, name: str, change: dict[str, Any], *, subresource: str = "") -> None:
        """Change a part of an object."""
        below = ["--subresource", subresource] if subresource else []
        how = "merge" if not subresource else "strategic"
        self.run("patch", kind, name, *below, "--type", how, "--patch", json.dumps(change))

    def delete(self, kind: str, name: str, *extra: str) -> None:
        """Delete one object; one that is gone already is fine."""
        self.run("delete", kind, name, "--ignore-not-found", *extra, timeout=300)
