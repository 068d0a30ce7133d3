"""Reads what a user would read, once per second, into the timeline."""

import threading
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx

from e2e.demo.timeline import Decision, Observation, PodState, Timeline
from e2e.kit.proxy import ApiProxy
from e2e.kit.waiting import condition

FLEET = "/apis/tokenfleet.dev/v1alpha1/namespaces"
EVERY = 1.0
"""Seconds between two looks."""


def observed(
    at: float, *, route: Mapping[str, Any], slo: Mapping[str, Any], pods: list[Any], rule: str
) -> Observation:
    """Put the status of the objects into one observation. Pure."""
    rules = (route.get("status") or {}).get("rules") or []
    status = slo.get("status") or {}
    mine: Mapping[str, Any] = next((r for r in rules if r["name"] == rule), {})
    met = condition(dict(slo), "Met").get("status")
    quantiles, shadow = status.get("quantiles") or {}, status.get("shadow") or {}
    return Observation(
        at=at,
        shares={share["name"]: share["share"] for share in mine.get("shares") or []},
        reason=mine.get("reason", ""),
        state=status.get("state", ""),
        data=(status.get("data") or {}).get("state", ""),
        met={"True": True, "False": False}.get(met or ""),
        burn_rate=(status.get("current") or {}).get("burnRate", ""),
        p50=quantiles.get("p50", ""),
        p99=quantiles.get("p99", ""),
        shadow={share["name"]: share["share"] for share in shadow.get("shares") or []},
        shadow_transition=shadow.get("transition", ""),
        shadow_reason=shadow.get("message", ""),
        decision=_decision(status.get("lastDecision")),
        pods=tuple(pod_state(pod) for pod in pods),
    )


def _decision(found: Mapping[str, Any] | None) -> Decision | None:
    if not found:
        return None
    return Decision(
        id=found["id"],
        transition=found["transition"],
        at=datetime.fromisoformat(found["at"]).timestamp(),
        from_share=found["fromShare"],
        to_share=found["toShare"],
        reason=found["reason"],
    )


def pod_state(pod: Mapping[str, Any]) -> PodState:
    """Put a pod's status into a line of the view."""
    labels = pod["metadata"].get("labels") or {}
    status = pod.get("status") or {}
    running = (status.get("containerStatuses") or [{}])[0]
    limits = (running.get("resources") or {}).get("limits") or {}
    deleted = "deletionTimestamp" in pod["metadata"]
    return PodState(
        name=pod["metadata"]["name"],
        role=labels.get("tokenfleet.dev/pool") or labels.get("tokenfleet.dev/router") or "",
        phase="Terminating" if deleted else status.get("phase", ""),
        ready=condition(dict(pod), "Ready").get("status") == "True",
        cpu=limits.get("cpu", ""),
    )


class Watcher:
    """A thread that looks every second until it is closed."""

    def __init__(
        self, proxy: ApiProxy, namespace: str, story: Timeline, *, route: str, rule: str, slo: str
    ) -> None:
        self._proxy, self._namespace, self._story = proxy, namespace, story
        self._route, self._rule, self._slo = route, rule, slo
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def start(self) -> "Watcher":
        """Begin to look."""
        self._thread.start()
        return self

    def close(self) -> None:
        """End."""
        self._closed.set()
        self._thread.join(timeout=15)

    def look(self) -> Observation:
        """Look once."""
        fleet = f"{FLEET}/{self._namespace}"
        route = self._proxy.get(f"{fleet}/modelroutes/{self._route}") or {}
        slo = self._proxy.get(f"{fleet}/tokenslos/{self._slo}") or {}
        pods = self._proxy.get(f"/api/v1/namespaces/{self._namespace}/pods") or {}
        return observed(
            time.time(), route=route, slo=slo, pods=pods.get("items", []), rule=self._rule
        )

    def _run(self) -> None:
        while not self._closed.wait(EVERY):
            try:
                self._story.observations.append(self.look())
            except httpx.HTTPError:
                continue  # a second without a look; the next one comes
