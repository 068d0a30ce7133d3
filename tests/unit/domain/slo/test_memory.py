"""The stored form is compact, exact, and refuses what it does not understand."""

import json

import pytest

from tests.unit.domain.slo.builders import BUSY, FULL
from tokenfleet.domain.slo.control.memory import LoopMemory, RuleMemory
from tokenfleet.domain.slo.control.memory_json import UnreadableMemoryError, decode, encode


def test_full_memory_of_a_thousand_rules_fits() -> None:
    """700 KiB hold it beside the compiled routes, which take most of the room."""
    rule = RuleMemory(loops={"chat-large": BUSY}, shadows={})
    text = encode({f"team-a/route-{i}/default": rule for i in range(1000)})

    assert len(text) / 1000 < 320  # and 390 bytes of compiled route beside it
    assert decode(text)["team-a/route-7/default"] == rule


def test_every_field_survives() -> None:
    memory = {"a/b/c": RuleMemory(loops={"p": FULL}, shadows={"slo": {"p": FULL}})}

    assert decode(encode(memory)) == memory


def test_a_rule_at_rest_takes_no_room() -> None:
    memory = {"a/b/c": RuleMemory(loops={"p": LoopMemory()}, shadows={"slo": {}})}

    assert json.loads(encode(memory)) == {"v": 1, "rules": {}}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="cut off"),
        pytest.param("[]", id="something else"),
        pytest.param('{"v":2,"rules":{}}', id="newer"),
        pytest.param('{"v":1,"rules":[]}', id="rules of the wrong kind"),
        pytest.param('{"v":1,"rules":{"a/b/c":[]}}', id="a rule of the wrong kind"),
        pytest.param('{"v":1,"rules":{"a/b/c":{"l":{"p":{"s":"X"}}}}}', id="an unknown state"),
        pytest.param('{"v":1,"rules":{"a/b/c":{"l":{"p":{"d":[]}}}}}', id="an empty decision"),
    ],
)
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(UnreadableMemoryError):
        decode(text)


def test_a_field_of_a_newer_operator_is_left_alone() -> None:
    text = '{"v":1,"rules":{"a/b/c":{"l":{"p":{"w":500,"zz":1}}}}}'

    assert decode(text)["a/b/c"].loops["p"] == LoopMemory(w=0.5)
