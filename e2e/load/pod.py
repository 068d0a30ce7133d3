"""Runs the load as a pod: the modules of this package go there in a ConfigMap.

The pod uses the operator's image (Python and aiohttp), ends by itself, and writes its records to its
log, from where they are followed live and, in the end, read whole.
"""

import json
import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from e2e.kit import restricted
from e2e.kit.kubectl import CommandError, Namespace
from e2e.kit.waiting import NotYet, wait_for
from e2e.load.profile import LONGEST_SECONDS, Profile, to_json
from e2e.load.records import Record, Sent, from_line, sent_from_line

IMAGE = "ghcr.io/tokenfleet/operator:0.1.0"
MODULES = ("__init__", "__main__", "client", "events", "profile", "records")
STOP = "/run/load/stop"
"""The file that ends the sending. A signal to the container's process 1 would race with its end."""
MISSING = "missing"
FOLLOW_AGAIN = 1.0
"""Seconds before a log that gave nothing is asked for again."""
ENDED = frozenset({"Succeeded", "Failed"})


def manifests(name: str, profile: Profile, *, image: str = IMAGE) -> tuple[dict[str, Any], ...]:
    """Return the ConfigMap and the pod of one load."""
    here = Path(__file__).parent
    code = {f"{m}.py": (here / f"{m}.py").read_text(encoding="utf-8") for m in MODULES}
    files = [{"key": key, "path": f"e2e/load/{key}"} for key in code]
    files.append({"key": "profile.json", "path": "profile.json"})
    # The drain's end and a start on a busy node come on top of the sending itself.
    deadline = int(min(profile.duration, LONGEST_SECONDS) + profile.drain + 120)
    container = {
        "name": "load",
        "image": image,
        "command": ["python3", "-u", "-m", "e2e.load", "/load/profile.json", STOP],
        "env": [
            {"name": "PYTHONPATH", "value": "/load"},
            {"name": "PYTHONDONTWRITEBYTECODE", "value": "1"},
        ],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": restricted.CONTAINER,
        "volumeMounts": [
            {"name": "code", "mountPath": "/load", "readOnly": True},
            {"name": "stop", "mountPath": str(Path(STOP).parent)},
        ],
    }
    pod = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": deadline,
        "terminationGracePeriodSeconds": int(profile.drain) + 5,
        "automountServiceAccountToken": False,
        "securityContext": restricted.POD,
        "containers": [container],
        "volumes": [
            {"name": "code", "configMap": {"name": name, "items": files}},
            {"name": "stop", "emptyDir": {"sizeLimit": "1Mi"}},
        ],
    }
    labels = {"app.kubernetes.io/name": "load"}
    return (
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "labels": labels},
            "data": {**code, "profile.json": to_json(profile)},
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": labels},
            "spec": pod,
        },
    )


class LoadRun:
    """One load that runs in the cluster."""

    def __init__(self, namespace: Namespace, name: str, profile: Profile) -> None:
        self.namespace = namespace
        self.name = name
        self.profile = profile
        self._live: list[Record] = []
        self._running: dict[tuple[str, int], Sent] = {}
        self._follower: subprocess.Popen[str] | None = None
        self._stopping = self._asked = self._closed = False

    def start(self) -> "LoadRun":
        """Make the pod and wait until it runs."""
        self.namespace.apply(*manifests(self.name, self.profile))

        def running() -> bool | NotYet:
            phase = self._phase()
            return phase in {"Running", *ENDED} or NotYet(phase)

        wait_for("the load to start", running, timeout=180, namespace=self.namespace)
        return self

    def follow(self) -> "LoadRun":
        """Read records as they come, in a thread of its own, into `live` and `running`."""
        threading.Thread(target=self._read, name="load-follower", daemon=True).start()
        return self

    def _read(self) -> None:
        command = self.namespace.command("logs", "--follow", self.name)
        # A kubelet that is busy may refuse at first; what has been read is read once.
        while not (self._closed or self._live or self._running):
            self._follower = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env={**os.environ, **self.namespace.cluster.environment},
            )
            assert self._follower.stdout is not None
            for line in self._follower.stdout:
                self._take(line)
            self._follower.wait()
            time.sleep(FOLLOW_AGAIN)

    def _take(self, line: str) -> None:
        record, sent = from_line(line), sent_from_line(line)
        if sent is not None:
            self._running[sent.feature, sent.number] = sent
        if record is not None:
            self._live.append(record)
            self._running.pop((record.feature, record.number), None)

    @property
    def running(self) -> dict[tuple[str, int], Sent]:
        """Requests that were sent and have not ended; changes while the load is followed."""
        return self._running

    @property
    def live(self) -> list[Record]:
        """What was read so far; grows while the load is followed."""
        return self._live

    def stop(self) -> None:
        """Ask for the end of the sending; running requests still get their drain.

        Whether it came to that the pod's phase says (`wait`), and not how this command ended: the end
        that it asks for may cut it off.
        """
        self._stopping = True
        try:
            self.namespace.run("exec", self.name, "--", "touch", STOP)
        except CommandError:
            return  # `wait` asks again while the pod runs
        self._asked = True

    def wait(self) -> list[Record]:
        """Wait for the end; return all records, read whole from the log.

        Raises:
            AssertionError: it did not end in time, or the pod failed; the message holds its last lines.
        """
        limit = self.profile.duration + self.profile.drain + 60

        def ended() -> bool | NotYet:
            phase = self._phase()
            if phase in ENDED:
                return True
            if phase == MISSING:
                message = f"there is no pod {self.name} any more"
                raise AssertionError(message)
            if self._stopping and not self._asked:
                self.stop()
            return NotYet(phase)

        wait_for("the load to end", ended, timeout=limit, every=1, namespace=self.namespace)
        self.close()
        if self._phase() == "Failed":
            log = self.namespace.run("logs", self.name, "--tail", "20")
            message = f"the load failed:\n{log}"
            raise AssertionError(message)
        return self.records()

    def finish(self, *, at_least: int = 0) -> list[Record]:
        """Stop once so many requests have ended, and wait."""

        def enough() -> bool | NotYet:
            seen = len(self._live)
            if seen < at_least:  # what is followed may lag, or nobody follows
                seen = len(self.records())
            return seen >= at_least or NotYet(f"{seen} requests have ended")

        wait_for(f"{at_least} requests", enough, timeout=240, namespace=self.namespace)
        self.stop()
        return self.wait()

    def records(self) -> list[Record]:
        """Return all records that the log holds now, by time of sending."""
        lines = self.namespace.run("logs", self.name).splitlines()
        found = [record for line in lines if (record := from_line(line))]
        return sorted(found, key=lambda record: record.at)

    def close(self) -> None:
        """End the follower."""
        self._closed = True
        if self._follower is not None and self._follower.poll() is None:
            self._follower.terminate()

    def _phase(self) -> str:
        pod = self.namespace.get("pod", self.name)
        return MISSING if pod is None else str(pod["status"].get("phase", ""))


def describe(records: list[Record]) -> str:
    """Return failed requests in a few lines, for a message."""
    bad = [r for r in records if r.outcome == "failed"]
    return json.dumps(
        [{"at": r.at, "status": r.status, "pool": r.pool, "error": r.error} for r in bad[:8]],
        indent=1,
    )
