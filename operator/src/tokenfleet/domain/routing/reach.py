"""Rules that no request can reach, because an earlier rule takes everything that they ask for.

Rules are tried in order and the first one that matches takes the request. A match is covered by
another one where whatever fits it fits the other, too: each thing that the other asks for, it asks
for at least as strictly. Only single matches are compared, so nothing is called unreachable that is
not; two earlier matches that cover a third one together are not found.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tokenfleet.api.conditions import ACCEPTED
from tokenfleet.api.v1alpha1.modelroute import RouteRule, RuleMatch
from tokenfleet.domain.fleet.problems import Problem


def unreachable(rules: Sequence[RouteRule]) -> Iterator[Problem]:
    """Yield a problem for each rule that gets no request; quadratic in the number of matches."""
    for number, rule in enumerate(rules):
        takers = [_taker(match, rules[:number]) for match in rule.matches]
        if takers and all(takers):
            names = ", ".join(dict.fromkeys(name for name in takers if name))
            yield Problem(
                condition=ACCEPTED,
                reason="RuleUnreachable",
                message=f"rule {rule.name} gets no request: {names} stands before it and takes all"
                f" that it asks for; put {rule.name} first, or remove it",
            )


class Missed(NamedTuple):
    """Why requests do not get to a rule."""

    takers: tuple[str, ...]
    """Rules before it that take them; empty: it does not ask for them."""


def missed(
    rules: Sequence[RouteRule], name: str, wanted: Mapping[str, Sequence[str]]
) -> Missed | None:
    """Return why no request of some features and request types gets to a rule; None: some does.

    Args:
        rules: of the route.
        name: one of them.
        wanted: `features` and `requestTypes`, any of each; empty means all.
    """
    number = next(at for at, rule in enumerate(rules) if rule.name == name)
    asked = [_narrowed(match, wanted) for match in rules[number].matches or (RuleMatch(),)]
    takers = [_taker(match, rules[:number]) for match in asked if match is not None]
    if not all(takers):
        return None
    return Missed(tuple(dict.fromkeys(taker for taker in takers if taker)))


def _narrowed(match: RuleMatch, wanted: Mapping[str, Sequence[str]]) -> RuleMatch | None:
    """Return what of a match is wanted; None: nothing."""
    asked = {"features": match.features, "request_types": match.request_types}
    both = {
        field: _both(own, wanted[name])
        for (field, own), name in zip(asked.items(), ("features", "requestTypes"), strict=True)
    }
    return None if None in both.values() else match.model_copy(update=both)


def _both(own: Sequence[str], wanted: Sequence[str]) -> list[str] | None:
    """Return the values that are in both, of which an empty one means all; None: there is none."""
    if not own or not wanted:
        return [*own, *wanted]
    return [value for value in own if value in wanted] or None


def _taker(match: RuleMatch, earlier: Iterable[RouteRule]) -> str | None:
    """Return the first rule that takes everything that a match asks for."""
    covering = (rule.name for rule in earlier if any(_covers(one, match) for one in rule.matches))
    return next(covering, None)


def _covers(wide: RuleMatch, match: RuleMatch) -> bool:
    return (
        _any_of(wide.features, match.features)
        and _any_of(wide.request_types, match.request_types)
        and wide.tools in {None, match.tools}
        and wide.stream in {None, match.stream}
        and _within(wide, match)
        and _as_late(wide, match)
    )


def _any_of(wide: Sequence[str], asked: Sequence[str]) -> bool:
    return not wide or (bool(asked) and {*asked} <= {*wide})


def _within(wide: RuleMatch, match: RuleMatch) -> bool:
    """Tell whether the sizes of one match are all sizes of the other."""
    if wide.request_bytes is None:
        return True
    asked = match.request_bytes
    least, most = wide.request_bytes.min, wide.request_bytes.max
    low = None if asked is None else asked.min
    high = None if asked is None else asked.max
    return (not least or (low is not None and low >= least)) and (
        most is None or (high is not None and high <= most)
    )


def _as_late(wide: RuleMatch, match: RuleMatch) -> bool:
    if wide.remaining_budget is None:
        return True
    asked = match.remaining_budget
    return asked is not None and asked.max <= wide.remaining_budget.max
