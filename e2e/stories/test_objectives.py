"""Each kind of objective is missed for a real cause, acted upon in its own way, and recovered."""

from typing import Any

from e2e.kit.waiting import NotYet, wait_for
from e2e.load.pod import LoadRun
from e2e.load.profile import Feature
from e2e.stories import fleet as written
from e2e.stories.fleet import FALLBACK, PRIMARY, SLO, SLOW, Fleet, finished

LEVEL_LIMIT = 300.0
"""Seconds: a level is judged over two windows of 75 s, 15 times `shortWindow`."""


def of_errors(rule: str) -> dict[str, Any]:
    """Return an objective that one attempt in ten may fail."""
    errors = {"type": "ErrorRate", "latency": None, "errorRate": {"max": "0.1"}}
    return written.slo(rule=rule, objective=errors)


def test_errors_are_left_at_once_and_cost_no_request(fleet: Fleet, load: LoadRun) -> None:
    # Where it is not known what the fallback can take, the first shift is a careful one.
    fleet.apply(written.pool(FALLBACK, capacity={"requestsPerSecond": "50"}))
    fleet.apply(of_errors(fleet.rule))
    fleet.behave(PRIMARY, error_rate=0.6)
    share = fleet.wait_shifted()
    decision = fleet.told("lastDecision")
    fleet.behave(PRIMARY)
    back = fleet.climb()

    assert share == 100, "errors do not depend on load: one step, to the floor"
    assert (decision["fromShare"], decision["toShare"]) == ("1", "0.1")
    assert len(back) >= 3
    assert load.live


def test_chats_move_and_analyses_stay_where_they_are(fleet: Fleet) -> None:
    """The primary is slow for both; only for chats has anybody promised anything."""
    fleet.home()
    rule = fleet.rule
    fleet.apply(written.route(rule=rule, features=["talk", "report"]))
    fleet.programmed()
    talk = {"rate": 6.0, "max_tokens": 8, "prompt_words": 12}
    load = fleet.start_load(
        features=(
            Feature(name="talk", request_type="chat", **talk),
            Feature(name="report", request_type="analysis", **talk),
        )
    )
    fleet.apply(written.slo(rule=rule, selector={"requestTypes": ["chat"]}))
    fleet.rule = f"{rule}[type=chat]"
    fleet.wait_baseline(timeout=180)
    fleet.behave(PRIMARY, **SLOW)
    fleet.wait_share("the floor", lambda share: share <= 130)
    assert fleet.shares(rule) == {PRIMARY: 1000, FALLBACK: 0}
    fleet.told("state", lambda state: state == "Shifted")
    fleet.behave(PRIMARY)
    fleet.climb()
    fleet.namespace.delete("tokenslo", SLO)

    def gone() -> bool | NotYet:
        return not fleet.shares() or NotYet("the slice is still there")

    wait_for("the slice to go", gone, timeout=180, namespace=fleet.namespace)
    fleet.rule = rule
    records = finished(load, at_least=200)
    assert {one.pool for one in records if one.feature == "report"} == {PRIMARY}
    assert {one.pool for one in records if one.feature == "talk"} == {PRIMARY, FALLBACK}


def test_cost_is_mended_a_tenth_at_a_time_and_caching_reported(fleet: Fleet) -> None:
    rules = ("costs", "caches")
    fleet.apply(
        *(written.pool(name, price=price(completion=completion), replicas=replicas)
          for name, completion, replicas in ((PRIMARY, "100", 2), (FALLBACK, "10", 1))),
        written.route(features=list(rules), rules=[by_feature("costs"), by_feature("caches")]),
    )  # fmt: skip
    fleet.programmed()
    healthy = {"completion_tokens": 8, "cached_fraction": 0.9}
    fleet.behave(FALLBACK, **healthy)
    fleet.behave(PRIMARY, **healthy)
    talk = {"rate": 3.0, "max_tokens": 64, "prompt_words": 12}
    load = fleet.start_load(features=tuple(Feature(name=rule, **talk) for rule in rules))
    fleet.apply(
        level("costs", type="CostPerRequest", costPerRequest={"max": "0.002"}),
        level("caches", shift=False, type="CacheHitRate", cacheHitRate={"min": "0.5"}),
    )
    for rule in rules:
        fleet.wait("tokenslo", f"{SLO}-{rule}", "Met", timeout=LEVEL_LIMIT)

    fleet.behave(PRIMARY, completion_tokens=64, cached_fraction=0.0)
    fleet.rule = "costs"
    fleet.wait_share("a tenth", lambda share: share == 900, timeout=LEVEL_LIMIT)
    for rule in rules:
        fleet.wait("tokenslo", f"{SLO}-{rule}", "Met", status="False", timeout=LEVEL_LIMIT)
    fleet.behave(PRIMARY, **healthy)
    for rule in rules:
        fleet.wait("tokenslo", f"{SLO}-{rule}", "Met", timeout=LEVEL_LIMIT)
    fleet.wait_baseline(timeout=LEVEL_LIMIT)
    assert fleet.shares("caches")[PRIMARY] == 1000
    fleet.namespace.run("delete", "tokenslo", "--all")

    finished(load, at_least=500)


def price(*, completion: str) -> dict[str, Any]:
    """Return token prices; per million tokens, in a currency of no importance."""
    tokens = {"prompt": "1", "cachedPrompt": "1", "completion": completion}
    return {"type": "PerMillionTokens", "perMillionTokens": tokens}


def by_feature(name: str) -> dict[str, Any]:
    """Return a rule for one feature; "caches" stands last and takes the rest."""
    matches = {"matches": [{"features": [name]}]} if name == "costs" else {}
    pools = {"backendRefs": [{"name": PRIMARY}], "fallbackRefs": [{"name": FALLBACK}]}
    return {"name": name, **matches, **pools}


def level(rule: str, *, shift: bool = True, **objective: Any) -> dict[str, Any]:
    """Return an objective about a mean, with the shortest windows there are."""
    return written.slo(
        name=f"{SLO}-{rule}",
        rule=rule,
        shift=shift,
        objective={"latency": None, **objective},
        control={"shortWindow": "5s", "longWindow": "10s"},
    )
