"""Definitions of kinds that other projects bring: facts of their published schemas, and no more.

InferencePool (inference.networking.k8s.io/v1), Gateway API Inference Extension 1.x: which fields
there are, which are needed, and their limits. LeaderWorkerSet (leaderworkerset.x-k8s.io/v1) 0.8:
the same, but for its pod templates, which are core/v1. ScaledObject (keda.sh/v1alpha1), KEDA 2.21: the
same, but for `advanced` and `fallback`. Unknown fields are refused by strict writes,
so that what a test writes is what the project's users can write.
"""

from typing import Any

LABELS = {"type": "object", "additionalProperties": {"type": "string", "maxLength": 63}}
PORT = {"type": "integer", "format": "int32", "minimum": 1, "maximum": 65535}

INFERENCE_POOL_SPEC: dict[str, Any] = {
    "type": "object",
    "required": ["selector", "targetPorts", "endpointPickerRef"],
    "properties": {
        "selector": {
            "type": "object",
            "required": ["matchLabels"],
            "properties": {"matchLabels": LABELS},
        },
        "targetPorts": {
            "type": "array",
            "minItems": 1,
            "maxItems": 8,
            "items": {"type": "object", "required": ["number"], "properties": {"number": PORT}},
        },
        "appProtocol": {"type": "string", "enum": ["http", "kubernetes.io/h2c"], "default": "http"},
        "endpointPickerRef": {
            "type": "object",
            "required": ["name"],
            "properties": {
                "group": {"type": "string", "default": ""},
                "kind": {"type": "string", "default": "Service"},
                "name": {"type": "string", "minLength": 1},
                "port": {
                    "type": "object",
                    "required": ["number"],
                    "properties": {"number": PORT},
                },
                "failureMode": {
                    "type": "string",
                    "enum": ["FailOpen", "FailClose"],
                    "default": "FailClose",
                },
            },
        },
    },
}


def definition(
    group: str, version: str, plural: str, kind: str, spec: dict[str, Any], *, scale: bool = False
) -> dict[str, Any]:
    """Return a CustomResourceDefinition with this spec; its status is open."""
    status = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    paths = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.hpaPodSelector",
    }
    served = {
        "name": version,
        "served": True,
        "storage": True,
        "subresources": {"status": {}, **({"scale": paths} if scale else {})},
        "schema": {
            "openAPIV3Schema": {
                "type": "object",
                "required": ["spec"],
                "properties": {"spec": spec, "status": status},
            }
        },
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        # Names under k8s.io are protected; the real definitions carry this annotation, too.
        "metadata": {
            "name": f"{plural}.{group}",
            "annotations": {"api-approved.kubernetes.io": "unapproved, facts for a test"},
        },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [served],
        },
    }


INFERENCE_POOLS = definition(
    "inference.networking.k8s.io", "v1", "inferencepools", "InferencePool", INFERENCE_POOL_SPEC
)


def inference_pool(name: str, labels: dict[str, str], *ports: int, **spec: Any) -> dict[str, Any]:
    """Return an InferencePool as its users write it."""
    return {
        "apiVersion": "inference.networking.k8s.io/v1",
        "kind": "InferencePool",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "targetPorts": [{"number": port} for port in ports],
            "endpointPickerRef": {"name": f"{name}-epp", "port": {"number": 9002}},
            **spec,
        },
    }


_POD_TEMPLATE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_COUNT = {"type": "integer", "format": "int32"}
_COUNT_OR_PERCENT = {"x-kubernetes-int-or-string": True}

LEADER_WORKER_SET_SPEC: dict[str, Any] = {
    "type": "object",
    "required": ["leaderWorkerTemplate"],
    "properties": {
        "replicas": {**_COUNT, "default": 1},
        "startupPolicy": {
            "type": "string",
            "enum": ["LeaderCreated", "LeaderReady"],
            "default": "LeaderCreated",
        },
        "rolloutStrategy": {
            "type": "object",
            "required": ["type"],
            "properties": {
                "type": {"type": "string", "enum": ["RollingUpdate"], "default": "RollingUpdate"},
                "rollingUpdateConfiguration": {
                    "type": "object",
                    "properties": {
                        "partition": {**_COUNT, "default": 0},
                        "maxUnavailable": {**_COUNT_OR_PERCENT, "default": 1},
                        "maxSurge": {**_COUNT_OR_PERCENT, "default": 0},
                    },
                },
            },
        },
        "networkConfig": {
            "type": "object",
            "required": ["subdomainPolicy"],
            "properties": {
                "subdomainPolicy": {"type": "string", "enum": ["Shared", "UniquePerReplica"]}
            },
        },
        "leaderWorkerTemplate": {
            "type": "object",
            "required": ["workerTemplate"],
            "properties": {
                "leaderTemplate": _POD_TEMPLATE,
                "workerTemplate": _POD_TEMPLATE,
                "size": {**_COUNT, "default": 1},
                "restartPolicy": {
                    "type": "string",
                    "enum": [
                        "Default",
                        "RecreateGroupOnPodRestart",
                        "RecreateGroupAfterStart",
                        "None",
                    ],
                    "default": "RecreateGroupOnPodRestart",
                },
            },
        },
    },
}

LEADER_WORKER_SETS = definition(
    "leaderworkerset.x-k8s.io",
    "v1",
    "leaderworkersets",
    "LeaderWorkerSet",
    LEADER_WORKER_SET_SPEC,
    scale=True,
)

_TEXT = {"type": "string"}
_NAMED = {"type": "object", "required": ["name"], "properties": {"name": _TEXT, "kind": _TEXT}}

SCALED_OBJECT_SPEC: dict[str, Any] = {
    "type": "object",
    "required": ["scaleTargetRef", "triggers"],
    "properties": {
        "scaleTargetRef": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": _TEXT, "kind": _TEXT, "apiVersion": _TEXT},
        },
        **dict.fromkeys(
            (
                "pollingInterval",
                "cooldownPeriod",
                "initialCooldownPeriod",
                "idleReplicaCount",
                "minReplicaCount",
                "maxReplicaCount",
            ),
            _COUNT,
        ),
        "triggers": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "metadata"],
                "properties": {
                    "type": _TEXT,
                    "name": _TEXT,
                    "metricType": _TEXT,
                    "useCachedMetrics": {"type": "boolean"},
                    "metadata": {"type": "object", "additionalProperties": _TEXT},
                    "authenticationRef": _NAMED,
                },
            },
        },
    },
}

SCALED_OBJECTS = definition(
    "keda.sh", "v1alpha1", "scaledobjects", "ScaledObject", SCALED_OBJECT_SPEC
)
