"""Changes of who decides shares: only the user's own spec, and nobody's pin is lost."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.domain.fleet.builders import route
from tokenfleet.domain.console.traffic_control import (
    UnfitChangeError,
    owner_of,
    pin,
    rule_of,
    stop,
    unpin,
)

UNTIL = datetime(2026, 1, 1, 14, 0, tzinfo=UTC)
OTHER = {"name": "fast", "pools": [{"name": "small", "weight": 1}]}


def with_control(control: dict[str, Any] | None = None, *rules: str) -> dict[str, Any]:
    body = route()
    first = body["spec"]["rules"][0]
    body["spec"]["rules"] = [first, *({**first, "name": name} for name in rules)]
    if control is not None:
        body["spec"]["trafficControl"] = control
    return body


def pinned(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Pinned", "pinned": {"rules": list(rules), "until": "2026-01-01T13:00:00Z"}}


def test_a_pin_keeps_the_pins_of_other_rules() -> None:
    body = with_control(pinned(OTHER, {"name": "slow", "pools": []}), "fast")
    control = pin(body, "slow", {"small": 70, "large": 30}, UNTIL).control

    assert control["pinned"]["until"] == "2026-01-01T14:00:00Z"
    assert control["pinned"]["rules"] == [
        OTHER,
        {
            "name": "slow",
            "pools": [{"name": "small", "weight": 70}, {"name": "large", "weight": 30}],
        },
    ]


def test_a_patch_names_the_version_that_was_read() -> None:
    assert stop(route()).patch == {
        "metadata": {"resourceVersion": "1"},
        "spec": {"trafficControl": {"type": "Disabled", "pinned": None}},
    }


def test_a_manifest_for_git_has_no_nulls() -> None:
    manifest = unpin(with_control(pinned(OTHER))).manifest("tokenfleet.dev/v1alpha1")

    assert manifest["spec"] == {"trafficControl": {"type": "Auto"}}


def test_ending_one_pin_leaves_the_others() -> None:
    slow = {"name": "slow", "pools": [{"name": "large", "weight": 1}]}
    body = with_control(pinned(OTHER, slow), "fast")

    assert unpin(body, "slow").control["pinned"]["rules"] == [OTHER]
    assert unpin(with_control(pinned(slow)), "slow").control == {"type": "Auto", "pinned": None}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda: pin(route(), "", {"medium": 1}, UNTIL), "rule slow has no pool medium; it has large, small"),
        (lambda: pin(route(), "", {"small": 0}, UNTIL), "at least one pool"),
        (lambda: rule_of(with_control(None, "fast"), ""), "say which rule is meant with --rule: slow, fast"),
        (lambda: rule_of(route(), "fast"), "has no rule fast; it has slow"),
        (lambda: unpin(route()), "neither pinned nor stopped"),
        (lambda: unpin(with_control(pinned(OTHER), "fast"), "slow"), "rule slow of ModelRoute chat is not pinned"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_with_what_there_is(change: Any, said: str) -> None:
    with pytest.raises(UnfitChangeError, match=said):
        change()


def test_a_left_over_pin_of_another_type_is_no_pin() -> None:
    left = {**pinned(OTHER), "type": "Disabled"}

    assert unpin(with_control(left)).control == {"type": "Auto", "pinned": None}


def test_gitops_tools_are_known_by_their_marks() -> None:
    argo, flux = route(), route()
    argo["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": "x"}
    flux["metadata"]["labels"] = {"kustomize.toolkit.fluxcd.io/name": "x"}

    assert [owner_of(body) for body in (argo, flux, route())] == ["Argo CD", "Flux", ""]
