"""Where a pool's models and adapters lie inside its pods: paths, volumes, mounts, hub's token."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from tokenfleet.api.v1alpha1.adapters import AdapterSource
from tokenfleet.api.v1alpha1.model_source import ModelSource, SecretKeyReference
from tokenfleet.api.v1alpha1.servingpool import Managed, ServingPool

WEIGHTS_ROOT: Final = "/weights"
CACHE_PATH: Final = "/cache"
TOKEN: Final = "HF_TOKEN"  # noqa: S105
"""Variable in which the hub's library looks for its token."""


Source = ModelSource | AdapterSource


def sources(pool: ServingPool) -> tuple[Source, ...]:
    """Return the sources of everything that the engine loads: models, then adapters."""
    adapters = (adapter.source for adapter in pool.spec.served.adapters)
    return (*weights(pool.managed), *(source for source in adapters if source is not None))


def weights(managed: Managed) -> tuple[ModelSource, ...]:
    """Return the target's source, then the draft's where there is one."""
    draft = managed.speculative.draft_model if managed.speculative else None
    return (managed.model.source, *((draft.source,) if draft else ()))


def location(source: Source) -> str:
    """Return what the engine takes as the model: a repository, an address, or a folder."""
    if source.persistent_volume_claim is not None:
        claim = source.persistent_volume_claim
        return _joined(f"{WEIGHTS_ROOT}/{claim.claim_name}", claim.path)
    if source.image is not None:
        return _joined(_image_path(source.image.reference), source.image.path)
    if isinstance(source, ModelSource) and source.object_store is not None:
        return source.object_store.uri
    assert source.hugging_face is not None, "CEL: the member named by type is set"
    return source.hugging_face.repo


def revision(source: ModelSource) -> str | None:
    """Return the pinned revision; None for folders, and for the hub's default branch."""
    return source.hugging_face.revision if source.hugging_face else None


def tokens(pool: ServingPool) -> tuple[SecretKeyReference, ...]:
    """Return the distinct hub tokens of all sources; an engine process can use only one."""
    found: dict[tuple[str, str], SecretKeyReference] = {}
    for source in sources(pool):
        reference = source.hugging_face.token_secret_ref if source.hugging_face else None
        if reference is not None:
            found.setdefault((reference.name, reference.key), reference)
    return tuple(found.values())


def offline(pool: ServingPool) -> bool:
    """Say whether nothing has to be fetched: every model lies on a volume."""
    return all(source.persistent_volume_claim or source.image for source in sources(pool))


def volumes(pool: ServingPool) -> list[dict[str, Any]]:
    """Return the volumes that hold models, each claim once: kubelets handle a second one badly."""
    cache = _cache_claim(pool.managed)
    claims = _claims(sources(pool))
    result: list[dict[str, Any]] = [
        # A volume that is read-only as a whole could not hold the cache as well.
        {
            "name": name,
            "persistentVolumeClaim": {
                "claimName": claim,
                **({} if claim == cache else {"readOnly": True}),
            },
        }
        for claim, name in claims.items()
    ]
    result += [{"name": name, "image": image} for name, image in _images(sources(pool)).values()]
    if cache is not None and cache not in claims:
        result.append(cache_volume(pool.managed))
    return result


def mounts(pool: ServingPool) -> list[dict[str, Any]]:
    """Return the mounts of `volumes`, in the same order."""
    managed, claims = pool.managed, _claims(sources(pool))
    result: list[dict[str, Any]] = [
        {"name": name, "mountPath": f"{WEIGHTS_ROOT}/{claim}", "readOnly": True}
        for claim, name in claims.items()
    ]
    result += [
        {"name": name, "mountPath": path, "readOnly": True}
        for path, (name, _) in _images(sources(pool)).items()
    ]
    cache = _cache_claim(managed)
    if cache is not None:
        result.append({**cache_mount(managed), "name": claims.get(cache, "cache")})
    return result


def cache_volume(managed: Managed) -> dict[str, Any]:
    """Return the volume of the cache's claim, for pods that mount no other."""
    return {"name": "cache", "persistentVolumeClaim": {"claimName": _cache_claim(managed)}}


def cache_mount(managed: Managed) -> dict[str, Any]:
    """Return the mount of `cache_volume`."""
    cache = managed.model.cache
    part = {"subPath": cache.sub_path} if cache is not None and cache.sub_path else {}
    return {"name": "cache", "mountPath": CACHE_PATH, **part}


def _joined(root: str, path: str | None) -> str:
    return f"{root}/{path}" if path else root


def _cache_claim(managed: Managed) -> str | None:
    cache = managed.model.cache
    return cache.persistent_volume_claim.claim_name if cache is not None else None


def _claims(of: Iterable[Source]) -> Mapping[str, str]:
    """Return claim names with the volume's name; claim names may hold dots, volume names not."""
    names = dict.fromkeys(
        source.persistent_volume_claim.claim_name
        for source in of
        if source.persistent_volume_claim is not None
    )
    return {claim: f"weights-{number}" for number, claim in enumerate(names)}


def _images(of: Iterable[Source]) -> Mapping[str, tuple[str, dict[str, Any]]]:
    """Return mount path -> (volume's name, core/v1 ImageVolumeSource), each image once."""
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for source in of:
        if source.image is None:
            continue
        policy = {"pullPolicy": source.image.pull_policy} if source.image.pull_policy else {}
        volume = {"reference": source.image.reference, **policy}
        found.setdefault(
            _image_path(source.image.reference), (f"image-weights-{len(found)}", volume)
        )
    return found


def _image_path(reference: str) -> str:
    """Return a folder of its own for each image; references hold characters that paths must not."""
    return f"{WEIGHTS_ROOT}/image-{hashlib.sha256(reference.encode()).hexdigest()[:10]}"
