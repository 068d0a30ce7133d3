"""Changes of who decides a route's shares, as merge patches (RFC 7386) of the user's own spec.

A patch carries the `resourceVersion` that was read: where somebody else has written since, the API
server refuses it, and nobody's pin is lost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from tokenfleet.domain.fleet.conditions import rfc3339

Body = Mapping[str, Any]

AUTO: Final = "Auto"
PINNED: Final = "Pinned"
DISABLED: Final = "Disabled"


class UnfitChangeError(ValueError):
    """The route has nothing of the kind; the message says what it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of `spec.trafficControl` of one ModelRoute."""

    namespace: str
    name: str
    control: Mapping[str, Any]
    """What is written; None in it takes a field away."""
    version: str
    """The `resourceVersion` that was read."""

    @property
    def patch(self) -> dict[str, Any]:
        """Return the merge patch."""
        return {
            "metadata": {"resourceVersion": self.version},
            "spec": {"trafficControl": dict(self.control)},
        }

    def manifest(self, api_version: str) -> dict[str, Any]:
        """Return the part of the object to write into git."""
        control = {key: value for key, value in self.control.items() if value is not None}
        return {
            "apiVersion": api_version,
            "kind": "ModelRoute",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {"trafficControl": control},
        }


def pin(route: Body, rule: str, weights: Mapping[str, int], until: datetime) -> Change:
    """Fix the shares of one rule; pins of other rules stay, until the same moment.

    Args:
        route: the ModelRoute.
        rule: name of the rule; empty: the only one.
        weights: pool -> weight; at least one is above 0.
        until: when it ends.

    Raises:
        UnfitChangeError: there is no such rule, or it has no such pool.
    """
    spec = rule_of(route, rule)
    pools = pools_of(spec)
    strange = [pool for pool in weights if pool not in pools]
    if strange:
        msg = f"rule {spec['name']} has no pool {strange[0]}; it has {', '.join(pools)}"
        raise UnfitChangeError(msg)
    if not any(weights.values()):
        msg = "at least one pool must have a weight above 0"
        raise UnfitChangeError(msg)
    listed = [{"name": name, "weight": weight} for name, weight in weights.items()]
    others = [one for one in pins_of(route) if one["name"] != spec["name"]]
    rules = [*others, {"name": spec["name"], "pools": listed}]
    return _change(route, {"type": PINNED, "pinned": {"rules": rules, "until": rfc3339(until)}})


def unpin(route: Body, rule: str = "") -> Change:
    """End a pin or a stop: TokenSLOs decide again.

    Args:
        route: the ModelRoute.
        rule: only this one's pin; empty: all of the route.

    Raises:
        UnfitChangeError: there is nothing to end.
    """
    control = route.get("spec", {}).get("trafficControl", {})
    if control.get("type", AUTO) == AUTO:
        msg = f"ModelRoute {route['metadata']['name']} is neither pinned nor stopped"
        raise UnfitChangeError(msg)
    left = [one for one in pins_of(route) if rule and one["name"] != rule]
    if rule and len(left) == len(pins_of(route)):
        msg = f"rule {rule} of ModelRoute {route['metadata']['name']} is not pinned"
        raise UnfitChangeError(msg)
    if left:
        until = control["pinned"]["until"]
        return _change(route, {"type": PINNED, "pinned": {"rules": left, "until": until}})
    return _change(route, {"type": AUTO, "pinned": None})


def stop(route: Body) -> Change:
    """Take all shares back to the weights as written, and let no TokenSLO move them."""
    return _change(route, {"type": DISABLED, "pinned": None})


def rule_of(route: Body, rule: str) -> Body:
    """Return a rule by its name; the only one where the name is empty.

    Raises:
        UnfitChangeError: there is none, or it cannot be said which is meant.
    """
    rules = route.get("spec", {}).get("rules", ())
    names = ", ".join(one["name"] for one in rules)
    if not rule and len(rules) != 1:
        msg = f"say which rule is meant with --rule: {names}"
        raise UnfitChangeError(msg)
    found = next((one for one in rules if rule in ("", one["name"])), None)
    if found is None:
        msg = f"ModelRoute {route['metadata']['name']} has no rule {rule}; it has {names}"
        raise UnfitChangeError(msg)
    return dict(found)


def pools_of(rule: Body) -> list[str]:
    """Return the pools that a rule names, in order."""
    fields = ("backendRefs", "fallbackRefs")
    return [ref["name"] for field in fields for ref in rule.get(field, ())]


def pins_of(route: Body) -> Sequence[Body]:
    """Return the pins that are in the spec."""
    control = route.get("spec", {}).get("trafficControl", {})
    return (control.get("pinned") or {}).get("rules", []) if control.get("type") == PINNED else []


def owner_of(route: Body) -> str:
    """Name the GitOps tool that keeps the object as git has it; empty where none is known."""
    metadata = route["metadata"]
    marks = {**metadata.get("labels", {}), **metadata.get("annotations", {})}
    if any(name.startswith("argocd.argoproj.io/") for name in marks):
        return "Argo CD"
    if any(".toolkit.fluxcd.io/" in name for name in marks):
        return "Flux"
    return ""


def _change(route: Body, control: Mapping[str, Any]) -> Change:
    metadata = route["metadata"]
    return Change(
        namespace=metadata["namespace"],
        name=metadata["name"],
        control=control,
        version=metadata["resourceVersion"],
    )
