"""What the plan says of a configuration: facts that golden files do not explain."""

from dataclasses import replace

import pytest

from tests.integration.envoy.configuration import configuration
from tokenfleet.adapters.envoy.failover import (
    Endpoints,
    overrides,
    retry_policy,
    stream_policies,
    whole_policies,
)
from tokenfleet.adapters.envoy.plan import plan
from tokenfleet.adapters.envoy.routes import route_table
from tokenfleet.domain.routing.ir import Deadline, Match, RouterConfig, Rule, Tracing

TWO = {"large": (("10.0.0.1", 8000), ("10.0.0.2", 8000)), "small": (("10.0.0.3", 8000),)}
CONFIG = configuration({"large": 900, "small": 100})


def with_limit(config: RouterConfig, *, always: bool) -> RouterConfig:
    (route,) = config.routes
    limit = Deadline(milliseconds=2000, always=always)
    rules = tuple(replace(rule, first_token=limit) for rule in route.rules)
    return replace(config, routes=(replace(route, rules=rules),))


def test_a_pool_with_one_replica_has_no_sister_to_ask() -> None:
    pools = plan(CONFIG, TWO)["pools"]

    assert [(pool["name"], pool["several"]) for pool in pools] == [
        ("large", True),
        ("small", False),
    ]


def test_every_number_of_retries_has_a_policy() -> None:
    """Both pools, and the sister of the first one."""
    slow = plan(CONFIG, TWO)["routes"][0]["rules"][1]
    known = overrides(CONFIG, TWO)

    for names in (slow["stream"], slow["whole"]):
        assert [known[name]["retry_policy"]["num_retries"] for name in names] == [0, 1, 2]


@pytest.mark.parametrize(
    ("always", "limits"), [(True, [True, True, True]), (False, [False, True, True])]
)
def test_a_default_limit_does_not_end_the_only_attempt(always: bool, limits: list[bool]) -> None:  # noqa: FBT001
    (route,) = with_limit(CONFIG, always=always).routes

    policies = [retry_policy(p) for p in stream_policies(route.failover, route.rules[1], TWO)]

    assert ["per_try_timeout" in policy for policy in policies] == limits


def test_only_where_a_pool_has_sisters_its_requests_pay_for_asking_one() -> None:
    one = {name: replicas[:1] for name, replicas in TWO.items()}
    (route,) = CONFIG.routes
    fast, slow = route.rules

    def dear(rule: Rule, endpoints: Endpoints) -> list[bool]:
        policies = [retry_policy(p) for p in whole_policies(route.failover, rule, endpoints)]
        return ["retry_host_predicate" in policy for policy in policies]

    assert dear(slow, TWO) == [False, True, True]
    assert not any(dear(slow, one))
    assert not any(dear(fast, TWO))


def test_the_number_of_policies_does_not_grow_with_the_number_of_rules() -> None:
    (route,) = CONFIG.routes
    many = replace(
        CONFIG,
        routes=tuple(
            replace(route, name=f"route-{n}", model_names=(f"model-{n}",)) for n in range(1000)
        ),
    )

    assert len(overrides(many, TWO)) == len(overrides(CONFIG, TWO))


def test_the_route_table_is_one_route_whatever_it_holds() -> None:
    (host,) = route_table(CONFIG, TWO)["virtual_hosts"]

    assert len(host["routes"]) == 1


def test_rules_match_features_that_are_not_counted() -> None:
    """As `compile_router` leaves a route that has more label sets than there is room for."""
    (route,) = CONFIG.routes
    bare = replace(CONFIG, routes=(replace(route, features=(), request_types=()),))

    counted, uncounted = (plan(config, TWO)["routes"][0] for config in (CONFIG, bare))

    assert counted["labelled"]
    assert not uncounted["labelled"]
    assert uncounted["features"] == ["suggestions"]


@pytest.mark.parametrize("wanted", ["Off", "Errors", "All"])
def test_the_module_tells_a_request_only_where_the_log_takes_it(wanted: str) -> None:
    assert plan(replace(CONFIG, access_log=wanted), TWO)["log"] == wanted


@pytest.mark.parametrize(
    "tracing", [None, Tracing(endpoint="http://otel:4318/v1/traces", sampling=100)]
)
def test_the_module_tells_a_request_to_spans_only_where_there_are_some(
    tracing: Tracing | None,
) -> None:
    assert plan(replace(CONFIG, tracing=tracing), TWO)["spans"] == (tracing is not None)


def test_a_slice_is_tried_before_its_rule_and_counts_under_its_name() -> None:
    (route,) = CONFIG.routes
    fast, slow = route.rules
    chats = replace(slow, name="slow[type=chat]", matches=(Match(request_types=("chat",)),))
    sliced = replace(CONFIG, routes=(replace(route, rules=(fast, chats, slow)),))

    rules = plan(sliced, TWO)["routes"][0]["rules"]

    assert [rule["name"] for rule in rules] == ["fast", "slow", "slow"]
    assert rules[1]["matches"][0]["request_types"] == ["chat"]
