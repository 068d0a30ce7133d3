"""A load that is stopped ends by its pod's phase, whatever became of the command that asked for it."""

import asyncio
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from e2e.kit import repository
from e2e.kit.kubectl import CommandError
from e2e.load.pod import STOP, LoadRun, manifests
from e2e.load.profile import Feature, Profile, to_json
from e2e.load.records import Record, to_line

PROFILE = Profile(url="http://127.0.0.1:9", model="m", features=(Feature(name="f", rate=1),), duration=600)  # fmt: skip
RECORD = Record(at=1.0, feature="f", conversation="c", outcome="ok")


@dataclass
class Pod:
    """kubectl on one pod: `exec` ends as told, and the phase moves on with every look."""

    execs: list[int]
    """Exit status of each `exec`; the last one stays."""
    phases: list[str]
    asked: list[tuple[str, ...]] = field(default_factory=list)
    name: str = "ns"

    def run(self, *arguments: str, **_: Any) -> str:
        """Run one command."""
        if arguments[0] == "exec":
            self.asked.append(arguments)
            status = self.execs.pop(0) if len(self.execs) > 1 else self.execs[0]
            if status:
                raise CommandError(arguments, status, "command terminated")
        return to_line(RECORD) if arguments[0] == "logs" else ""

    def get(self, _kind: str, _name: str) -> dict[str, Any]:
        """Return the pod."""
        phase = self.phases.pop(0) if len(self.phases) > 1 else self.phases[0]
        return {"status": {"phase": phase}}


def run(pod: Pod) -> LoadRun:
    """Return a load whose pod is the fake."""
    return LoadRun(pod, "load", PROFILE)  # type: ignore[arg-type]


def test_a_stop_that_its_own_end_cuts_off_is_no_failure() -> None:
    pod = Pod(execs=[137], phases=["Running", "Succeeded"])

    assert run(pod).finish() == [RECORD]


def test_a_stop_that_did_not_arrive_is_asked_again() -> None:
    pod = Pod(execs=[1, 0], phases=["Running", "Running", "Succeeded"])

    assert run(pod).finish() == [RECORD]
    assert [command[-2:] for command in pod.asked] == [("touch", STOP)] * 2


def test_a_load_that_failed_says_its_last_lines() -> None:
    with pytest.raises(AssertionError, match="the load failed"):
        run(Pod(execs=[0], phases=["Failed"])).finish()


def test_a_load_whose_pod_is_gone_is_not_waited_for() -> None:
    pod = Pod(execs=[1], phases=[])
    pod.get = lambda *_: None  # type: ignore[method-assign, assignment, return-value]

    with pytest.raises(AssertionError, match="no pod load any more"):
        run(pod).finish()


def test_the_pod_may_write_the_file_that_stops_it() -> None:
    _, pod = manifests("load", PROFILE)
    (container,) = pod["spec"]["containers"]

    assert container["command"][-1] == STOP
    writable = [m["mountPath"] for m in container["volumeMounts"] if not m.get("readOnly")]
    assert writable == [str(Path(STOP).parent)]


async def test_the_file_ends_the_sending(tmp_path: Path) -> None:
    profile, stop = tmp_path / "profile.json", tmp_path / "stop"
    profile.write_text(to_json(PROFILE), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "e2e.load", str(profile), str(stop), cwd=repository(),
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip

    stop.touch()

    assert await process.wait() == 0
