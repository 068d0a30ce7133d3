"""Jobs that prepare something for a story, such as files on a claim."""

from typing import Any

from e2e.kit import restricted
from e2e.kit.kubectl import Namespace
from e2e.kit.waiting import NotYet, wait_for


def job(name: str, container: dict[str, Any], volumes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a Job of one container, tried twice."""
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": restricted.OWNER,
        "containers": [{"name": "make", "securityContext": restricted.CONTAINER, **container}],
        "volumes": volumes,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": 1, "template": {"spec": pod}},
    }


def wait_done(namespace: Namespace, name: str, *, timeout: float = 300.0) -> None:
    """Wait for a Job's end.

    Raises:
        AssertionError: it failed twice; the message holds its last lines.
    """

    def done() -> bool | NotYet:
        status = namespace.must_get("job", name).get("status") or {}
        if status.get("failed", 0) > 1:
            log = namespace.run("logs", f"job/{name}", "--tail", "20")
            message = f"the Job {name} failed:\n{log}"
            raise AssertionError(message)
        return bool(status.get("succeeded")) or NotYet(str(status.get("uncountedTerminatedPods")))

    wait_for(f"the Job {name} to end", done, timeout=timeout, every=1, namespace=namespace)
