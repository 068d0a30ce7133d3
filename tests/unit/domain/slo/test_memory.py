"""The stored form is compact, exact, and refuses what it does not understand."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.domain.slo.builders import T0
from tokenfleet.domain.slo.memory import (
    Decision,
    LoopMemory,
    RuleMemory,
    State,
    UnreadableMemoryError,
    decode,
    encode,
)

FULL = LoopMemory(
    state=State.RECOVERING,
    w=0.438,
    fallback="chat-medium-fallback",
    last_good=0.375,
    bad_at=0.75,
    bad_rate=7.25,
    crowded_rate=3.375,
    crowded_pool="chat-medium-fallback",
    crowded_until=T0,
    failures=3,
    capacity_at_breach=12,
    pace=210,
    episodes=tuple(T0 + timedelta(minutes=i) for i in range(5)),
    changed_at=T0,
    awaiting=True,
    settle_until=T0,
    dwell_until=T0,
    healthy_since=T0,
    stable_since=T0,
    ceiling_until=T0,
    freeze_until=T0,
    idle_since=T0,
    unknown_since=T0,
    empty_since=T0,
    filled_since=T0,
    last=Decision(
        transition="T6",
        at=T0,
        from_w=750,
        to_w=438,
        objective="chat-first-token-latency",
        bad=401,
        total=842,
        limit=125,
        window=60,
        pool="chat-medium-fallback",
    ),
)


def test_full_memory_of_a_thousand_rules_fits() -> None:
    """700 KiB hold it beside the compiled routes, which take most of the room."""
    # What one state can hold at once; each of the others has clocks of its own and lacks these.
    busy = replace(
        FULL,
        freeze_until=None,
        stable_since=None,
        filled_since=None,
        empty_since=None,
        healthy_since=None,  # kept while Shifted
        idle_since=None,  # nothing is idle and unknown
    )
    rule = RuleMemory(loops={"chat-large": busy}, shadows={})
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
