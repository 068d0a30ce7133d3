"""Objects as the API server stores them, with only what a test is about."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tokenfleet.domain.fleet.replicas import Replica
from tokenfleet.domain.fleet.router_snapshot import RouterSnapshot

T0 = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
API = "tokenfleet.dev/v1alpha1"


def meta(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": "ns",
        "uid": f"uid-{name}",
        "generation": 1,
        "resourceVersion": "1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        **more,
    }


def pool(name: str = "large", **spec: Any) -> dict[str, Any]:
    body = {"served": {"modelName": name}, "type": "Existing", **spec}
    if body["type"] == "Existing":
        body.setdefault("existing", {"serviceRef": {"name": name, "port": 8000}})
    return {"apiVersion": API, "kind": "ServingPool", "metadata": meta(name), "spec": body}


def managed_pool(name: str = "large", **managed: Any) -> dict[str, Any]:
    engine = {"image": "vllm/vllm-openai:v0.32.0"}
    model = {"source": {"type": "HuggingFace", "huggingFace": {"repo": "a/b"}}}
    return pool(
        name,
        type="Managed",
        replicas=1,
        managed={"engine": engine, "model": model, "device": "CPU", **managed},
    )


def service(
    name: str, *ports: int | tuple[str, int], owner: Mapping[str, Any] | None = None, **spec: Any
) -> dict[str, Any]:
    named = [port if isinstance(port, tuple) else ("", port) for port in ports or (8000,)]
    metadata = meta(name)
    if owner is not None:
        metadata["ownerReferences"] = [owned_by(owner)]
    listed = [{"name": text, "port": port, "protocol": "TCP"} for text, port in named]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"ports": listed, "ipFamilies": ["IPv4"], **spec},
    }


def owned_by(owner: Mapping[str, Any]) -> dict[str, Any]:
    names = {key: owner["metadata"][key] for key in ("name", "uid")}
    api = {key: owner[key] for key in ("apiVersion", "kind")}
    return {**api, **names, "controller": True}


def router_pods(
    router: Mapping[str, Any], count: int = 1, name: str = "default-router"
) -> tuple[dict[str, Any], ...]:
    """A router's Deployment, its ReplicaSet and ready pods at 10.0.0.1 and up."""
    labels = {
        "app.kubernetes.io/managed-by": "tokenfleet",
        "tokenfleet.dev/router": router["metadata"]["name"],
    }

    def made(api: str, kind: str, name: str, owner: Mapping[str, Any]) -> dict[str, Any]:
        metadata = meta(name, labels=labels, ownerReferences=[owned_by(owner)])
        metadata["namespace"] = owner["metadata"]["namespace"]
        metadata["uid"] = f"{owner['metadata']['uid']}-{kind}-{name}"
        return {"apiVersion": api, "kind": kind, "metadata": metadata}

    deployment = made("apps/v1", "Deployment", name, router)
    replica_set = made("apps/v1", "ReplicaSet", f"{name}-5f4", deployment)
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T11:00:00Z"}
    pods = tuple(
        {
            **made("v1", "Pod", f"{name}-{number}", replica_set),
            "status": {"podIP": f"10.0.0.{number + 1}", "conditions": [dict(ready)]},
        }
        for number in range(count)
    )
    return deployment, replica_set, *pods


def slices(name: str, ready: int, *, port: str = "", owner: str = "") -> tuple[dict[str, Any], ...]:
    endpoints = [
        {"addresses": [f"10.0.0.{n}"], "conditions": {"ready": n < ready}} for n in range(ready + 1)
    ]
    labels = {"kubernetes.io/service-name": name}
    metadata = meta(name, labels=labels, ownerReferences=[{"uid": owner or f"uid-{name}"}])
    return (
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata,
            "addressType": "IPv4",
            "ports": [{"name": port, "port": 8000, "protocol": "TCP"}],
            "endpoints": endpoints,
        },
    )


def router(status: Mapping[str, Any] | None = None) -> dict[str, Any]:
    body = {"apiVersion": API, "kind": "ModelRouter", "metadata": meta("default"), "spec": {}}
    return {**body, "status": status} if status else body


def route(
    name: str = "chat", *, fallback: str | None = "small", status: Any = None, **spec: Any
) -> dict[str, Any]:
    rule: dict[str, Any] = {"name": "slow", "backendRefs": [{"name": "large"}]}
    if fallback:
        rule["fallbackRefs"] = [{"name": fallback}]
    body = {
        "apiVersion": API,
        "kind": "ModelRoute",
        "metadata": meta(name),
        "spec": {
            "parentRefs": [{"name": "default"}],
            "modelNames": [name],
            "rules": [rule],
            **spec,
        },
    }
    return {**body, "status": status} if status else body


def slo(name: str = "ttft", **spec: Any) -> dict[str, Any]:
    objective = {"type": "Latency", "latency": {"threshold": "500ms", "target": "0.95"}}
    target = {"name": "chat", "sectionName": "slow"}
    return {
        "apiVersion": API,
        "kind": "TokenSLO",
        "metadata": meta(name),
        "spec": {
            "targetRef": target,
            "objective": objective,
            "onBreach": {"type": "ShiftTraffic"},
            **spec,
        },
    }


def replica(pod: str = "pod-0", *, applied: int | None = 1, error: str = "") -> Replica:
    return Replica(pod=pod, ready=True, since=T0, applied=applied, version="0.1.0", error=error)


def seen(**fields: Any) -> RouterSnapshot:
    """One router, one route, two ready pools."""
    defaults: dict[str, Any] = {
        "body": router(),
        "stored": None,
        "routes": (route(),),
        "pools": (pool("large"), pool("small")),
        "services": {"large": service("large"), "small": service("small")},
        "slices": {"large": slices("large", 2), "small": slices("small", 2)},
        "replicas": (replica(),),
        "image": "router:1",
        "shifting": True,
        "now": T0,
    }
    return RouterSnapshot(**{**defaults, **fields})


def conditions(status: Mapping[str, Any] | None) -> dict[str, tuple[str, str]]:
    assert status is not None
    return {item["type"]: (item["status"], item["reason"]) for item in status["conditions"]}


def message(status: Mapping[str, Any] | None, type_: str) -> str:
    assert status is not None
    return str(next(c["message"] for c in status["conditions"] if c["type"] == type_))
