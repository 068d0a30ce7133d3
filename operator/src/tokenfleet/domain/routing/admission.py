"""Which routes a router takes: those of its own namespace, and those that `allowedRoutes` lets in.

As the `allowedRoutes` of a Gateway's listener (Gateway API, "Cross-Namespace routing"): both sides
must agree, the route by naming the router and the router by allowing the route's namespace.
"""

from collections.abc import Mapping
from typing import Any, Final

from tokenfleet.api.v1alpha1.modelrouter import RouteNamespaces
from tokenfleet.api.v1alpha1.placement import LabelSelector, SelectorRequirement

NAMESPACE_LABEL: Final = "kubernetes.io/metadata.name"
"""Label by which the API server names every namespace."""

Labels = Mapping[str, str]


def admits(router: Mapping[str, Any], namespace: str, labels: Labels | None) -> bool:
    """Tell whether a router takes routes of a namespace; one that cannot be read takes its own.

    Args:
        router: ModelRouter as stored.
        namespace: of the route.
        labels: of that namespace; None: not known, but for the one that the API server sets.
    """
    if namespace == router["metadata"].get("namespace", ""):
        return True
    wanted = router.get("spec", {}).get("allowedRoutes", {}).get("namespaces", {})
    try:
        return allows(RouteNamespaces.model_validate(wanted), namespace, labels)
    except ValueError:
        return False


def allows(wanted: RouteNamespaces, namespace: str, labels: Labels | None) -> bool:
    """Tell whether `allowedRoutes.namespaces` lets another namespace in."""
    if wanted.from_ != "Selector" or wanted.selector is None:
        return wanted.from_ == "All"
    return selects(wanted.selector, {**(labels or {}), NAMESPACE_LABEL: namespace})


def selects(selector: LabelSelector, labels: Labels) -> bool:
    """Tell whether a label selector matches; an empty one matches everything (meta/v1)."""
    equal = all(labels.get(key) == value for key, value in selector.match_labels.items())
    return equal and all(_holds(one, labels) for one in selector.match_expressions)


def _holds(requirement: SelectorRequirement, labels: Labels) -> bool:
    key, values = requirement.key, requirement.values
    return {
        "In": labels.get(key) in values and key in labels,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }.get(requirement.operator, False)
