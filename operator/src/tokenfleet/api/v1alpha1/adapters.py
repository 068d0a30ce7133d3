"""LoRA adapters: small additions to a model's weights, each served under a name of its own."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tokenfleet.api.conventions import Member, Model, PublicModelName, Union
from tokenfleet.api.v1alpha1.model_source import HubRepository, ImageSource, VolumeSource


class AdapterSource(Union):
    """Where an adapter comes from: as a model, but for revisions, which engines do not take."""

    members: ClassVar[Mapping[str, Member]] = {
        "huggingFace": Member(chosen_by=("HuggingFace",)),
        "persistentVolumeClaim": Member(chosen_by=("PersistentVolumeClaim",)),
        "image": Member(chosen_by=("Image",)),
    }

    type: Literal["HuggingFace", "PersistentVolumeClaim", "Image"]
    """Kind of source; the member of the same name counts."""
    hugging_face: HubRepository | None = None
    """Adapter from the Hugging Face hub, at its default branch."""
    persistent_volume_claim: VolumeSource | None = None
    """Adapter on a volume."""
    image: ImageSource | None = None
    """Adapter in an OCI image."""


class Adapter(Model):
    """One LoRA adapter."""

    name: PublicModelName
    """Model name that the engine answers to with this adapter; routes refer to it."""
    source: AdapterSource | None = None
    """Where it comes from. Needed in Managed pools; in Existing ones the engine has it already."""


class LoRAOptions(Model):
    """What an engine keeps ready for adapters."""

    max_rank: Annotated[int, Field(ge=1, le=512)] = 16
    """Largest rank of an adapter, rounded up to a size that the engine knows. Device memory is set
    aside for it; an adapter of a larger rank keeps the engine from starting."""
    max_active: Annotated[int, Field(ge=1, le=64)] | None = None
    """Most adapters that are computed in one batch; requests for others wait. Device memory is set
    aside for each. Absent means all that are listed, at most 8."""
