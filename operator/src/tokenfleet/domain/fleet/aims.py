"""What objectives are about: by their targetRef, or by what it last resolved to.

A typo in a targetRef must not end the defence of the rule in the middle of a shift: the objective
stays with the rule that it was about, and its status says that the reference does not resolve.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokenfleet.domain.routing.naming import local_name

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aimed:
    """Objectives, each about something that exists where there is anything to say."""

    slos: tuple[Body, ...]
    targets: Mapping[str, str]
    """TokenSLO -> `route` or `route/rule`, for those that are about something; as in `Held`."""


def aimed(
    slos: Sequence[Body], routes: Sequence[Body], before: Mapping[str, str], *, at: str
) -> Aimed:
    """Aim objectives at routes and rules of their namespaces.

    Args:
        slos: objectives as stored.
        routes: routes as stored.
        before: `targets`, as they last resolved.
        at: namespace of the router that judges them.
    """
    known = {(_namespace(body), target) for body in routes for target in _targets(body)}
    found, targets = [], {}
    for body in slos:
        namespace, wanted = _namespace(body), _target(body)
        name = local_name(namespace, body["metadata"]["name"], at=at)
        last = before.get(name, "")
        if (namespace, wanted) in known:
            targets[name] = wanted
        elif (namespace, last) in known:
            targets[name] = last
            body = _about(body, last)  # noqa: PLW2901
        found.append(body)
    return Aimed(slos=tuple(found), targets=targets)


def resolves(slo: Body, route: Body | None) -> bool:
    """Tell whether an objective is about something that the route it names has."""
    return route is not None and _target(slo) in _targets(route)


def _namespace(body: Body) -> str:
    return str(body["metadata"].get("namespace", ""))


def _targets(route: Body) -> set[str]:
    name = route["metadata"]["name"]
    return {name} | {f"{name}/{rule['name']}" for rule in route.get("spec", {}).get("rules", ())}


def _target(slo: Body) -> str:
    reference = slo.get("spec", {}).get("targetRef", {})
    section = reference.get("sectionName")
    return f"{reference.get('name', '')}/{section}" if section else str(reference.get("name", ""))


def _about(slo: Body, target: str) -> Body:
    route, _, rule = target.partition("/")
    reference = {**slo["spec"]["targetRef"], "name": route}
    reference.pop("sectionName", None)
    if rule:
        reference["sectionName"] = rule
    return {**slo, "spec": {**slo["spec"], "targetRef": reference}}
