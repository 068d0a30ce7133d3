"""Every field of every spec: one value that the API server refuses, and one that it takes.

Refusals come from the schema: a value beyond the field's own limit, and all of them at once, because
the API server answers with every fault that it finds. What is taken stands in the examples, in the
tables of rules, in the pools of golden files and in what earlier releases stored; the rest is here.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import httpx
import pytest

from e2e.kit import repository
from e2e.kit.yamls import load, merged
from tests.integration.api.server import ApiServer, definitions
from tests.integration.api.subjects import EXISTING_POOL, EXTERNAL_POOL, POOL, ROUTE, ROUTER, at
from tests.integration.api.test_apply import EXAMPLES
from tests.integration.api.test_rules import RULES
from tests.unit.api.test_stored import STORED
from tokenfleet.api.v1alpha1.kinds import KINDS

pytestmark = pytest.mark.cluster

Schema = dict[str, Any]

GOLDEN = sorted((repository() / "tests/unit/domain/pools/testdata").glob("*/in.yaml"))
SAMPLES = {
    "topologyKey": "zone",
    "tolerationSeconds": 60,
    "effect": "NoExecute",
    "cidr": "10.0.0.0/8",
    "except": ["10.1.0.0/16"],
    "priorityClassName": "low",
}
"""Values that a schema does not tell."""
NAMES = {"matchLabels": {"a": "b"}, "nodeSelector": {"a": "b"}, "labels": {}, "annotations": {}}
POD = "spec.managed.pod"
PLACEMENT = (
    "affinity",
    "topologySpreadConstraints",
    "tolerations",
    "imagePullSecrets",
    "priorityClassName",
)
IMAGE = {"type": "Image", "image": {"reference": "m:1", "pullPolicy": "Always"}}
FURTHER = [
    merged(ROUTER, at("spec.managed.service.loadBalancerClass", "example.com/internal")),
    merged(ROUTER, at("spec.managed.service.type", "LoadBalancer")),
    merged(ROUTER, at("spec.managed.networkPolicy.providerPorts", [443])),
    merged(ROUTER, at("spec.attribution.user", {"header": "x-user", "report": "Hashes"})),
    merged(ROUTER, at("spec.cors.allowOrigins", ["https://app.example.com"])),
    merged(
        ROUTE,
        at(
            "spec.rules",
            [
                {
                    "name": "all",
                    "backendRefs": [{"name": "a"}],
                    "fallbackRefs": [{"name": "b", "adapter": "legal"}],
                }
            ],
        ),
    ),
    merged(
        POOL,
        at("spec.served.adapters", [{"name": "a", "source": IMAGE}]),
    ),
    merged(
        POOL,
        at(
            "spec.managed.speculative",
            {"type": "DraftModel", "tokens": 3, "draftModel": {"source": IMAGE}},
        ),
    ),
    merged(
        EXTERNAL_POOL,
        at(
            "spec.price",
            {
                "type": "PerMillionTokens",
                "perMillionTokens": {"prompt": "3", "cacheWrite": "3.75", "completion": "15"},
            },
        ),
    ),
    merged(EXTERNAL_POOL, at("spec.external.addressFamily", "IPv4")),
    merged(
        POOL, at("spec.managed.engine.files", [{"name": "a", "mountPath": "/a", "secret": "s"}])
    ),
    merged(
        POOL,
        {
            "spec": {
                "managed": {
                    "pod": {"resourceClaims": [{"name": "gpu", "resourceClaimName": "mine"}]},
                    "resources": {"claims": [{"name": "gpu", "request": "one"}]},
                }
            }
        },
    ),
    merged(
        EXISTING_POOL,
        at(
            "spec.existing",
            {
                "serviceRef": None,
                "inferencePoolRef": {"name": "p", "port": 8000},
                "tls": {"serverName": "engines.example.com"},
                "credentialSecretRef": {"name": "s", "key": "k", "header": "x-api-key"},
            },
        ),
    ),
    {
        "kind": "TokenSLO",
        "metadata": {"name": "slo"},
        "spec": {
            "targetRef": {"group": "tokenfleet.dev", "name": "route"},
            "objective": {"type": "Latency", "latency": {"threshold": "500ms", "target": "0.95"}},
        },
    },
]
"""Accepted objects with fields that stand nowhere else."""


def leaves(node: Schema, place: str) -> Iterator[tuple[str, Schema]]:
    """Yield every field that has no fields of its own."""
    item = node.get("items", {})
    if node.get("properties"):
        for name, field in node["properties"].items():
            yield from leaves(field, f"{place}.{name}")
    elif item.get("properties"):
        yield from leaves(item, f"{place}[]")
    else:
        yield place, node


@cache
def schemas() -> dict[str, Schema]:
    return definitions()


def spec_of(kind: str) -> Schema:
    """Return the schema of a kind's spec."""
    found: Schema = schemas()[kind]["properties"]["spec"]
    return found


