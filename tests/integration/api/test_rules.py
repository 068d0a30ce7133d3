"""Every CEL rule, on both of its sides, judged by the real API server."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from e2e.kit.yamls import merged
from tests.integration.api.rules import Rule
from tests.integration.api.rules_of_pools import POOLS
from tests.integration.api.rules_of_routes import ROUTERS, ROUTES
from tests.integration.api.rules_of_slos import SLOS
from tests.integration.api.server import ApiServer, definitions
from tests.integration.api.subjects import EXISTING_POOL, POOL, ROUTE, ROUTER, SLO, at
from tokenfleet.api.quantities import DURATION_FORM

RULES = [*POOLS, *ROUTERS, *ROUTES, *SLOS]

pytestmark = pytest.mark.cluster

# Compare with the stored object, so a dry-run creation cannot show it: each has its own test below.
TRANSITIONS = {
    (
        "ServingPool",
        ".spec",
        "type must not change: create a new pool and move the routes to it",
    ),
    (
        "ServingPool",
        ".spec.managed.parallelism",
        "nodes must not change between 1 and more: create a new pool and move the routes to it",
    ),
    (
        "ModelRouter",
        ".spec",
        "type must not change: create a new router and move the routes to it",
    ),
}


def _ids(rule: Rule) -> str:
    return f"{rule.kind}{rule.place}-{rule.message[:40]}"


@pytest.mark.parametrize("rule", RULES, ids=_ids)
def test_a_rule_refuses_with_its_message(api: ApiServer, rule: Rule) -> None:
    answer = api.create(rule.refused)

    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY, answer.text
    assert rule.message in answer.json()["message"]


@pytest.mark.parametrize("rule", RULES, ids=_ids)
def test_a_rule_accepts_the_other_side_of_its_limit(api: ApiServer, rule: Rule) -> None:
    answer = api.create(rule.accepted)

    assert answer.status_code == httpx.codes.CREATED, answer.text


def test_every_rule_of_every_kind_has_a_refused_case() -> None:
    generated = {
        (kind, place, rule["message"])
        for kind, schema in definitions().items()
        for place, rule in _rules(schema, "")
    }

    assert generated == {rule.key for rule in RULES} | TRANSITIONS


def test_a_pool_keeps_its_type(api: ApiServer) -> None:
    api.create(EXISTING_POOL, dry_run=False)
    managed = {"type": "Managed", "existing": None, "managed": POOL["spec"]["managed"]}
    try:
        refused = api.change(EXISTING_POOL, {"spec": managed})
        accepted = api.change(EXISTING_POOL, at("spec.existing.serviceRef.port", 8001))
    finally:
        api.delete(EXISTING_POOL)

    assert refused.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert "type must not change: create a new pool" in refused.json()["message"]
    assert accepted.status_code == httpx.codes.OK


def test_a_pool_stays_on_one_node_or_on_several(api: ApiServer) -> None:
    two = merged(POOL, at("spec.managed.parallelism", {"pipeline": 2, "nodes": 2}))
    api.create(two, dry_run=False)
    try:
        refused = api.change(two, at("spec.managed.parallelism.nodes", 1))
        accepted = api.change(two, at("spec.managed.parallelism", {"pipeline": 4, "nodes": 4}))
    finally:
        api.delete(two)

    assert refused.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert "nodes must not change between 1 and more" in refused.json()["message"]
    assert accepted.status_code == httpx.codes.OK


def test_a_router_keeps_its_type(api: ApiServer) -> None:
    api.create(ROUTER, dry_run=False)
    sidecar = {"type": "Sidecar", "sidecar": {"serviceAccounts": ["web"]}}
    try:
        refused = api.change(ROUTER, {"spec": sidecar})
        accepted = api.change(ROUTER, at("spec.requestBodyLimit", "1Mi"))
    finally:
        api.delete(ROUTER)

    assert refused.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert "type must not change: create a new router" in refused.json()["message"]
    assert accepted.status_code == httpx.codes.OK


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(at("spec.replicas", 1001), "spec.replicas", id="a number above its maximum"),
        pytest.param(at("spec.replica", 1), 'unknown field "spec.replica"', id="a misspelt field"),
        pytest.param(at("spec.managed.device", "TPU"), '"GPU", "CPU"', id="a word outside an enum"),
        pytest.param(at("spec.served", None), "spec.served: Required", id="a missing field"),
        pytest.param(
            at("spec.managed.pod.imagePullSecrets", [{"name": "a"}, {"name": "a"}]),
            "Duplicate value",
            id="a list map with a key twice",
        ),
        pytest.param(
            at("spec.managed.startupTimeout", "1d"),
            DURATION_FORM.message,
            id="a unit durations lack",
        ),
        pytest.param(
            at("spec.managed.resources.limits", {"memory": "4GB"}), "should match", id="no quantity"
        ),
    ],
)
def test_the_schema_refuses(api: ApiServer, body: dict[str, Any], message: str) -> None:
    answer = api.create(merged(POOL, body))

    assert answer.is_client_error
    assert message in answer.json()["message"]


@pytest.mark.parametrize("base", [POOL, EXISTING_POOL, ROUTER, ROUTE, SLO], ids=lambda b: b["kind"])
def test_the_smallest_object_is_accepted(api: ApiServer, base: dict[str, Any]) -> None:
    assert api.create(base).status_code == httpx.codes.CREATED


def test_names_of_secrets_and_claims_may_hold_dots(api: ApiServer) -> None:
    source = {"type": "PersistentVolumeClaim"} | at(
        "persistentVolumeClaim", {"claimName": "a.b", "path": "m"}
    )
    body = merged(POOL, at("spec.managed.model.source", source))
    body = merged(body, at("spec.managed.pod.imagePullSecrets", [{"name": "registry.example.com"}]))

    assert api.create(body).status_code == httpx.codes.CREATED


def _rules(node: dict[str, Any], place: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield every rule of a schema with its place."""
    for rule in node.get("x-kubernetes-validations", ()):
        yield place, rule
    for name, field in node.get("properties", {}).items():
        yield from _rules(field, f"{place}.{name}")
    if "items" in node:
        yield from _rules(node["items"], f"{place}[]")
    if isinstance(node.get("additionalProperties"), dict):
        yield from _rules(node["additionalProperties"], f"{place}[*]")
