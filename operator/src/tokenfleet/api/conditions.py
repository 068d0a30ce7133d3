"""Conditions as in `metav1.Condition`, and the types and reasons that are part of this API."""

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import Field

from tokenfleet.api.conventions import Count, Model

ACCEPTED: Final = "Accepted"
"""The spec is valid and nobody else claims what it claims."""
RESOLVED_REFS: Final = "ResolvedRefs"
"""Every object the spec names exists and can be used."""
PROGRAMMED: Final = "Programmed"
"""Every ready router replica has acknowledged the configuration."""
FALLBACK_AVAILABLE: Final = "FallbackAvailable"
"""Each rule that names fallbacks has one that is meant to run."""
AVAILABLE: Final = "Available"
"""At least one replica of the pool serves."""
PROGRESSING: Final = "Progressing"
"""A change is being rolled out."""
DATA_AVAILABLE: Final = "DataAvailable"
"""The measurements that the objective needs are there and fresh."""
MET: Final = "Met"
"""The objective is met now."""
VOTING: Final = "Voting"
"""The objective may move traffic: it asks to, and nothing stands against it."""
AFFORDABLE: Final = "Affordable"
"""More may be shifted to External pools within what shifts may cost."""
MANAGED_BY_ANOTHER: Final = "ManagedByAnother"
"""Two operators watch the object: one of them manages it, the other leaves it alone."""
WEIGHTS_FETCHED: Final = "WeightsFetched"
"""What a pool's engines load lies in its cache."""
READY: Final = "Ready"
"""The summary: the object does what its spec says."""


class Condition(Model):
    """One aspect of an object's state (`metav1.Condition`)."""

    type: Annotated[str, Field(max_length=64)]
    """CamelCase name of the aspect."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    observed_generation: Count | None = None
    """The `metadata.generation` that this condition was computed from."""
    last_transition_time: datetime | None = None
    """When status last changed (RFC 3339, UTC)."""
    reason: Annotated[str, Field(max_length=64)]
    """CamelCase word for machines; part of this API."""
    message: Annotated[str, Field(max_length=32768)] = ""
    """Sentence for people: names the object, the number and the limit."""
