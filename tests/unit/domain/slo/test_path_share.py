"""How much of a route takes one path: counted by request, over an hour, promised and never moved."""

import pytest

from tests.unit.domain.fleet.builders import slo
from tokenfleet.api.v1alpha1.tokenslo import TokenSLO
from tokenfleet.domain.slo.objectives.path_share import (
    LEAST,
    PathShare,
    Taken,
    path_share_of,
    share,
    shares,
)
from tokenfleet.domain.slo.observation.data_state import Kind
from tokenfleet.domain.slo.observation.measurement import Failure, RuleKey
from tokenfleet.domain.slo.reporting.path_shares import path_view

FAST, SLOW = RuleKey("ns", "chat", "fast"), RuleKey("ns", "chat", "slow")
OTHER = RuleKey("ns", "mail", "fast")
TAKEN = (
    Taken(FAST, "search", "chat", 60),
    Taken(FAST, "other", "chat", 20),
    Taken(SLOW, "search", "chat", 20),
    Taken(OTHER, "search", "chat", 1000),
)
OBJECTIVE = PathShare(namespace="ns", name="fast", route="chat", rule="fast", least=0.8)


def read(**spec: object) -> PathShare | None:
    objective = {"type": "FastPathShare", "fastPathShare": {"min": "0.80"}}
    body = slo("fast", **{"objective": objective, "onBreach": {"type": "Alert"}, **spec})
    return path_share_of(TokenSLO.model_validate(body))


def test_an_objective_is_read_with_its_rule_and_selector() -> None:
    narrow = read(selector={"features": ["search"], "requestTypes": ["chat"]})

    assert narrow == PathShare(
        namespace="ns",
        name="fast",
        route="chat",
        rule="slow",
        features=frozenset({"search"}),
        request_types=frozenset({"chat"}),
        least=0.8,
    )
    assert path_share_of(TokenSLO.model_validate(slo())) is None


def test_a_share_is_the_rule_s_part_of_its_own_route() -> None:
    assert share(OBJECTIVE, TAKEN).part == pytest.approx(0.8)
    assert shares(TAKEN) == {FAST: 0.8, SLOW: 0.2, OTHER: 1.0}


@pytest.mark.parametrize(
    ("selector", "part"),
    [
        pytest.param({"features": frozenset({"search"})}, 0.75, id="by feature"),
        pytest.param({"request_types": frozenset({"chat"})}, 0.8, id="by request type"),
        pytest.param({"request_types": frozenset({"batch"})}, None, id="nothing selected"),
    ],
)
def test_a_selector_narrows_both_sides(selector: dict, part: float | None) -> None:
    narrow = PathShare(
        namespace="ns", name="fast", route="chat", rule="fast", least=0.8, **selector
    )

    assert share(narrow, TAKEN).part == part


@pytest.mark.parametrize(
    ("taken", "kind", "met"),
    [
        pytest.param((), Kind.NO_TRAFFIC, None, id="no request"),
        pytest.param((Taken(FAST, "", "", LEAST - 1),), Kind.INSUFFICIENT, None, id="few"),
        pytest.param(TAKEN, Kind.OK, True, id="exactly what is promised"),
        pytest.param((Taken(FAST, "", "", 79), Taken(SLOW, "", "", 21)), Kind.OK, False, id="less"),
    ],
)
def test_a_view_says_what_an_hour_showed(taken, kind, met) -> None:
    view = path_view(OBJECTIVE, share(OBJECTIVE, taken))

    assert (view.data.kind, view.met) == (kind, met)


def test_the_burn_rate_is_the_part_of_other_paths_over_what_is_allowed() -> None:
    view = path_view(
        OBJECTIVE, share(OBJECTIVE, [Taken(FAST, "", "", 60), Taken(SLOW, "", "", 40)])
    )

    assert (view.total, view.bad, view.value) == (100, 40, "0.600")
    assert view.burn_rate == pytest.approx(2.0)


def test_what_is_not_known_is_said() -> None:
    view = path_view(OBJECTIVE, Failure("SourceError", "down"))

    assert (view.data.kind, view.data.reason, view.met) == (Kind.UNKNOWN, "SourceError", None)
