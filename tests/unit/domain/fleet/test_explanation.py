"""Why traffic is where it is: what is said of routes, rules, votes and what comes next."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.domain.fleet.builders import T0, pool, route, slo
from tokenfleet.cli.explain import text
from tokenfleet.domain.fleet.explanation import Rule, Seen, Took, explain
from tokenfleet.domain.slo.control.memory import LoopMemory, RuleMemory, State

READY = [
    {
        "type": "Ready",
        "status": "True",
        "reason": "Ready",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
]
SHIFTED = {
    "rules": [
        {
            "name": "slow",
            "shares": [{"name": "large", "share": 500}, {"name": "small", "share": 500}],
            "reason": "Shifted",
            "message": "ttft: 40 of 80 attempts on large bad in 180 s, 50.0% exceeds 25.0%",
            "since": "2026-01-01T11:58:00Z",
            "fallbackInUse": True,
        }
    ],
    "conditions": READY,
}
LOOP = LoopMemory(
    state=State.SHIFTED,
    w=0.5,
    fallback="small",
    changed_at=T0 - timedelta(seconds=65),
    cause="ttft",
    bad_level=0.5,
    capacity_at_breach=2,
)


def judged(met: str = "False", **status: Any) -> dict[str, Any]:
    return {
        "state": "Shifted",
        "data": {"state": "OK", "reason": "", "message": ""},
        "current": {"total": 80, "bad": 40, "burnRate": "10.00"},
        "conditions": [
            {
                "type": "Met",
                "status": met,
                "reason": "Missed",
                "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
        ],
        **status,
    }


def seen(**change: Any) -> Seen:
    given = Seen(
        route=route(status=SHIFTED),
        slos=[{**slo(), "status": judged()}],
        pools={
            "large": {
                **pool("large"),
                "status": {"replicas": 2, "readyReplicas": 1, "conditions": []},
            },
            "small": {
                **pool("small"),
                "status": {"replicas": 2, "readyReplicas": 2, "conditions": READY},
            },
        },
        memory={"ns/chat/slow": RuleMemory(loops={"large": LOOP})},
        hidden="",
        now=T0,
    )
    return replace(given, **change)


def rule(**change: Any) -> Rule:
    (found,) = explain(seen(**change)).rules
    return found


def upcoming(loop: LoopMemory) -> str:
    return " | ".join(rule(memory={"ns/chat/slow": RuleMemory(loops={"large": loop})}).next)


def test_shares_and_the_last_decision_with_its_numbers_and_limits() -> None:
    found = rule()

    assert (found.reason, found.since, found.fallback_in_use) == (
        "Shifted",
        "2026-01-01T11:58:00Z",
        True,
    )
    assert "40 of 80 attempts on large bad in 180 s, 50.0% exceeds 25.0%" in found.last_decision
    assert [(p.name, p.role, p.share, p.ready, p.replicas) for p in found.pools] == [
        ("large", "primary", 500, 1, 2),
        ("small", "fallback", 500, 2, 2),
    ]


def test_the_adapter_that_a_rule_asks_for_is_told() -> None:
    looked = seen()
    looked.route["spec"]["rules"][0]["fallbackRefs"][0]["adapter"] = "legal"

    said = text(explain(looked))

    assert "small (fallback, adapter legal, 2/2 ready)" in said
    assert "large (primary, 1/2 ready)" in said


def test_the_text_is_whole() -> None:
    said = text(explain(seen()))

    assert said.splitlines()[0] == "ModelRoute ns/chat   models chat"
    for part in (
        "rule slow: Shifted since 2026-01-01T11:58:00Z",
        "   50 %  large (primary, 1/2 ready)",
        "ttft (ShiftTraffic): missed; data OK, 40 of 80 bad, burn rate 10.00",
        "next: the shift settles until 12:00:40 UTC (for 40 s)",
        "next: if large is proven still bad, more is shifted, down to 2% at most and as far as",
        "next: first step back at 12:03:55 UTC (in 3 min 55 s) at the earliest, when attempts of",
        "of 3 min 45 s prove large well; silence proves nothing",
        "next: large gets 0.22 attempts/s now: proving it still bad takes 5 bad ones (22 s)",
        "proving it well 13 good ones (58 s)",
        "next: large needs its part of the 2 ready replicas it had before each step",
    ):
        assert part in said


@pytest.mark.parametrize(
    ("objective", "status", "words"),
    [
        pytest.param(
            {"type": "Spend", "spend": {"max": "200", "per": "Day"}},
            {"spend": {"spent": "118.2", "forecast": "231.4", "ends": "2026-01-02T00:00:00Z"}},
            "spent 118.2 of 200 for the day, forecast 231.4 at 2026-01-02T00:00:00Z",
            id="money",
        ),
        pytest.param(
            {"type": "Spend", "spend": {"max": "2", "per": "Hour"}},
            {"spend": {"spent": "1.5", "forecast": ""}},
            "data OK, spent 1.5 of 2 for the hour\n",
            id="money without traffic",
        ),
        pytest.param(
            {"type": "CostPerRequest", "costPerRequest": {"max": "0.01"}},
            {"current": {"total": 80, "burnRate": "1.20", "value": "0.012"}},
            "mean cost of a request 0.012, limit 0.01",
            id="cost",
        ),
        pytest.param(
            {"type": "CacheHitRate", "cacheHitRate": {"min": "0.7"}},
            {"current": {"total": 80, "burnRate": "1.20", "value": "0.640"}},
            "cache hit rate 0.640, at least 0.7",
            id="cache",
        ),
    ],
)
def test_levels_are_told_with_their_limits(
    objective: dict[str, Any], status: dict[str, Any], words: str
) -> None:
    one = {**slo("level", objective=objective), "status": {**judged(), **status}}

    said = text(explain(replace(seen(), slos=[one])))

    assert words in said + "\n"
    assert "burn rate" not in said


def test_what_shifts_cost_is_told_with_its_limit_and_with_what_keeps_them_back() -> None:
    why = {"type": "Affordable", "status": "False", "reason": "LimitReached", "message": "raise it"}
    cost = {"shiftCost": {"perHour": "35.9", "max": "40"}}
    status = judged() | cost
    one = {**slo(), "status": {**status, "conditions": [*status["conditions"], why]}}

    said = text(explain(replace(seen(), slos=[one])))

    assert "    shifts to External pools cost 35.9 an hour, at most 40; raise it\n" in said
    assert "cost" not in text(explain(seen()))


@pytest.mark.parametrize(
    ("loop", "words"),
    [
        pytest.param(LoopMemory(), "a breach on large would shift", id="at rest"),
        pytest.param(
            LoopMemory(stable_since=T0 - timedelta(hours=1)),
            "on probation until 13:00:00 UTC (for 1 h)",
            id="on probation",
        ),
        pytest.param(
            replace(LOOP, effective_at=T0 - timedelta(minutes=2)),
            "first step back at 12:03:00 UTC (in 3 min) at the earliest",
            id="settled",
        ),
        pytest.param(
            replace(LOOP, failures=2),
            "when attempts of 15 min prove large well",
            id="after two failed recoveries",
        ),
        pytest.param(
            replace(LOOP, w=0.0), "when large has had ready endpoints for 30 s", id="no endpoints"
        ),
        pytest.param(
            replace(LOOP, state=State.RECOVERING, effective_at=T0 - timedelta(minutes=2)),
            "next step back at 12:01:30 UTC (in 1 min 30 s) if large is proven well",
            id="between two steps back",
        ),
        pytest.param(
            replace(LOOP, state=State.RECOVERING, changed_at=T0 - timedelta(minutes=9)),
            "as soon as large is proven well and no objective doubts it",
            id="due",
        ),
        pytest.param(
            replace(LOOP, state=State.FROZEN, freeze_until=T0 + timedelta(minutes=30)),
            "frozen until 12:30:00 UTC (for 30 min)",
            id="frozen",
        ),
        pytest.param(
            replace(LOOP, unknown_since=T0 - timedelta(minutes=1)),
            "holds: nothing can be seen since 11:59:00 UTC (for 1 min)",
            id="blind",
        ),
        pytest.param(
            replace(LOOP, awaiting=True), "every ready router replica runs", id="not acknowledged"
        ),
        pytest.param(
            replace(LOOP, ceiling_until=T0 + timedelta(minutes=10)),
            "steps back stay below it until 12:10:00 UTC",
            id="under a ceiling",
        ),
    ],
)
def test_what_comes_next_names_the_timer_or_the_condition(loop: LoopMemory, words: str) -> None:
    assert words in upcoming(loop)


@pytest.mark.parametrize(
    ("status", "action", "words"),
    [
        (judged("True"), "ShiftTraffic", "met"),
        (judged("False"), "Alert", "missed; only alerts, and has no vote"),
        (
            judged("Unknown", data={"state": "Unknown", "reason": "Stale", "message": ""}),
            "ShiftTraffic",
            "cannot see: shares are not raised",
        ),
        (
            judged("Unknown", data={"state": "NoTraffic", "reason": "", "message": ""}),
            "ShiftTraffic",
            "no traffic: neither good nor bad",
        ),
        (
            judged("Unknown", data={"state": "Insufficient", "reason": "", "message": ""}),
            "ShiftTraffic",
            "few attempts: proofs take longer",
        ),
    ],
)
def test_every_objective_says_what_it_votes(
    status: dict[str, Any], action: str, words: str
) -> None:
    body = {**slo(onBreach={"type": action}), "status": status}
    (vote,) = rule(slos=[body, slo("other", targetRef={"name": "elsewhere"})]).votes

    assert vote.says == words
    assert vote.action == action


def test_an_objective_that_is_not_heard_says_why() -> None:
    status = judged()
    status["conditions"] = [
        *status["conditions"],
        {**status["conditions"][0], "type": "Voting", "message": "nothing has been known since"},
    ]
    (vote,) = rule(slos=[{**slo(onBreach={"type": "ShiftTraffic"}), "status": status}]).votes

    assert vote.says == "missed; has no vote: nothing has been known since"


def test_a_level_is_part_of_what_comes_next() -> None:
    level = LoopMemory(state=State.SHIFTED, w=0.8, fallback="small")
    memory = {"ns/chat/slow": RuleMemory(levels={"large": level})}

    assert any("leaves it 80%" in line for line in rule(memory=memory).next)


def test_a_shadow_is_told_of() -> None:
    shadow = {"shares": [], "transition": "T1", "message": "would shift to small"}
    body = {**slo(onBreach={"type": "Alert"}), "status": judged(shadow=shadow)}

    assert "would have: would shift to small" in text(explain(seen(slos=[body])))


def test_a_pin_and_disabled_control_are_the_reason() -> None:
    until = "2026-01-01T13:00:00Z"
    pinned = {"rules": [{"name": "slow", "pools": [{"name": "small"}]}], "until": until}
    by_hand = route(trafficControl={"type": "Pinned", "pinned": pinned}, status=SHIFTED)
    off = route(trafficControl={"type": "Disabled"}, status=SHIFTED)

    assert explain(seen(route=by_hand)).control == f"Pinned until {until}"
    assert rule(route=by_hand).next == (f"shares stay as pinned until {until}, then step back",)
    assert "control is Disabled" in rule(route=off).next[0]
    assert "no vote while shares are fixed" in rule(route=off).votes[0].says


def test_a_pin_whose_time_is_over_is_said_to_be_over() -> None:
    until = "2026-01-01T11:00:00Z"
    pinned = {"rules": [{"name": "slow", "pools": [{"name": "small"}]}], "until": until}
    body = route(trafficControl={"type": "Pinned", "pinned": pinned}, status=SHIFTED)

    assert explain(seen(route=body)).control == f"Pinned until {until}, which is over: as Auto"


def test_what_cannot_be_read_is_said() -> None:
    hidden = rule(memory=None, hidden="you have no right to read ConfigMap ns/default-config")

    assert hidden.next == (
        "the timers cannot be read: you have no right to read ConfigMap ns/default-config",
    )


def test_a_route_that_nobody_has_looked_at() -> None:
    found = explain(seen(route=route(), slos=[], pools={}))

    assert found.trouble == "no operator has looked at it yet"
    assert found.rules[0].last_decision == "no router has written it yet"
    assert {one.trouble for one in found.rules[0].pools} == {"it does not exist"}
    assert "nothing shifts it" in found.rules[0].next[-1]


def test_a_slice_is_explained_like_a_rule_and_the_rest_after_it() -> None:
    name = "slow[type=chat]"
    told = {**SHIFTED, "rules": [{**SHIFTED["rules"][0], "name": name}, *SHIFTED["rules"]]}
    chats = {**slo("chats", selector={"requestTypes": ["chat"]}), "status": judged()}
    whole = {**slo(), "status": judged()}

    part, rest = explain(
        seen(
            route=route(status=told),
            slos=[whole, chats],
            memory={f"ns/chat/{name}": RuleMemory(loops={"large": replace(LOOP, cause="chats")})},
        )
    ).rules

    assert (part.name, [vote.slo for vote in part.votes]) == (name, ["ttft", "chats"])
    assert (rest.name, [vote.slo for vote in rest.votes]) == ("slow", ["ttft"])
    assert part.next != rest.next, "each has a memory of its own"


def test_a_latency_budget_is_explained_by_stage() -> None:
    told = {"stage": "retrieval", "budget": "80ms", "p50": "40ms", "p99": "95ms"}

    found = explain(seen(route=route(status={**SHIFTED, "latencyBudget": [told]})))

    assert found.stages == (Took(**told),)
    assert "  retrieval: p50 40ms, p99 95ms of 80ms" in text(found)


def test_what_was_not_measured_is_no_number() -> None:
    blind = {"data": {"state": "Unknown", "reason": "Absent"}}

    said = text(explain(seen(slos=[{**slo(), "status": blind}])))

    assert "data Unknown (Absent), nothing measured" in said
