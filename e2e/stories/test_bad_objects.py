"""What a user writes wrongly is said clearly, and traffic keeps its last good configuration."""

from e2e.kit.waiting import condition
from e2e.stories import fleet as written
from e2e.stories.fleet import FALLBACK, PRIMARY, ROUTE, RULE, Fleet, finished


def test_the_api_server_refuses_with_a_sentence(fleet: Fleet) -> None:
    empty = written.route(rules=[{"name": RULE, "backendRefs": [{"name": PRIMARY, "weight": 0}]}])

    assert "at least one pool a weight above 0" in fleet.namespace.refusal(empty)
    between = written.slo(objective={"latency": {"threshold": "510ms", "target": "0.9"}})
    assert "500ms, 750ms" in fleet.namespace.refusal(between)


def test_a_route_to_a_missing_pool_names_it_and_traffic_flows_on(fleet: Fleet) -> None:
    load = fleet.start_load()
    fleet.apply(written.route(rules=[{"name": RULE, "backendRefs": [{"name": "nowhere"}]}]))
    seen = fleet.wait("modelroute", ROUTE, "ResolvedRefs", status="False")
    answer = fleet.chat()
    fleet.apply(written.route())
    fleet.wait("modelroute", ROUTE, "ResolvedRefs")

    assert "nowhere" in seen["message"]
    assert answer.status_code == 200, "the last good configuration was lost"
    finished(load, at_least=10)


def test_the_second_route_to_claim_a_model_name_is_told_who_has_it(fleet: Fleet) -> None:
    fleet.namespace.apply(written.route("late", modelNames=[ROUTE]))
    seen = fleet.wait("modelroute", "late", "Accepted", status="False", reason="ModelNameConflict")
    fleet.namespace.delete("modelroute", "late")

    assert ROUTE in seen["message"]
    first = fleet.namespace.must_get("modelroute", ROUTE)
    assert condition(first, "Accepted")["status"] == "True"


def test_an_objective_of_a_missing_rule_names_it(fleet: Fleet) -> None:
    fleet.namespace.apply(written.slo(targetRef={"name": ROUTE, "sectionName": "nothing"}))
    seen = fleet.wait("tokenslo", written.SLO, "ResolvedRefs", status="False")
    fleet.namespace.delete("tokenslo", written.SLO)

    assert "nothing" in seen["message"]


def test_an_argument_that_a_field_sets_is_refused_and_the_pool_serves_on(fleet: Fleet) -> None:
    engine = {"engine": {"extraArgs": ["--model=other"]}}
    uids = {pod["metadata"]["uid"] for pod in fleet.pods(FALLBACK)}
    fleet.apply(written.pool(FALLBACK, managed=engine))
    seen = fleet.wait("servingpool", FALLBACK, "Accepted", status="False")
    after = {pod["metadata"]["uid"] for pod in fleet.pods(FALLBACK)}
    fleet.apply(written.pool(FALLBACK))
    fleet.wait("servingpool", FALLBACK, "Ready")

    assert "--model" in seen["message"]
    assert uids == after, "a refused change restarted the pool"
