"""The part of `metav1.ObjectMeta` that Tokenfleet reads."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from tokenfleet.api.conventions import Model


class Metadata(Model):
    """Identity of one object."""

    name: str
    namespace: str = "default"
    uid: str = ""
    generation: Annotated[int, Field(ge=0)] = 0
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    annotations: dict[str, str] = {}
    labels: dict[str, str] = {}
