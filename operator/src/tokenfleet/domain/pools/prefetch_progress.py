"""What is seen of a download into a pool's cache: progress, and what it is stuck on."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tokenfleet.api.conditions import WEIGHTS_FETCHED
from tokenfleet.api.v1alpha1.condition import Condition
from tokenfleet.domain.fleet.conditions import condition
from tokenfleet.domain.fleet.troubles import TOLD, Trouble, troubles
from tokenfleet.domain.pools.prefetch import Weights, ended

Body = Mapping[str, Any]

FETCHING: Final = "FetchingWeights"
MOST: Final = 2**53 - 1
JOB_LABEL: Final = "batch.kubernetes.io/job-name"
"""By which a Job's pods say whose they are."""
PROGRESS: Final = ("bytes", "totalBytes", "files", "totalFiles")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetching:
    """How far the weights are that a pool asks for ahead."""

    condition: Condition
    done: bool
    """Replicas follow the spec."""
    progress: Mapping[str, int]
    """For the status; empty while nothing is known."""


def fetching(
    name: str, weights: Weights, children: Sequence[Body], pods: Iterable[Body]
) -> Fetching | None:
    """Return what is seen, or None where nothing is fetched ahead.

    Args:
        name: the pool's.
        weights: what it asks for.
        children: objects that it owns.
        pods: of its Jobs.
    """
    if not weights.wanted:
        return None
    mine = [p for p in pods if p["metadata"].get("labels", {}).get(JOB_LABEL) == weights.job]
    progress = _progress(mine)
    if weights.fetched:
        message = f"pool {name}: its weights lie in the cache"
        found = condition(WEIGHTS_FETCHED, status=True, reason="Fetched", message=message)
        return Fetching(condition=found, done=True, progress=progress)
    message = f"pool {name}: Job {weights.job} fetches its weights{_told(progress)}"
    cause = _failed(weights.job, children) or next(iter(troubles(mine)), None)
    reason = cause.reason if cause is not None else FETCHING
    message = f"{message}; {cause.message}" if cause is not None else message
    found = condition(WEIGHTS_FETCHED, status=False, reason=reason, message=message)
    return Fetching(condition=found, done=False, progress=progress)


def _failed(name: str, children: Sequence[Body]) -> Trouble | None:
    """Return why a Job has given up: by itself it never does."""
    for child in children:
        if child["kind"] == "Job" and child["metadata"]["name"] == name:
            found = ended(child, "Failed")
            if found is not None:
                text = f"{found.get('message', '')[:TOLD]}; delete the Job to try again"
                return Trouble(reason="PrefetchFailed", message=text)
    return None


def _progress(pods: Iterable[Body]) -> dict[str, int]:
    """Return the furthest that a pod's containers have told."""
    found = [told for pod in pods for told in _messages(pod.get("status", {}))]
    return max(found, key=lambda told: told["files"], default={})


def _messages(status: Body) -> Iterable[dict[str, int]]:
    for item in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        ended_as = item.get("state", {}).get("terminated", {})
        if ended_as.get("exitCode") == 0:
            told = _read(ended_as.get("message", ""))
            if told is not None:
                yield told


def _read(message: str) -> dict[str, int] | None:
    """Return what a container told; an image could write anything."""
    try:
        told = json.loads(message)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    kept = {k: v for k in PROGRESS if type(v := told.get(k)) is int and 0 <= v <= MOST}
    return kept if {"files", "totalFiles"} <= kept.keys() else None


def _told(progress: Mapping[str, int]) -> str:
    if "totalBytes" in progress and "bytes" in progress:
        done, of = progress["bytes"] / 1e9, progress["totalBytes"] / 1e9
        return f": {done:.1f} of {of:.1f} GB are there"
    if progress:
        return f": {progress['files']} of {progress['totalFiles']} files are there"
    return ""
