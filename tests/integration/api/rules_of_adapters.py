"""The rules of adapters in a ServingPool, on both sides."""

from typing import Any

from e2e.kit.yamls import merged
from tests.integration.api.rules import Rule, rule
from tests.integration.api.subjects import POOL, at

UPWARDS = "must not hold `..`: the kubelet refuses it"


def _adapters() -> list[Rule]:
    path = "spec.served.adapters"
    claim = {"type": "PersistentVolumeClaim", "persistentVolumeClaim": {"claimName": "w"}}
    hub = {"type": "HuggingFace", "huggingFace": {"repo": "org/legal"}}
    image = {"type": "Image", "image": {"reference": "adapters/legal:1", "path": "a"}}

    def one(source: dict[str, Any] | None, name: str = "legal") -> dict[str, Any]:
        return at(path, [{"name": name, **({"source": source} if source else {})}])

    return [
        rule(
            ".spec.served",
            "adapters must not have the name of the model or of one of its aliases",
            POOL,
            refused=at("spec.served", {"aliases": ["b"], **one(claim, "b")["spec"]["served"]}),
            accepted=at("spec.served", {"aliases": ["b"], **one(claim, "c")["spec"]["served"]}),
        ),
        rule(
            ".spec",
            "served.adapters must have a source when type is Managed, and none otherwise",
            POOL,
            refused=one(None),
            accepted=one(hub),
        ),
        rule(
            f".{path}[].source",
            "huggingFace must be set when type is HuggingFace",
            POOL,
            refused=one({"type": "HuggingFace"}),
            accepted=one(hub),
        ),
        rule(
            f".{path}[].source",
            "persistentVolumeClaim must be set when type is PersistentVolumeClaim",
            POOL,
            refused=one({"type": "PersistentVolumeClaim"}),
            accepted=one(claim),
        ),
        rule(
            f".{path}[].source",
            "image must be set when type is Image",
            POOL,
            refused=one({"type": "Image"}),
            accepted=one(image),
        ),
        rule(
            f".{path}[].source.huggingFace.repo",
            "must not begin with a dash: the engine would read it as an option",
            POOL,
            refused=one(merged(hub, at("huggingFace.repo", "-m"))),
            accepted=one(hub),
        ),
        rule(
            f".{path}[].source.persistentVolumeClaim.path",
            UPWARDS,
            POOL,
            refused=one(merged(claim, at("persistentVolumeClaim.path", "a/../b"))),
            accepted=one(merged(claim, at("persistentVolumeClaim.path", "a..b"))),
        ),
        rule(
            f".{path}[].source.image.path",
            UPWARDS,
            POOL,
            refused=one(merged(image, at("image.path", "a/.."))),
            accepted=one(image),
        ),
    ]


ADAPTERS = _adapters()
