"""The smallest object of each kind, and ways to change it."""

from typing import Any

from e2e.kit.yamls import merged

_WEIGHTS = {
    "type": "PersistentVolumeClaim",
    "persistentVolumeClaim": {"claimName": "w", "path": "m"},
}

POOL: dict[str, Any] = {
    "kind": "ServingPool",
    "metadata": {"name": "pool"},
    "spec": {
        "served": {"modelName": "m"},
        "managed": {"engine": {"image": "vllm"}, "model": {"source": _WEIGHTS}},
    },
}
EXISTING_POOL: dict[str, Any] = {
    "kind": "ServingPool",
    "metadata": {"name": "existing"},
    "spec": {
        "type": "Existing",
        "served": {"modelName": "m"},
        "existing": {"serviceRef": {"name": "vllm", "port": 8000}},
    },
}
EXTERNAL_POOL: dict[str, Any] = {
    "kind": "ServingPool",
    "metadata": {"name": "external"},
    "spec": {
        "type": "External",
        "served": {"modelName": "m"},
        "external": {
            "provider": "OpenAI",
            "credentialSecretRef": {"name": "openai", "key": "key"},
        },
    },
}
ROUTER: dict[str, Any] = {"kind": "ModelRouter", "metadata": {"name": "router"}}
ROUTE: dict[str, Any] = {
    "kind": "ModelRoute",
    "metadata": {"name": "route"},
    "spec": {
        "parentRefs": [{"name": "router"}],
        "modelNames": ["chat"],
        "rules": [{"name": "all", "backendRefs": [{"name": "pool"}]}],
    },
}
SLO: dict[str, Any] = {
    "kind": "TokenSLO",
    "metadata": {"name": "slo"},
    "spec": {
        "targetRef": {"name": "route"},
        "objective": {"type": "Latency", "latency": {"threshold": "500ms", "target": "0.95"}},
    },
}
SHIFTING_SLO = merged(
    SLO,
    {
        "spec": {
            "targetRef": {"sectionName": "all"},
            "onBreach": {"type": "ShiftTraffic", "shiftTraffic": {}},
        }
    },
)


def at(path: str, value: Any) -> dict[str, Any]:
    """Return the merge patch that sets one field, for example `spec.control.longWindow`."""
    for name in reversed(path.split(".")):
        value = {name: value}
    assert isinstance(value, dict)
    return value
