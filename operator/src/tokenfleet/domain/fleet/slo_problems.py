"""What keeps an objective from meaning what it says: its target, its selector, its threshold.

Everything is judged by the objective and its route as they are written, so files are judged as the
cluster is.
"""

from collections.abc import Mapping
from typing import Any, Final

from tokenfleet.api.conditions import ACCEPTED, RESOLVED_REFS
from tokenfleet.api.units import format_duration, parse_duration
from tokenfleet.api.v1alpha1.modelroute import ModelRoute
from tokenfleet.api.v1alpha1.tokenslo import TokenSLO
from tokenfleet.domain.fleet.parsing import parsed
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.routing.reach import Missed, missed

Body = Mapping[str, Any]

OTHER: Final = "other"
"""Label of requests whose feature or request type the route does not list."""


def slo_problems(slo: TokenSLO, route: Body | None, *, kept: bool = False) -> list[Problem]:
    """Return what is wrong with what an objective is about.

    Args:
        slo: the objective.
        route: the ModelRoute that it names, as stored; None: there is none.
        kept: it goes on being judged by what it was about before.
    """
    target = slo.spec.target_ref
    meanwhile = "; until then it stays with what it was about" if kept else ""
    if route is None:
        text = (
            f"ModelRoute {target.name} does not exist in namespace {slo.metadata.namespace};"
            f" create it or correct spec.targetRef.name{meanwhile}"
        )
        return [Problem(condition=RESOLVED_REFS, reason="RouteNotFound", message=text)]
    rules = [rule["name"] for rule in route["spec"]["rules"]]
    if target.section_name is not None and target.section_name not in rules:
        text = (
            f"ModelRoute {target.name} has no rule {target.section_name}, only"
            f" {', '.join(rules)}; correct spec.targetRef.sectionName{meanwhile}"
        )
        return [Problem(condition=RESOLVED_REFS, reason="RuleNotFound", message=text)]
    unseen = _unlisted(slo, route["spec"]) or _selects_nothing(slo, route)
    return [*unseen, *_cut_off(slo, route["spec"])]


def _unlisted(slo: TokenSLO, route: Body) -> list[Problem]:
    """Name what the selector asks for and the route does not list: it has no label of its own."""
    found = []
    for field, asked in (
        ("features", slo.spec.selector.features),
        ("requestTypes", slo.spec.selector.request_types),
    ):
        matches = [match for rule in route["rules"] for match in rule.get("matches", ())]
        listed = {*route.get(field, ()), *(v for match in matches for v in match.get(field, ()))}
        missing = sorted({*asked} - listed - {OTHER})
        if missing:
            text = (
                f"selector.{field} names {', '.join(missing)}, which ModelRoute"
                f" {slo.spec.target_ref.name} does not list: such requests are counted as {OTHER}"
                f" and cannot be told apart; add it to spec.{field} of the route"
            )
            found.append(Problem(condition=RESOLVED_REFS, reason="NotListed", message=text))
    return found


def _selects_nothing(slo: TokenSLO, body: Body) -> list[Problem]:
    """Name a selector of requests that all go to other rules."""
    selector, target = slo.spec.selector, slo.spec.target_ref
    if target.section_name is None or not (selector.features or selector.request_types):
        return []  # the last rule takes whatever no other takes
    route = parsed(ModelRoute, body)
    if isinstance(route, Problem):
        return []  # said of the route
    wanted = {"features": selector.features, "requestTypes": selector.request_types}
    why = missed(route.spec.rules, target.section_name, wanted)
    if why is None:
        return []
    text = (
        f"no request of the selector ({_spoken(wanted)}) gets to rule {target.section_name} of"
        f" ModelRoute {target.name}: {_because(why)}; correct selector, or"
        " spec.targetRef.sectionName"
    )
    return [Problem(condition=RESOLVED_REFS, reason="SelectorMatchesNothing", message=text)]


def _spoken(wanted: Mapping[str, list[str]]) -> str:
    return ", ".join(f"{field} {' or '.join(some)}" for field, some in wanted.items() if some)


def _because(why: Missed) -> str:
    if not why.takers:
        return "its matches ask for others"
    stands = "stands" if len(why.takers) == 1 else "stand"
    return f"{', '.join(why.takers)} {stands} before it and takes them all"


def _cut_off(slo: TokenSLO, route: Body) -> list[Problem]:
    """Name a threshold that no attempt can be beyond and still be measured: all are cut before."""
    latency, written = slo.spec.objective.latency, route.get("failover", {})
    limit = written.get("firstTokenTimeout")
    if latency is None or latency.signal != "TimeToFirstToken" or not limit:
        return []
    if latency.threshold <= parse_duration(limit):
        return []
    text = (
        f"objective.latency.threshold is {format_duration(latency.threshold)}, and ModelRoute"
        f" {slo.spec.target_ref.name} ends every wait for a first token after {limit}: an attempt"
        " is bad before it is late; lower the threshold, or raise failover.firstTokenTimeout"
    )
    return [Problem(condition=ACCEPTED, reason="ThresholdAboveTimeout", message=text)]
