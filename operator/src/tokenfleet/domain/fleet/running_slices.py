"""Slices that a router has, and which of them can go without moving traffic.

A slice whose objective is gone steps up like any rule without one. It can go when nothing of it is
shifted and its shares are those of the part that takes its requests then: the smallest slice that
holds it, else the rule.
"""

from collections.abc import Mapping

from tokenfleet.domain.fleet.router_config import Held
from tokenfleet.domain.routing.ir import Route, Rule
from tokenfleet.domain.routing.naming import local_name, place_of
from tokenfleet.domain.routing.rule_slices import (
    Slice,
    rule_of_name,
    slice_name,
    slice_of_name,
    smallest,
)
from tokenfleet.domain.slo.control.memory import RuleMemory

Slices = dict[tuple[str, str], tuple[Slice, ...]]
"""(route, rule) -> its slices; routes as the router calls them."""


def running_slices(held: Held, *, at: str) -> Slices:
    """Return the slices that cannot go yet, with routes as a router in namespace `at` calls them.

    Where the configuration was lost and only memory is left, every slice that is shifted.
    """
    if held.document is None:
        return _remembered(held.memory, at)
    found: Slices = {}
    for route in held.document.config.routes:
        for rule in route.rules:
            part = slice_of_name(rule.name)
            key = f"{place_of(route.name, at=at)}/{rule.name}"
            memory = held.memory.get(key, RuleMemory())
            if not part.whole and (_shifted(memory) or _differs(route, rule)):
                place = route.name, rule_of_name(rule.name)
                found[place] = (*found.get(place, ()), part)
    return found


def running_part(route: str, rule: str, part: Slice, running: Mapping[str, Rule]) -> str:
    """Return the name of the running part of a rule that takes the requests of a new slice.

    Args:
        route: `namespace/route`.
        rule: the rule's own name.
        part: the slice.
        running: `namespace/route/rule` -> rule or slice that runs.
    """
    names = (key.removeprefix(f"{route}/") for key in running if key.startswith(f"{route}/"))
    slices = [slice_of_name(name) for name in names if rule_of_name(name) == rule]
    return slice_name(rule, smallest((one for one in slices if one != part), part))


def _remembered(memory: Mapping[str, RuleMemory], at: str) -> Slices:
    found: Slices = {}
    for key, kept in memory.items():
        namespace, route, name = key.split("/")
        part = slice_of_name(name)
        if not part.whole and _shifted(kept):
            place = local_name(namespace, route, at=at), rule_of_name(name)
            found[place] = (*found.get(place, ()), part)
    return found


def _differs(route: Route, rule: Rule) -> bool:
    """Tell whether a slice has other shares than the part that would take its requests."""
    part, name = slice_of_name(rule.name), rule_of_name(rule.name)
    others = {one.name: one for one in route.rules if rule_of_name(one.name) == name}
    slices = (slice_of_name(other) for other in others if other != rule.name)
    heir = others.get(slice_name(name, smallest(slices, part)))
    return heir is None or heir.shares != rule.shares


def _shifted(memory: RuleMemory) -> bool:
    return any(loop.shifted for loop in (*memory.loops.values(), *memory.levels.values()))
