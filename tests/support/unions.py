"""The unions of the API, found in the models and in the schemas, and a value for each member."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel

from tokenfleet.api.conventions import Union
from tokenfleet.api.v1alpha1.kinds import KINDS

_WEIGHTS = {
    "type": "PersistentVolumeClaim",
    "persistentVolumeClaim": {"claimName": "w", "path": "m"},
}

SAMPLES: dict[str, Any] = {
    "huggingFace": {"repo": "org/model"},
    "persistentVolumeClaim": {"claimName": "w", "path": "m"},
    "objectStore": {"uri": "s3://weights/llama"},
    "image": {"reference": "models/llama:1"},
    "draftModel": {"source": _WEIGHTS},
    "custom": {"config": "{}"},
    "cpu": {"kvCache": "1Gi"},
    "perReplicaHour": "12.40",
    "perMillionTokens": {"prompt": "0.15", "completion": "0.60"},
    "existing": {"serviceRef": {"name": "vllm", "port": 8000}},
    "external": {
        "provider": "OpenAI",
        "credentialSecretRef": {"name": "openai", "key": "key"},
    },
    "managed": {"engine": {"image": "vllm"}, "model": {"source": _WEIGHTS}},
    "sidecar": {"serviceAccounts": ["web"]},
    "loadBalancerClass": "example.com/a",
    "pinned": {
        "rules": [{"name": "all", "pools": [{"name": "pool", "weight": 1}]}],
        "until": "2036-01-01T00:00:00Z",
    },
    "selector": {"matchLabels": {"team": "search"}},
    "latency": {"threshold": "500ms", "target": "0.95"},
    "errorRate": {"max": "0.01"},
    "costPerRequest": {"max": "0.01"},
    "cacheHitRate": {"min": "0.70"},
    "fastPathShare": {"min": "0.80"},
    "spend": {"max": "0.5", "per": "Hour"},
    "shiftTraffic": {"primaryFloor": "0.05"},
}
"""Member -> a value that the API server accepts."""
OF_ROUTERS = {**SAMPLES, "managed": {"replicas": 3}}


@dataclass(frozen=True, slots=True)
class Place:
    """One union at one place of a kind."""

    kind: str
    path: str
    """As `spec.trafficControl`."""
    model: type[Union]

    @property
    def values(self) -> tuple[str, ...]:
        """What the discriminator can be."""
        return get_args(self.model.choice()[1].annotation)

    def members(self) -> dict[str, Any]:
        """Return a value for every member, chosen or not."""
        samples = OF_ROUTERS if self.kind == "ModelRouter" else SAMPLES
        return {name: samples[name] for name in self.model.members}


def places() -> list[Place]:
    """Return every union of every kind."""
    return [
        Place(kind.kind, path, model)
        for kind, root in KINDS
        for path, model in _models(root, "")
        if issubclass(model, Union)
    ]


def _models(annotation: Any, path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield path.removeprefix("."), annotation
        for name, field in annotation.model_fields.items():
            yield from _models(field.annotation, f"{path}.{field.alias or name}")
    for argument in get_args(annotation):
        yield from _models(argument, path)


def looks_like_a_union(schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield a schema's (discriminator, member): fields named like a value of a field's enum."""
    fields = schema.get("properties", {})
    for chooser, field in fields.items():
        values = {str(value).lower() for value in field.get("enum", ())}
        yield from ((chooser, name) for name in fields if name.lower() in values)


def objects(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every object of a schema with its place."""
    yield path.removeprefix("."), schema
    for name, field in schema.get("properties", {}).items():
        yield from objects(field.get("items", field), f"{path}.{name}")
