"""Defaults: what the API server fills in is what the operator would have assumed."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from e2e.kit.yamls import merged
from tests.integration.api.server import ApiServer, definitions
from tests.integration.api.subjects import (
    EXISTING_POOL,
    EXTERNAL_POOL,
    POOL,
    ROUTE,
    ROUTER,
    SHIFTING_SLO,
    SLO,
    at,
)
from tokenfleet.api.v1alpha1.kinds import KINDS

pytestmark = pytest.mark.cluster

MODELS = {kind.kind: model for kind, model in KINDS}

_SPREAD = {"tolerations": [{"key": "gpu"}], "topologySpreadConstraints": [{"topologyKey": "zone"}]}
_SPECULATING = merged(
    merged(
        POOL,
        at(
            "spec.managed.speculative",
            {
                "type": "DraftModel",
                "tokens": 3,
                "draftModel": {"source": POOL["spec"]["managed"]["model"]["source"]},
            },
        ),
    ),
    at("spec.managed", {"device": "CPU", "cpu": {}, "pod": _SPREAD, "lora": {}}),
)
_BESIDE = merged(ROUTER, at("spec", {"type": "Sidecar", "sidecar": {"serviceAccounts": ["web"]}}))
_PLACED = merged(
    ROUTER,
    at(
        "spec.managed.pod",
        {"tolerations": [{"key": "edge"}], "topologySpreadConstraints": [{"topologyKey": "zone"}]},
    ),
)
_PINNED = merged(
    ROUTE,
    at(
        "spec.trafficControl",
        {
            "type": "Pinned",
            "pinned": {
                "rules": [{"name": "all", "pools": [{"name": "pool"}]}],
                "until": "2030-01-01T00:00:00Z",
            },
        },
    ),
)

# What a user leaves out, and what is stored then. Changing a value here changes what existing
# manifests mean: it needs a decision record.
_CONTROL = {"shortWindow": "1m", "longWindow": "3m", "minimumEvents": {"total": 5, "bad": 5}}
_DATA = {"onUnknown": "Hold", "maxStaleness": "2m", "minCoverage": "0.8", "idleReset": "15m"}
_FAILOVER = {
    "retryOn": [
        "ConnectFailure",
        "ServerError",
        "TooManyRequests",
        "FirstTokenTimeout",
        "ResponseTimeout",
    ],
    "stallTimeout": "1m",
    "attempts": 3,
}
_MANAGED = {
    "engine": {"type": "VLLM"},
    "device": "GPU",
    "model": {"remoteCode": "Refused"},
    "parallelism": {"tensor": 1, "pipeline": 1, "data": 1, "nodes": 1, "expert": False},
    "sharedMemory": "4Gi",
    "pod": {"securityContext": {"readOnlyRootFilesystem": True}},
    "rollout": {"maxSurge": 0, "maxUnavailable": 1},
    "startupTimeout": "30m",
    "terminationGracePeriod": "10m",
}
_ROUTER = {
    "type": "Managed",
    "managed": {
        "replicas": 2,
        "service": {"type": "ClusterIP", "port": 80},
        "drainTimeout": "10m",
    },
    "allowedRoutes": {"namespaces": {"from": "Same"}},
    "attribution": {
        "feature": {"header": "x-tokenfleet-feature"},
        "requestType": {"header": "x-tokenfleet-request-type"},
        "user": {"header": "x-tokenfleet-user", "report": "Names"},
    },
    "requestBodyLimit": "8Mi",
}
STORED = [
    pytest.param(POOL, {"type": "Managed", "replicas": 1, "managed": _MANAGED}, id="a pool"),
    pytest.param(
        _SPECULATING,
        {
            "type": "Managed",
            "replicas": 1,
            "managed": {
                **_MANAGED,
                "device": "CPU",
                "cpu": {"kvCache": "4Gi", "threadBinding": "auto"},
                "lora": {"maxRank": 16},
                "pod": {
                    **_MANAGED["pod"],
                    "tolerations": [{"key": "gpu", "operator": "Equal"}],
                    "topologySpreadConstraints": [
                        {"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"}
                    ],
                },
            },
        },
        id="a pool on CPUs with a draft model",
    ),
    pytest.param(EXISTING_POOL, {"replicas": 1}, id="an existing pool"),
    pytest.param(
        EXTERNAL_POOL,
        {"replicas": 1, "external": {"addressFamily": "Any"}},
        id="an external pool",
    ),
    pytest.param(
        merged(EXTERNAL_POOL, at("spec.external.promptCaching", {})),
        {
            "replicas": 1,
            "external": {"addressFamily": "Any", "promptCaching": {"type": "Disabled"}},
        },
        id="an external pool whose prompts nobody marks",
    ),
    pytest.param(
        ROUTER,
        _ROUTER,
        id="a router",
    ),
    pytest.param(
        merged(ROUTER, at("spec.tracing.endpoint", "http://collector:4318")),
        merged(_ROUTER, at("tracing.sampling", "0.01")),
        id="a router that traces",
    ),
    pytest.param(
        _BESIDE,
        merged(
            _ROUTER,
            {
                "type": "Sidecar",
                "sidecar": {
                    "serviceAccounts": ["web"],
                    "port": 8787,
                    "startLimit": "30s",
                    "cpu": "100m",
                    "memory": "256Mi",
                },
            },
        ),
        id="a router beside applications",
    ),
    pytest.param(
        _PLACED,
        merged(
            _ROUTER,
            at(
                "managed.pod",
                {
                    "tolerations": [{"key": "edge", "operator": "Equal"}],
                    "topologySpreadConstraints": [
                        {
                            "topologyKey": "zone",
                            "maxSkew": 1,
                            "whenUnsatisfiable": "ScheduleAnyway",
                        }
                    ],
                },
            ),
        ),
        id="a router that is placed",
    ),
    pytest.param(
        ROUTE,
        {
            "rules": [{"name": "all", "backendRefs": [{"name": "pool", "weight": 1}]}],
            "failover": _FAILOVER,
            "trafficControl": {"type": "Auto"},
        },
        id="a route",
    ),
    pytest.param(
        _PINNED,
        {
            "rules": [{"name": "all", "backendRefs": [{"name": "pool", "weight": 1}]}],
            "failover": _FAILOVER,
            "trafficControl": {
                "pinned": {"rules": [{"name": "all", "pools": [{"name": "pool", "weight": 1}]}]}
            },
        },
        id="a pinned route",
    ),
    pytest.param(
        SLO,
        {
            "targetRef": {"group": "tokenfleet.dev", "kind": "ModelRoute"},
            "objective": {"latency": {"signal": "TimeToFirstToken"}},
            "window": "672h",
            "control": _CONTROL,
            "data": _DATA,
            "onBreach": {"type": "Alert"},
        },
        id="an objective",
    ),
    pytest.param(
        merged(
            SLO, at("spec.objective", {"type": "Spend", "latency": None, "spend": {"max": "9"}})
        ),
        {
            "targetRef": {"group": "tokenfleet.dev", "kind": "ModelRoute"},
            "objective": {"spend": {"per": "Day"}},
            "window": "672h",
            "control": _CONTROL,
            "data": _DATA,
            "onBreach": {"type": "Alert"},
        },
        id="an objective about money",
    ),
    pytest.param(
        SHIFTING_SLO,
        {
            "targetRef": {"group": "tokenfleet.dev", "kind": "ModelRoute"},
            "objective": {"latency": {"signal": "TimeToFirstToken"}},
            "window": "672h",
            "control": _CONTROL,
            "data": _DATA,
            "onBreach": {
                "shiftTraffic": {
                    "primaryFloor": "0.02",
                    "maxShift": "0.98",
                    "settle": "105s",
                    "dwell": "210s",
                    "holdBeforeRecovery": "5m",
                    "maxHold": "1h",
                    "fallbackMaxUtilization": "0.85",
                }
            },
        },
        id="an objective that shifts",
    ),
]


@pytest.mark.parametrize(("body", "defaults"), STORED)
def test_the_api_server_fills_in_exactly_these(
    api: ApiServer, body: dict[str, Any], defaults: dict[str, Any]
) -> None:
    answer = api.create(body)

    assert answer.status_code == httpx.codes.CREATED, answer.text
    assert answer.json()["spec"] == merged(body.get("spec", {}), defaults)


@pytest.mark.parametrize(("body", "defaults"), STORED)
def test_the_operator_reads_a_sparse_object_as_the_stored_one(
    api: ApiServer, body: dict[str, Any], defaults: dict[str, Any]
) -> None:
    assert defaults
    model = MODELS[body["kind"]]
    sparse = model.model_validate(body)
    stored = model.model_validate(api.create(body).json())

    assert sparse.spec == stored.spec  # type: ignore[attr-defined]


def test_every_default_of_every_kind_is_in_the_table() -> None:
    generated = {
        (kind, place)
        for kind, schema in definitions().items()
        for place, node in _places(schema, "")
        if "default" in node and "properties" not in node
    }
    shown = {
        (param.values[0]["kind"], place)  # type: ignore[index]
        for param in STORED
        for place in _leaves(param.values[1], ".spec")
    }

    assert generated <= shown


def test_a_value_of_the_user_stays_as_written(api: ApiServer) -> None:
    body = merged(POOL, at("spec.managed.startupTimeout", "90m"))
    body = merged(body, at("spec.managed.resources.limits", {"cpu": "1000m", "memory": 4096}))

    managed = api.create(body).json()["spec"]["managed"]

    assert managed["startupTimeout"] == "90m"
    assert managed["resources"]["limits"] == {"cpu": "1000m", "memory": 4096}


@pytest.mark.parametrize("body", [POOL, ROUTER, ROUTE, SLO], ids=lambda body: body["kind"])
def test_status_is_the_operators_alone(api: ApiServer, body: dict[str, Any]) -> None:
    """Users cannot write it by the main resource, and the API server invents none."""
    answer = api.create({**body, "status": {"observedGeneration": 7}})

    assert answer.status_code == httpx.codes.CREATED, answer.text
    assert "status" not in answer.json()


def _places(node: dict[str, Any], place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield place, node
    for name, field in node.get("properties", {}).items():
        yield from _places(field, f"{place}.{name}")
    if "items" in node:
        yield from _places(node["items"], f"{place}[]")


def _leaves(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, below in value.items():
            yield from _leaves(below, f"{place}.{name}")
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for below in value:
            yield from _leaves(below, f"{place}[]")
    else:
        yield place
