"""Whose routes a router takes, as a Gateway's `allowedRoutes`."""

from typing import Any

import pytest

from tokenfleet.domain.routing.admission import admits


def selector(**wanted: Any) -> dict[str, Any]:
    return {"from": "Selector", "selector": wanted}


def expression(operator: str, *values: str) -> dict[str, Any]:
    requirement = {"key": "llm", "operator": operator, **({"values": values} if values else {})}
    return selector(matchExpressions=[requirement])


@pytest.mark.parametrize(
    ("namespaces", "labels", "expected"),
    [
        pytest.param({}, {"llm": "shared"}, False, id="its own only, if it says nothing"),
        pytest.param({"from": "Same"}, {}, False, id="Same"),
        pytest.param({"from": "All"}, None, True, id="All, whatever is known"),
        pytest.param(selector(), {}, True, id="an empty selector selects everything"),
        pytest.param(selector(matchLabels={"llm": "shared"}), {"llm": "shared"}, True, id="a label that fits"),
        pytest.param(selector(matchLabels={"llm": "shared"}), {"llm": "own"}, False, id="another value"),
        pytest.param(selector(matchLabels={"llm": "shared"}), None, False, id="labels that are not known"),
        pytest.param(selector(matchLabels={"kubernetes.io/metadata.name": "team-a"}), None, True, id="the label that every namespace has"),
        pytest.param(expression("In", "a", "b"), {"llm": "b"}, True, id="In"),
        pytest.param(expression("In", "a"), {}, False, id="In, without the label"),
        pytest.param(expression("NotIn", "a"), {}, True, id="NotIn, without the label"),
        pytest.param(expression("NotIn", "a"), {"llm": "a"}, False, id="NotIn"),
        pytest.param(expression("Exists"), {"llm": ""}, True, id="Exists"),
        pytest.param(expression("DoesNotExist"), {"llm": ""}, False, id="DoesNotExist"),
        pytest.param({"from": "Somewhere"}, {}, False, id="what a newer version means"),
    ],
)  # fmt: skip
def test_routes_of_another_namespace(
    namespaces: dict[str, Any],
    labels: dict[str, str] | None,
    expected: bool,  # noqa: FBT001
) -> None:
    router = {
        "metadata": {"name": "shared", "namespace": "platform"},
        "spec": {"allowedRoutes": {"namespaces": namespaces}},
    }

    assert admits(router, "team-a", labels) is expected
    assert admits(router, "platform", None)
