"""Files are judged as the API server judges objects: one table of rules for both."""

from typing import Any

import pytest

from e2e.kit.yamls import merged
from tests.integration.api.rules import Rule
from tests.integration.api.rules_of_pools import POOLS
from tests.integration.api.rules_of_routes import ROUTERS, ROUTES
from tests.integration.api.rules_of_slos import SLOS
from tests.integration.api.subjects import ROUTE, SLO, at
from tokenfleet.api.cel import CelError, compiled
from tokenfleet.api.refusals import refusals
from tokenfleet.api.v1alpha1.kinds import KINDS

MODELS = {kind.kind: model for kind, model in KINDS}


def said(body: dict[str, Any]) -> list[str]:
    """Return what is refused of an object."""
    return list(refusals(MODELS[body["kind"]], body))


@pytest.mark.parametrize(
    "rule",
    [*POOLS, *ROUTERS, *ROUTES, *SLOS],
    ids=lambda rule: f"{rule.kind}{rule.place}-{rule.message[:40]}",
)
def test_every_rule_of_the_api_server_is_known_on_both_its_sides(rule: Rule) -> None:
    assert any(rule.message in one for one in said(rule.refused)), said(rule.refused)
    assert said(rule.accepted) == []


@pytest.mark.parametrize(
    ("base", "change", "message"),
    [
        pytest.param(
            SLO,
            at("spec.objective.latency.threshold", 500),
            "spec.objective.latency.threshold: must be a duration such as 500ms",
            id="a number of no unit",
        ),
        pytest.param(
            SLO,
            at("spec.objective.latency.target", 0.95),
            'spec.objective.latency.target: must be a text: write "0.95", in quotes',
            id="a fraction without quotes",
        ),
        pytest.param(
            ROUTE,
            at("spec.modelNames", ["chat", "chat"]),
            "spec.modelNames: holds chat twice",
            id="a word twice in a set",
        ),
        pytest.param(
            ROUTE,
            at("spec.rules", [ROUTE["spec"]["rules"][0]] * 2),
            "spec.rules: holds",
            id="a rule twice",
        ),
        pytest.param(ROUTE, at("spec.rules", {}), "spec.rules: must be a list", id="no list"),
    ],
)
def test_a_value_of_another_form_is_refused_with_its_field(
    base: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    assert any(one.startswith(message) for one in said(merged(base, change)))


@pytest.mark.parametrize("expression", ["", "self.", "has(self)", "1 2", "(1"])
def test_what_is_no_expression_is_refused(expression: str) -> None:
    with pytest.raises(CelError):
        compiled(expression)


@pytest.mark.parametrize(
    "expression", ["nothing(self)", "self.nothing()", "self.none", "self.a + 'text'"]
)
def test_what_has_no_value_is_refused(expression: str) -> None:
    with pytest.raises(CelError):
        compiled(expression)({"a": [1, 2]})


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("-1 < 0 || self.none", True),
        ("has(self.__namespace__) ? self.__namespace__ : 'other'", "team-a"),
        (r"'1\n'.matches('^[0-9]$')", False),
        ("quantity('1Gi').compareTo(quantity('1000Mi'))", 1),
        ("url('https://[::1]:8443/v1').getPort()", "8443"),
        ("['1h', '500ms'].map(text, duration(text)).sum() > duration('60m')", True),
    ],
)
def test_expressions_have_the_value_that_kubernetes_gives_them(
    expression: str, value: object
) -> None:
    assert compiled(expression)({"namespace": "team-a"}) == value
