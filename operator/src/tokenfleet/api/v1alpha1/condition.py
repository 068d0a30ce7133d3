"""A condition as in `metav1.Condition`."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from tokenfleet.api.conventions import Count, Model


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
