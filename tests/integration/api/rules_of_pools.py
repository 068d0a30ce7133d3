"""The rules of ServingPool, on both sides."""

from typing import Any

from e2e.kit.yamls import merged
from tests.integration.api.rules import Rule, between, named, rule
from tests.integration.api.subjects import EXISTING_POOL, POOL, at

_MANAGED = "spec.managed"
_PVC = {"claimName": "w", "path": "m"}
_HUB = {"repo": "org/model"}
_DRAFT = {"source": {"type": "PersistentVolumeClaim", "persistentVolumeClaim": _PVC}}
_DRAFTING = merged(
    POOL, at(f"{_MANAGED}.speculative", {"type": "DraftModel", "tokens": 3, "draftModel": _DRAFT})
)

_TOKENS = {"type": "PerMillionTokens", "perMillionTokens": {"prompt": "0", "completion": "0.60"}}


def _sources(base: dict[str, Any], path: str) -> list[Rule]:
    hub = at(path, {"type": "HuggingFace", "huggingFace": _HUB, "persistentVolumeClaim": None})
    both = at(path, {"type": "HuggingFace", "huggingFace": _HUB})
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
            "huggingFace must be set exactly when type is HuggingFace",
            base,
            refused=at(path, {"type": "HuggingFace", "persistentVolumeClaim": None}),
            accepted=hub,
        ),
        rule(
            f".{path}",
            "huggingFace must be set exactly when type is HuggingFace",
            base,
            refused=at(path, {"huggingFace": _HUB}),
            accepted={},
        ),
        rule(
            f".{path}",
            "persistentVolumeClaim must be set exactly when type is PersistentVolumeClaim",
            base,
            refused=both,
            accepted=hub,
        ),
        rule(
            f".{path}",
            "persistentVolumeClaim must be set exactly when type is PersistentVolumeClaim",
            base,
            refused=at(f"{path}.persistentVolumeClaim", None),
            accepted={},
        ),
    ]


POOLS = [
    *named(POOL, 63, "it names a Service"),
    rule(
        ".spec",
        "managed must be set exactly when type is Managed",
        POOL,
        refused=at(_MANAGED, None),
        accepted={},
    ),
    rule(
        ".spec",
        "managed must be set exactly when type is Managed",
        EXISTING_POOL,
        refused=at(_MANAGED, POOL["spec"]["managed"]),
        accepted={},
    ),
    rule(
        ".spec",
        "existing must be set exactly when type is Existing",
        EXISTING_POOL,
        refused=at("spec.existing", None),
        accepted={},
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
        "perReplicaHour must be set exactly when type is PerReplicaHour",
        POOL,
        refused=at("spec.price", {"type": "PerReplicaHour"}),
        accepted=at("spec.price", {"type": "PerReplicaHour", "perReplicaHour": "12.40"}),
    ),
    rule(
        ".spec.price",
        "perMillionTokens must be set exactly when type is PerMillionTokens",
        POOL,
        refused=at("spec.price", {**_TOKENS, "type": "PerReplicaHour", "perReplicaHour": "1"}),
        accepted=at("spec.price", _TOKENS),
    ),
    rule(
        ".spec.managed",
        "cpu must be set only when device is CPU",
        POOL,
        refused=at(f"{_MANAGED}.cpu", {}),
        accepted=at(_MANAGED, {"device": "CPU", "cpu": {}}),
    ),
    rule(
        ".spec.managed",
        "nvidia.com/gpu must not be asked for when device is CPU",
        POOL,
        refused=at(_MANAGED, {"device": "CPU", "resources": {"limits": {"nvidia.com/gpu": 1}}}),
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
        "draftModel must be set exactly when type is DraftModel or Eagle3",
        POOL,
        refused=at(f"{_MANAGED}.speculative", {"type": "Eagle3", "tokens": 3}),
        accepted=at(f"{_MANAGED}.speculative", {"type": "Ngram", "tokens": 3}),
    ),
    rule(
        ".spec.managed.speculative",
        "draftModel must be set exactly when type is DraftModel or Eagle3",
        _DRAFTING,
        refused=at(f"{_MANAGED}.speculative.type", "Ngram"),
        accepted=at(f"{_MANAGED}.speculative.type", "Eagle3"),
    ),
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
    *between(POOL, f"{_MANAGED}.startupTimeout", ("10s", "4h"), "9s", "4h1s"),
    *between(POOL, f"{_MANAGED}.terminationGracePeriod", ("1s", "2h"), "999ms", "121m"),
]
