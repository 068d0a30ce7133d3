"""The rules of ServingPool, on both sides."""

from typing import Any

from e2e.kit.yamls import merged
from tests.integration.api.rules import Rule, between, named, rule
from tests.integration.api.rules_of_adapters import ADAPTERS, UPWARDS
from tests.integration.api.rules_of_engines import ENGINE_RULES
from tests.integration.api.rules_of_providers import EXTERNAL
from tests.integration.api.subjects import EXISTING_POOL, POOL, at
from tokenfleet.api.v1alpha1.engine import OWN_VARIABLES

_MANAGED = "spec.managed"
_PVC = {"claimName": "w", "path": "m"}
_HUB = {"repo": "org/model"}
_DRAFT = {"source": {"type": "PersistentVolumeClaim", "persistentVolumeClaim": _PVC}}
_DRAFTING = merged(
    POOL, at(f"{_MANAGED}.speculative", {"type": "DraftModel", "tokens": 3, "draftModel": _DRAFT})
)

_BUCKET = {
    "type": "ObjectStore",
    "persistentVolumeClaim": None,
    "objectStore": {"uri": "s3://weights/llama"},
}
_IMAGE = {"type": "Image", "persistentVolumeClaim": None, "image": {"reference": "models/llama:1"}}
_CACHE = {"persistentVolumeClaim": {"claimName": "cache"}}
_TOKENS = {"type": "PerMillionTokens", "perMillionTokens": {"prompt": "0", "completion": "0.60"}}


def _sources(base: dict[str, Any], path: str) -> list[Rule]:
    hub = at(path, {"type": "HuggingFace", "huggingFace": _HUB, "persistentVolumeClaim": None})
    dash = {"type": "HuggingFace", "huggingFace": {"repo": "-m"}, "persistentVolumeClaim": None}
    return [
        rule(
            f".{path}.huggingFace.repo",
            "must not begin with a dash: the engine would read it as an option",
            base,
            refused=at(path, dash),
            accepted=hub,
        ),
        rule(
            f".{path}",
            "huggingFace must be set when type is HuggingFace",
            base,
            refused=at(path, {"type": "HuggingFace", "persistentVolumeClaim": None}),
            accepted=hub,
        ),
        rule(
            f".{path}",
            "persistentVolumeClaim must be set when type is PersistentVolumeClaim",
            base,
            refused=at(f"{path}.persistentVolumeClaim", None),
            accepted={},
        ),
        rule(
            f".{path}",
            "objectStore must be set when type is ObjectStore",
            base,
            refused=at(path, {"type": "ObjectStore", "persistentVolumeClaim": None}),
            accepted=at(path, _BUCKET),
        ),
        rule(
            f".{path}",
            "image must be set when type is Image",
            base,
            refused=at(path, {"type": "Image", "persistentVolumeClaim": None}),
            accepted=at(path, _IMAGE),
        ),
        rule(
            f".{path}.persistentVolumeClaim.path",
            UPWARDS,
            base,
            refused=at(f"{path}.persistentVolumeClaim.path", "models/../other"),
            accepted=at(f"{path}.persistentVolumeClaim.path", "models/a..b"),
        ),
        rule(
            f".{path}.image.path",
            UPWARDS,
            base,
            refused=at(path, merged(_IMAGE, at("image.path", "a/.."))),
            accepted=at(path, merged(_IMAGE, at("image.path", "a"))),
        ),
    ]