def wrong(node: Schema) -> Any:
    """Return a value with every leaf beyond its limit."""
    if node.get("properties"):
        return {name: wrong(field) for name, field in node["properties"].items()}
    if "items" in node:
        return [wrong(node["items"])]
    if "additionalProperties" in node:
        return {"key": []}
    if "enum" in node:
        return "Unheard"
    if node.get("type") == "integer":
        return node["maximum"] + 1
    if node.get("type") == "string":
        return "\n" * (node.get("maxLength", 0) + 1)
    return []


def used(value: Any, place: str) -> Iterator[str]:
    """Yield the place of everything in a value."""
    yield place
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from used(inner, f"{place}.{name}")
    if isinstance(value, list):
        for inner in value:
            yield from used(inner, f"{place}[]")


def whole(node: Schema, name: str = "") -> Any:
    """Return a value with every field below a place set."""
    if name in SAMPLES:
        return SAMPLES[name]
    if name in NAMES:
        return NAMES[name]
    if node.get("properties"):
        return {key: whole(field, key) for key, field in node["properties"].items()}
    if "items" in node:
        return [whole(node["items"])]
    if "enum" in node:
        return node["enum"][0]
    if node.get("type") == "integer":
        return node.get("minimum", 1)
    return node.get("type") == "string" and "a"


def generated() -> Iterator[dict[str, Any]]:
    """Yield objects with all that can be said of pods and of who may reach them."""
    for base in (POOL, ROUTER):
        pod = spec_of(base["kind"])["properties"]["managed"]["properties"]["pod"]["properties"]
        for name in PLACEMENT:
            yield merged(base, at(f"{POD}.{name}", whole(pod[name], name)))
    router = spec_of("ModelRouter")["properties"]
    access = router["managed"]["properties"]["networkPolicy"]["properties"]
    for name in ("clients", "prometheus", "upstreams"):
        (peer,) = whole(access[name])
        block = {"ipBlock": peer.pop("ipBlock")}
        yield merged(ROUTER, at(f"spec.managed.networkPolicy.{name}", [peer, block]))
    chosen = whole(router["allowedRoutes"]["properties"]["namespaces"]["properties"]["selector"])
    namespaces = {"from": "Selector", "selector": chosen}
    yield merged(ROUTER, at("spec.allowedRoutes.namespaces", namespaces))


@pytest.mark.parametrize("kind", [kind.kind for kind, _ in KINDS])
def test_a_value_beyond_its_limit_is_refused_for_every_field(api: ApiServer, kind: str) -> None:
    schema = spec_of(kind)

    answer = api.create({"kind": kind, "metadata": {"name": "x"}, "spec": wrong(schema)})

    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY, answer.text
    causes = answer.json()["details"]["causes"]
    named = {cause["field"].replace("[0]", "[]") for cause in causes}
    missing = {
        place
        for place, _ in leaves(schema, "spec")
        if not any(one == place or one.startswith((f"{place}[", f"{place}.")) for one in named)
    }
    assert missing == set()


def test_every_field_has_a_value_that_is_taken(api: ApiServer) -> None:
    further = [*FURTHER, *generated(), *(load(path)[0] for path in GOLDEN)]
    for body in further:
        answer = api.create({**body, "metadata": {"name": body["metadata"]["name"]}})
        assert answer.status_code == httpx.codes.CREATED, (body, answer.text)

    taken = [*further, *(one.accepted for one in RULES)]
    taken += [*(body for path in EXAMPLES for body in load(path)), *(p.values[0] for p in STORED)]
    for kind, _ in KINDS:
        mine = (body.get("spec", {}) for body in taken if body["kind"] == kind.kind)
        seen = {place for spec in mine for place in used(spec, "spec")}
        assert {place for place, _ in leaves(spec_of(kind.kind), "spec")} - seen == set()
