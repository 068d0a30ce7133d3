"""A fleet on engine simulators, as its user writes it, and the few things stories do with it."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from e2e.kit.kubectl import CommandError, Namespace
from e2e.kit.proxy import ApiProxy
from e2e.kit.waiting import NotYet, condition, wait_condition, wait_for
from e2e.kit.yamls import merged
from e2e.load.pod import LoadRun, describe
from e2e.load.profile import LONGEST_SECONDS, Feature, Profile
from e2e.load.records import Record

API = "tokenfleet.dev/v1alpha1"
PRIMARY, FALLBACK = "primary", "fallback"
ROUTER, ROUTE, RULE, SLO = "default", "chat", "slow", "chat-latency"
SLOW = {"ttft": 1.5}
"""Seconds to the first token: three times the objective's threshold."""
SIMULATOR = "ghcr.io/tokenfleet/engine-simulator:0.1.0"


def _object(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": spec}


def pool(name: str, **change: Any) -> dict[str, Any]:
    """Return a pool of simulated engines; `change` is merged into its spec."""
    spec = {
        "served": {"modelName": f"{name}-model"},
        "replicas": 1,
        "managed": {
            "engine": {"image": SIMULATOR},
            "model": {
                "source": {"type": "HuggingFace", "huggingFace": {"repo": f"simulated/{name}"}}
            },
            "device": "CPU",
            "cpu": {"kvCache": "64Mi"},
            "resources": {"requests": {"cpu": "20m"}, "limits": {"memory": "512Mi"}},
            "terminationGracePeriod": "30s",
        },
    }
    return _object("ServingPool", name, merged(spec, change))


def router(name: str = ROUTER, **change: Any) -> dict[str, Any]:
    """Return a router with two replicas."""
    compute = {"requests": {"cpu": "50m", "memory": "64Mi"}}
    spec = {"managed": {"replicas": 2, "drainTimeout": "30s", "resources": compute}}
    return _object("ModelRouter", name, merged(spec, change))


def route(name: str = ROUTE, *, rule: str = RULE, **change: Any) -> dict[str, Any]:
    """Return a route with one rule: the primary, and the fallback standing in."""
    spec = {
        "parentRefs": [{"name": ROUTER}],
        "modelNames": [name],
        "features": ["generation"],
        "requestTypes": ["chat"],
        "rules": [
            {
                "name": rule,
                "backendRefs": [{"name": PRIMARY}],
                "fallbackRefs": [{"name": FALLBACK}],
            }
        ],
    }
    return _object("ModelRoute", name, merged(spec, change))


def slo(*, name: str = SLO, shift: bool = True, rule: str = RULE, **change: Any) -> dict[str, Any]:
    """Return an objective with windows short enough for a story scraped every two seconds."""
    pace = {"primaryFloor": "0.1", "settle": "8s", "dwell": "8s", "holdBeforeRecovery": "10s"}
    breach = {"type": "ShiftTraffic", "shiftTraffic": pace} if shift else {"type": "Alert"}
    spec = {
        "targetRef": {"name": ROUTE, "sectionName": rule},
        "objective": {
            "type": "Latency",
            "latency": {"threshold": "500ms", "target": "0.9"},
        },
        "control": {
            "shortWindow": "8s",
            "longWindow": "12s",
            "minimumEvents": {"total": 5, "bad": 3},
        },
        "data": {"maxStaleness": "10s", "minCoverage": "0.5"},
        "onBreach": breach,
    }
    return _object("TokenSLO", name, merged(spec, change))


def profile(
    namespace: str,
    *,
    duration: float,
    rate: float = 10.0,
    features: tuple[Feature, ...] = (),
    **change: Any,
) -> Profile:
    """Return a load on the route: of one feature, or of those given."""
    talk = {"max_tokens": 8, "prompt_words": 12, **change}
    return Profile(
        url=f"http://{ROUTER}-router.{namespace}.svc",
        model=ROUTE,
        features=features or (Feature(name="generation", rate=rate, **talk),),
        duration=duration,
        drain=120.0,
        request_timeout=120.0,
        conversations=400,
        max_in_flight=1000,
    )


@dataclass(slots=True, kw_only=True)
class Fleet:
    """One namespace with a fleet in it."""

    namespace: Namespace
    proxy: ApiProxy
    loads: int = 0
    rule: str = RULE
    """The rule that stories look at: one that shifted lately remembers it (probation, episodes)."""
    documents: list[dict[str, Any]] = field(default_factory=list)

    def apply(self, *documents: dict[str, Any]) -> None:
        """Apply, and remember what the user wrote last."""
        names = {(d["kind"], d["metadata"]["name"]) for d in documents}
        kept = [d for d in self.documents if (d["kind"], d["metadata"]["name"]) not in names]
        self.documents = [*kept, *documents]
        self.namespace.apply(*documents)

    def wait_ready(self, timeout: float = 240.0) -> None:
        """Wait until every object that was applied is ready."""
        for document in self.documents:
            if document["kind"] != "TokenSLO":
                self.wait(document["kind"], document["metadata"]["name"], "Ready", timeout=timeout)

    def wait(self, kind: str, name: str, aspect: str, **expected: Any) -> dict[str, Any]:
        """Wait for a condition."""
        return wait_condition(self.namespace, kind, name, aspect, **expected)

    def start_load(
        self, *, duration: float = LONGEST_SECONDS, rate: float = 10.0, **talk: Any
    ) -> LoadRun:
        """Start a load; it ends by itself or by `finish`."""
        self.loads += 1
        wanted = profile(self.namespace.name, duration=duration, rate=rate, **talk)
        return LoadRun(self.namespace, f"load-{self.loads}", wanted).start().follow()

    def ask(self, path: str, body: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        """Send one request to the router, through the API server."""
        service = f"services/{ROUTER}-router:80/proxy"
        return self.proxy.send(
            f"/api/v1/namespaces/{self.namespace.name}/{service}{path}", body, headers
        )

    def chat(self, model: str = ROUTE, **change: Any) -> httpx.Response:
        """Ask for one short answer, not streamed."""
        message = {"role": "user", "content": "hello"}
        return self.ask(
            "/v1/chat/completions",
            {"model": model, "messages": [message], "max_tokens": 4, **change},
        )

    def pods(self, name: str) -> list[dict[str, Any]]:
        """Return the pods of a pool that are not on their way out."""
        found = self.namespace.list("pods", f"tokenfleet.dev/pool={name}")
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def behave(self, name: str, **behaviour: Any) -> None:
        """Tell every engine of a pool how to behave from now on; nothing means normally."""
        for pod in self.pods(name):
            where = f"pods/{pod['metadata']['name']}:8000/proxy/simulator"
            path = f"/api/v1/namespaces/{self.namespace.name}/{where}"

            def told(path: str = path) -> bool | NotYet:
                answer = self.proxy.send(path, behaviour)
                return answer.is_success or NotYet(answer.text)

            wait_for(f"{name} to take its behaviour", told, timeout=120, namespace=self.namespace)

    def shares(self, rule: str = "") -> dict[str, int]:
        """Return where the status says a rule's traffic goes; empty when it says nothing."""
        path = f"/apis/{API}/namespaces/{self.namespace.name}/modelroutes/{ROUTE}"
        found = self.proxy.get(path) or {}
        rules = (found.get("status") or {}).get("rules") or []
        mine = next((r for r in rules if r["name"] == (rule or self.rule)), {})
        return {share["name"]: share["share"] for share in mine.get("shares", [])}

    def wait_share(self, what: str, right: Callable[[int], bool], *, timeout: float = 180.0) -> int:
        """Wait until the primary's share is right; return it."""

        def probe() -> tuple[int] | NotYet:
            share = self.shares().get(PRIMARY)
            return (share,) if share is not None and right(share) else NotYet(f"share {share}")

        found = wait_for(what, probe, timeout=timeout, every=0.1, namespace=self.namespace)
        return found[0]

    def pin(self, primary: int) -> None:
        """Fix the shares: so many of 1000 conversations to the primary."""
        pools = [{"name": PRIMARY, "weight": primary}, {"name": FALLBACK, "weight": 1000 - primary}]
        until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        pin = {"rules": [{"name": self.rule, "pools": pools}], "until": until}
        self._control({"type": "Pinned", "pinned": pin})

    def unpin(self) -> None:
        """Leave the shares to the operator again, as written (an ended pin alone ramps back)."""
        self.pin(1000)
        self.wait_baseline()
        self.release()

    def home(self) -> None:
        """Take back what an earlier story left with the fallback: a new rule would inherit it."""
        if self.shares().get(PRIMARY, 1000) < 1000:  # noqa: PLR2004 - all of them
            self.unpin()

    def release(self) -> None:
        """End the pin; the shares go on from where it held them."""
        self._control({"type": "Auto", "pinned": None})

    def _control(self, control: dict[str, Any]) -> None:
        change = {"spec": {"trafficControl": control}}
        path = f"/apis/{API}/namespaces/{self.namespace.name}/modelroutes/{ROUTE}"
        self.proxy.patch(path, change)

    def breach(self) -> int:
        """Slow the primary down under an objective; return its share after the first shift."""
        self.apply(slo(rule=self.rule))
        self.behave(PRIMARY, **SLOW)
        return self.wait_shifted()

    def wait_shifted(self) -> int:
        """Wait until the operator has moved traffic off the primary."""
        return self.wait_share("a shift", lambda share: share < 1000)

    def climb(self, timeout: float = 300.0) -> list[int]:
        """Wait until all traffic is as written; return the primary's shares on the way."""
        seen: list[int] = []

        def back() -> bool | NotYet:
            share = self.shares()[PRIMARY]
            if not seen or share != seen[-1]:
                seen.append(share)
            return share == 1000 or NotYet(f"share {share}")

        wait_for("all traffic back", back, timeout=timeout, every=0.3, namespace=self.namespace)
        return seen

    def wait_baseline(self, timeout: float = 300.0) -> int:
        """Wait until all traffic is as written."""
        return self.wait_share("all traffic back", lambda share: share == 1000, timeout=timeout)

    def slo(self) -> dict[str, Any]:
        """Return the objective as the user sees it."""
        return self.namespace.must_get("tokenslo", SLO)

    def told(self, name: str, right: Callable[[Any], bool] = bool) -> Any:
        """Wait until the objective's status tells of it; traffic moves before it is told."""

        def probe() -> tuple[Any] | NotYet:
            found = (self.slo().get("status") or {}).get(name)
            return (found,) if right(found) else NotYet(f"{name}: {found}")

        return wait_for(f"{name} to be told", probe, timeout=120, namespace=self.namespace)[0]

    def revision(self) -> int:
        """Return the router's newest configuration."""
        found = self.namespace.must_get("modelrouter", ROUTER)
        return int((found.get("status") or {}).get("configRevision", 0))

    def programmed(self) -> None:
        """Wait until every router replica runs the newest configuration of the route."""
        self.wait("modelroute", ROUTE, "Programmed")


def finished(load: LoadRun, *, at_least: int) -> list[Record]:
    """End a load once so many of its requests have ended; state that each was answered whole."""
    records = load.finish(at_least=at_least)
    all_answered(records, at_least=at_least)
    return records


def all_answered(records: list[Record], *, at_least: int) -> None:
    """State that every request of a load was answered whole, and that it was a load."""
    bad = [record for record in records if record.outcome != "ok"]
    assert not bad, f"{len(bad)} of {len(records)} requests not answered: {describe(records)}"
    assert len(records) >= at_least


def never(what: str, probe: Callable[[], object], *, seconds: float, every: float = 1.0) -> None:
    """State that something does not happen for a while, each time that it can be looked at."""
    end, looks = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        with suppress(CommandError, httpx.HTTPError):  # as in `wait_for`
            found = probe()
            looks += 1
            assert not found, f"{what}: {found}"
        time.sleep(every)
    assert looks, f"nobody could look whether {what}"


def message_of(found: dict[str, Any], aspect: str) -> str:
    """Return the message of a condition."""
    return str(condition(found, aspect).get("message", json.dumps(found.get("status"))))
