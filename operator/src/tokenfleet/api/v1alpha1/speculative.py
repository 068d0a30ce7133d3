"""Speculative decoding, as a user asks for it."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tokenfleet.api.conventions import Member, Model, Union
from tokenfleet.api.v1alpha1.model_source import DraftModel


class CustomSpeculation(Model):
    """A way of proposing tokens that has no type of its own here."""

    config: Annotated[str, Field(min_length=2, max_length=4096)]
    """JSON object for the engine's own option, for example `{"method": "suffix"}`; the number of
    tokens is `tokens`."""


class SpeculativeTree(Model):
    """A tree of proposed tokens, with several proposals for each place, instead of one chain."""

    depth: Annotated[int, Field(ge=1, le=64)]
    """How many tokens ahead are proposed."""
    width: Annotated[int, Field(ge=1, le=64)]
    """How many proposals are followed at each place."""


class Speculative(Union):
    """Speculative decoding: propose several tokens cheaply, verify them in one pass."""

    members: ClassVar[Mapping[str, Member]] = {
        "draftModel": Member(chosen_by=("DraftModel", "Eagle", "Eagle3")),
        "custom": Member(chosen_by=("Custom",)),
    }

    type: Literal["DraftModel", "Eagle", "Eagle3", "MTP", "Ngram", "Custom"]
    """Who proposes: a draft model, an EAGLE or EAGLE-3 head, the target's own layers for predicting
    several tokens (MTP), n-grams of the prompt, or what `custom` says."""
    tokens: Annotated[int, Field(ge=1, le=64)]
    """Tokens proposed per step."""
    draft_model: DraftModel | None = None
    """The draft model or EAGLE-3 head."""
    tree: SpeculativeTree | None = None
    """Propose a tree of tokens, of which the best `tokens` are verified; absent means a chain."""
    custom: CustomSpeculation | None = None
    """Another way, for `type: Custom`."""
    off_above: Annotated[int, Field(ge=1, le=65536)] | None = None
    """Number of requests that one replica computes at once, above which nothing is proposed:
    speculation costs throughput when the device is busy. Absent means that it is always on."""
