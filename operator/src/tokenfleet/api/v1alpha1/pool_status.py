"""What the operator saw last of a ServingPool."""

from typing import Annotated

from pydantic import Field

from tokenfleet.api.conventions import Count, ListMap, Model
from tokenfleet.api.v1alpha1.condition import Condition


class SpeculationStatus(Model):
    """How useful speculation is."""

    acceptance: Annotated[str, Field(max_length=4, pattern=r"^[01][.][0-9]{2}$")] = "0.00"
    """Part of the proposed tokens that the target model accepted in the last half an hour, in steps
    of 0.05."""


class PrefetchStatus(Model):
    """How far the download into the cache is."""

    bytes: Count | None = None
    """Downloaded so far, in steps of about a tenth; absent where the hub tells no sizes."""
    total_bytes: Count | None = None
    """Of all files together; absent where the hub tells no sizes."""
    files: Count = 0
    """Files downloaded so far."""
    total_files: Count = 0
    """Files of all models together."""


class ServingPoolStatus(Model):
    """What the operator saw last."""

    observed_generation: Count | None = None
    """The `metadata.generation` this status was computed from."""
    replicas: Count = 0
    """Replicas that exist."""
    ready_replicas: Count = 0
    """Replicas that serve."""
    selector: Annotated[str, Field(max_length=512)] = ""
    """Label selector of the pods, for autoscalers."""
    operator: Annotated[str, Field(max_length=317)] = ""
    """The operator that manages the object, by its Lease: `NAMESPACE/NAME`."""
    contender: Annotated[str, Field(max_length=317)] = ""
    """Another operator that watches the object too, and does not manage it. That operator writes
    this field."""
    speculation: SpeculationStatus | None = None
    """How useful speculation is; absent while nothing is proposed, or metrics do not show it."""
    prefetch: PrefetchStatus | None = None
    """Download into the cache; absent while no download is known."""
    conditions: Annotated[list[Condition], Field(max_length=16), ListMap(("type",))] = []
    """Accepted, Available, Progressing, RolloutGapless, EngineComplete, WeightsFetched,
    ManagedByAnother, Ready."""
