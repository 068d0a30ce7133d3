"""The sidecar as CEL, for the chart's MutatingAdmissionPolicy.

The containers are those of `sidecar`, built from expressions in place of values. CEL wants all
values of one map to be of one type, so each is made dynamic (Kubernetes' CEL environment,
`HomogeneousAggregateLiterals`).
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from tokenfleet.domain.routing.sidecar import Settings, agent, envoy, volumes

_SPEC: Final = "params.spec.sidecar"
SETTINGS: Final = Settings(
    router="<<params.metadata.name>>",
    image="<<variables.image>>",
    port=f"<<string({_SPEC}.port)>>",
    memory=f"<<string({_SPEC}.memory)>>",
    cpu=f"<<string({_SPEC}.cpu)>>",
    start_limit=f"<<string(duration({_SPEC}.startLimit).getSeconds())>>s",
    security="<<variables.security>>",
)
"""Expressions between angle brackets; the chart defines the variables."""
_EXPRESSION: Final = re.compile(r"<<(.*?)>>")


def expressions() -> dict[str, str]:
    """Return CEL by the name of the variable that it defines."""
    parts = {"agent": agent(SETTINGS), "envoy": envoy(SETTINGS), "volumes": volumes()}
    return {name: _cel(value) for name, value in parts.items()}


def _cel(value: Any) -> str:
    if isinstance(value, Mapping):
        entries = (f"'{key}': dyn({_cel(item)})" for key, item in value.items())
        return "{" + ", ".join(entries) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_cel(item) for item in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else _text(value)


def _text(value: str) -> str:
    """Return a string literal, with the expressions in it put together with the rest."""
    pieces = _EXPRESSION.split(value)  # literal, expression, literal, ...
    told = [
        piece if number % 2 else f"'{piece}'"
        for number, piece in enumerate(pieces)
        if number % 2 or piece
    ]
    return " + ".join(told)
