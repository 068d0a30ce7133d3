"""Where pods may run, as core/v1 writes it."""

from typing import Any

from tokenfleet.api.v1alpha1.placement import Toleration


def toleration(item: Toleration) -> dict[str, Any]:
    """Return a toleration without the fields that were left out."""
    wanted = {
        "key": item.key,
        "operator": item.operator,
        "value": item.value,
        "effect": item.effect,
        "tolerationSeconds": item.toleration_seconds,
    }
    return {key: value for key, value in wanted.items() if value is not None}