_ORIGINS = (
    ("A", {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}),
    ("B", {"configMapKeyRef": {"name": "s", "key": "k", "optional": False}}),
    ("C", {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}),
    ("D", {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Gi"}}),
)
"""Every way in which core/v1 finds a variable's value."""


def _environment() -> list[Rule]:
    path = f"{_MANAGED}.engine.env"
    secret = {"secretKeyRef": {"name": "s", "key": "k"}}
    both = {**secret, "fieldRef": {"fieldPath": "status.podIP"}}
    return [
        rule(
            f".{path}[].name",
            f"must not be a variable that the operator sets: {', '.join(OWN_VARIABLES)}",
            POOL,
            refused=at(path, [{"name": "HF_HOME", "value": "/x"}]),
            accepted=at(path, [{"name": "HF_ENDPOINT", "value": "http://mirror"}]),
        ),
        rule(
            f".{path}[].name",
            "must not begin with LLAMA_ARG_: engine arguments belong into engine.extraArgs",
            POOL,
            refused=at(path, [{"name": "LLAMA_ARG_PORT", "value": "1"}]),
            accepted=at(path, [{"name": "LLAMA_LOG_COLORS", "value": "off"}]),
        ),
        rule(
            f".{path}[]",
            "exactly one of value and valueFrom must be set",
            POOL,
            refused=at(path, [{"name": "A"}]),
            accepted=at(path, [{"name": "A", "value": ""}]),
        ),
        rule(
            f".{path}[]",
            "must not hold a secret: everybody who may read pods reads it;"
            " use valueFrom.secretKeyRef",
            POOL,
            refused=at(path, [{"name": "VLLM_API_KEY", "value": "x"}]),
            accepted=at(
                path,
                [
                    {"name": "VLLM_API_KEY", "valueFrom": secret},
                    {"name": "SGLANG_USE_AITER_FP8_PER_TOKEN", "value": "1"},
                    {"name": "HF_HUB_DISABLE_IMPLICIT_TOKEN", "value": "True"},
                    {"name": "AWS_SECRET_ACCESS_KEY", "value": ""},
                ],
            ),
        ),
        rule(
            f".{path}[].valueFrom",
            "exactly one of secretKeyRef, configMapKeyRef, fieldRef and resourceFieldRef must be"
            " set",
            POOL,
            refused=at(path, [{"name": "A", "valueFrom": both}]),
            accepted=at(path, [{"name": name, "valueFrom": one} for name, one in _ORIGINS]),
        ),
    ]


def _files() -> list[Rule]:
    path = f"{_MANAGED}.engine.files"
    file = {"name": "a", "mountPath": "/templates", "configMap": "c"}
    return [
        rule(
            f".{path}[]",
            "exactly one of configMap and secret must be set",
            POOL,
            refused=at(path, [{**file, "secret": "s"}]),
            accepted=at(path, [file]),
        ),
        rule(
            f".{path}[].mountPath",
            "must not lie in /cache, /dev, /proc, /sys, /tmp or /weights:"
            " the operator mounts volumes there",
            POOL,
            refused=at(path, [{**file, "mountPath": "/tmp/x"}]),
            accepted=at(path, [{**file, "mountPath": "/tmpl"}]),
        ),
    ]


def _claims() -> list[Rule]:
    path = f"{_MANAGED}.pod.resourceClaims"
    claim = {"name": "gpu", "resourceClaimTemplateName": "one-gpu"}
    asked = {"resources": {"claims": [{"name": "gpu"}]}}
    return [
        rule(
            f".{path}[]",
            "exactly one of resourceClaimName and resourceClaimTemplateName must be set",
            POOL,
            refused=at(path, [{"name": "gpu"}]),
            accepted=at(path, [claim]),
        ),
        rule(
            f".{_MANAGED}",
            "resources.claims must name entries of pod.resourceClaims",
            POOL,
            refused=at(_MANAGED, asked),
            accepted=at(_MANAGED, {**asked, "pod": {"resourceClaims": [claim]}}),
        ),
    ]


def _remote_code() -> list[Rule]:
    path = f"{_MANAGED}.model"
    hub = {"type": "HuggingFace", "persistentVolumeClaim": None, "huggingFace": _HUB}
    pinned = merged(hub, at("huggingFace.revision", "0123456789" * 4))
    return [
        rule(
            f".{path}",
            "source.huggingFace.revision must be a commit of 40 hexadecimal digits when"
            " remoteCode is Allowed: a branch or a tag can be moved to other code",
            POOL,
            refused=at(
                path,
                {
                    "remoteCode": "Allowed",
                    "source": merged(hub, at("huggingFace.revision", "main")),
                },
            ),
            accepted=at(path, {"remoteCode": "Allowed", "source": pinned}),
        )
    ]


POOLS = [
    *EXTERNAL,
    *named(POOL, 63, "it names a Service"),
    rule(
        ".spec",
        "managed must be set when type is Managed",
        POOL,
        refused=at(_MANAGED, None),
        accepted={},
    ),
    rule(
        ".spec",
        "existing must be set when type is Existing",
        EXISTING_POOL,
        refused=at("spec.existing", None),
        accepted={},
    ),
    rule(
        ".spec.existing",
        "exactly one of serviceRef and inferencePoolRef must be set",
        EXISTING_POOL,
        refused=at("spec.existing.inferencePoolRef", {"name": "llama"}),
        accepted=at("spec.existing", {"serviceRef": None, "inferencePoolRef": {"name": "llama"}}),
    ),
    rule(
        ".spec.capacity.requestsPerSecond",
        "must be more than 0",
        POOL,
        refused=at("spec.capacity.requestsPerSecond", "0.0"),
        accepted=at("spec.capacity.requestsPerSecond", "0.000001"),
    ),
    rule(
        ".spec.price",
        "perReplicaHour must be set when type is PerReplicaHour",
        POOL,
        refused=at("spec.price", {"type": "PerReplicaHour"}),
        accepted=at("spec.price", {"type": "PerReplicaHour", "perReplicaHour": "12.40"}),
    ),
    rule(
        ".spec.price",
        "perMillionTokens must be set when type is PerMillionTokens",
        POOL,
        refused=at("spec.price", {"type": "PerMillionTokens", "perReplicaHour": "1"}),
        accepted=at("spec.price", _TOKENS),
    ),
    rule(
        ".spec.managed",
        "accelerators must not be asked for when device is CPU",
        POOL,
        refused=at(_MANAGED, {"device": "CPU", "resources": {"limits": {"amd.com/gpu": 1}}}),
        accepted=at(_MANAGED, {"device": "GPU", "resources": {"limits": {"nvidia.com/gpu": 1}}}),
    ),
    *_sources(POOL, f"{_MANAGED}.model.source"),
    *_sources(_DRAFTING, f"{_MANAGED}.speculative.draftModel.source"),
    rule(
        f".{_MANAGED}.engine.extraArgs",
        "must begin with an option: a word alone would be read as a model",
        POOL,
        refused=at(f"{_MANAGED}.engine.extraArgs", ["other/model"]),
        accepted=at(f"{_MANAGED}.engine.extraArgs", ["--max-num-seqs", "8"]),
    ),
    rule(
        f".{_MANAGED}.engine.extraArgs",
        "must not hold `--`: what follows it would be read as a model",
        POOL,
        refused=at(f"{_MANAGED}.engine.extraArgs", ["--enforce-eager", "--", "other/model"]),
        accepted=at(f"{_MANAGED}.engine.extraArgs", ["--enforce-eager"]),
    ),
    rule(
        ".spec.managed.speculative",
        "draftModel must be set when type is DraftModel or Eagle or Eagle3",
        POOL,
        refused=at(f"{_MANAGED}.speculative", {"type": "Eagle3", "tokens": 3}),
        accepted=at(f"{_MANAGED}.speculative", {"type": "Ngram", "tokens": 3}),
    ),
    rule(
        ".spec.managed.speculative",
        "custom must be set when type is Custom",
        POOL,
        refused=at(f"{_MANAGED}.speculative", {"type": "Custom", "tokens": 32}),
        accepted=at(
            f"{_MANAGED}.speculative", {"type": "Custom", "tokens": 32, "custom": {"config": "{}"}}
        ),
    ),
    rule(
        ".spec.served.contextWindow",
        "must be between 128 and 16777216, or auto",
        POOL,
        refused=at("spec.served.contextWindow", 127),
        accepted=at("spec.served.contextWindow", "auto"),
    ),
    rule(
        ".spec.managed.model.cache.subPath",
        UPWARDS,
        POOL,
        refused=at(f"{_MANAGED}.model.cache", {**_CACHE, "subPath": ".."}),
        accepted=at(f"{_MANAGED}.model.cache", {**_CACHE, "subPath": "pools/large"}),
    ),
    rule(
        ".spec",
        "model.cache.prefetch needs a model, a draft or an adapter of type HuggingFace: no other"
        " source is downloaded into the cache",
        POOL,
        refused=at(f"{_MANAGED}.model.cache", {**_CACHE, "prefetch": "Job"}),
        accepted=merged(
            at(f"{_MANAGED}.model.cache", {**_CACHE, "prefetch": "Job"}),
            at(
                "spec.served.adapters",
                [{"name": "legal", "source": {"type": "HuggingFace", "huggingFace": _HUB}}],
            ),
        ),
    ),
    rule(
        ".spec.managed.pod.annotations",
        "must not use the prefixes tokenfleet.dev/ and prometheus.io/:"
        " the operator's own annotations have them",
        POOL,
        refused=at(f"{_MANAGED}.pod.annotations", {"prometheus.io/port": "1"}),
        accepted=at(f"{_MANAGED}.pod.annotations", {"k8s.v1.cni.cncf.io/networks": "roce"}),
    ),
    *_environment(),
    *_files(),
    *_claims(),
    *ADAPTERS,
    *_remote_code(),
    rule(
        f".{_MANAGED}.parallelism",
        "nodes must divide tensor x pipeline x data: each node has as many devices",
        POOL,
        refused=at(f"{_MANAGED}.parallelism", {"tensor": 8, "nodes": 3}),
        accepted=at(f"{_MANAGED}.parallelism", {"tensor": 8, "pipeline": 3, "nodes": 3}),
    ),
    *between(POOL, f"{_MANAGED}.sharedMemory", ("64Mi", "1Ti"), "63Mi", "2Ti"),
    *between(POOL, f"{_MANAGED}.scratch", ("1Gi", "64Ti"), "1023Mi", "65Ti"),
    rule(
        ".spec.managed.rollout",
        "maxSurge and maxUnavailable must not both be 0: nothing could ever be replaced",
        POOL,
        refused=at(f"{_MANAGED}.rollout", {"maxSurge": 0, "maxUnavailable": 0}),
        accepted=at(f"{_MANAGED}.rollout", {"maxSurge": 1, "maxUnavailable": 0}),
    ),
    rule(
        ".spec.managed.pod.labels",
        "must not use the prefixes tokenfleet.dev/ and app.kubernetes.io/:"
        " the operator's own labels have them",
        POOL,
        refused=at(f"{_MANAGED}.pod.labels", {"tokenfleet.dev/pool": "other"}),
        accepted=at(f"{_MANAGED}.pod.labels", {"team": "search"}),
    ),
    *ENGINE_RULES,
    *between(POOL, f"{_MANAGED}.startupTimeout", ("10s", "12h"), "9s", "12h1s"),
    *between(POOL, f"{_MANAGED}.terminationGracePeriod", ("1s", "2h"), "999ms", "121m"),
]
