"""Where a pool's models lie inside its pods: paths, volumes, mounts and the hub's token."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tokenfleet.api.v1alpha1.servingpool import Managed, ModelSource, SecretKeyReference

WEIGHTS_ROOT: Final = "/weights"
CACHE_PATH: Final = "/cache"


def sources(managed: Managed) -> tuple[ModelSource, ...]:
    """Return the target's source, then the draft's where there is one."""
    draft = managed.speculative.draft_model if managed.speculative else None
    return (managed.model.source, *((draft.source,) if draft else ()))


def location(source: ModelSource) -> str:
    """Return what the engine takes as the model: a repository, or a folder in the container."""
    if source.persistent_volume_claim is not None:
        claim = source.persistent_volume_claim
        return f"{WEIGHTS_ROOT}/{claim.claim_name}/{claim.path}"
    assert source.hugging_face is not None, "CEL: the member named by type is set"
    return source.hugging_face.repo


def revision(source: ModelSource) -> str | None:
    """Return the pinned revision; None for folders, and for the hub's default branch."""
    return source.hugging_face.revision if source.hugging_face else None


def tokens(managed: Managed) -> tuple[SecretKeyReference, ...]:
    """Return the distinct hub tokens of all sources; an engine process can use only one."""
    found: dict[tuple[str, str], SecretKeyReference] = {}
    for source in sources(managed):
        reference = source.hugging_face.token_secret_ref if source.hugging_face else None
        if reference is not None:
            found.setdefault((reference.name, reference.key), reference)
    return tuple(found.values())


def offline(managed: Managed) -> bool:
    """Say whether nothing has to be fetched: every model lies on a volume."""
    return all(source.persistent_volume_claim for source in sources(managed))


def volumes(managed: Managed) -> list[dict[str, Any]]:
    """Return the volumes that hold models, each claim once: kubelets handle a second one badly."""
    claims = _claims(sources(managed))
    result: list[dict[str, Any]] = [
        {"name": name, "persistentVolumeClaim": {"claimName": claim, "readOnly": True}}
        for claim, name in claims.items()
    ]
    if managed.model.cache is not None:
        claim = managed.model.cache.persistent_volume_claim.claim_name
        result.append({"name": "cache", "persistentVolumeClaim": {"claimName": claim}})
    return result


def mounts(managed: Managed) -> list[dict[str, Any]]:
    """Return the mounts of `volumes`, in the same order."""
    claims = _claims(sources(managed))
    result: list[dict[str, Any]] = [
        {"name": name, "mountPath": f"{WEIGHTS_ROOT}/{claim}", "readOnly": True}
        for claim, name in claims.items()
    ]
    if managed.model.cache is not None:
        result.append({"name": "cache", "mountPath": CACHE_PATH})
    return result


def _claims(of: Iterable[ModelSource]) -> Mapping[str, str]:
    """Return claim names with the volume's name; claim names may hold dots, volume names not."""
    names = dict.fromkeys(
        source.persistent_volume_claim.claim_name
        for source in of
        if source.persistent_volume_claim is not None
    )
    return {claim: f"weights-{number}" for number, claim in enumerate(names)}
