"""What users do with manifests: apply, apply again, diff, scale, label."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from e2e.kit import repository
from e2e.kit.kubectl import Namespace
from e2e.kit.yamls import load, merged
from tests.integration.api.server import ApiServer
from tests.integration.api.subjects import POOL, ROUTER, at
from tests.support.earlier_words import in_todays_words
from tests.unit.api.test_stored import STORED
from tokenfleet.api.conventions import API_VERSION

pytestmark = pytest.mark.cluster

FOLDER = repository() / "operator/docs/examples"
EXAMPLES = sorted([*FOLDER.glob("*.yaml"), *FOLDER.glob("gallery/*.yaml")])


@pytest.fixture
def namespace(api: ApiServer) -> Namespace:
    return api.namespace


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_accepted(api: ApiServer, path: Path) -> None:
    for document in load(path):
        answer = api.create(document)

        assert answer.status_code == httpx.codes.CREATED, answer.text


@pytest.mark.parametrize("body", STORED)
def test_what_an_earlier_release_stored_is_accepted(api: ApiServer, body: dict[str, Any]) -> None:
    answer = api.create({**in_todays_words(body), "metadata": {"name": body["metadata"]["name"]}})

    assert answer.status_code == httpx.codes.CREATED, answer.text


@pytest.mark.parametrize("server_side", [False, True], ids=["client-side", "server-side"])
def test_applying_the_examples_twice_changes_nothing(
    namespace: Namespace, *, server_side: bool
) -> None:
    how = ["--server-side"] if server_side else []
    try:
        namespace.apply(*EXAMPLES, server_side=server_side)
        before = _generations(namespace)
        differences = namespace.run("diff", *how, *_files(), accept=(0, 1))
        namespace.apply(*EXAMPLES, server_side=server_side)
        after = _generations(namespace)
    finally:
        namespace.run("delete", *_files(), "--ignore-not-found", "--wait=false")

    assert differences == ""
    assert before == after
    assert set(before.values()) == {1}


def test_a_pool_scales_through_its_subresource(namespace: Namespace, api: ApiServer) -> None:
    api.create(POOL, dry_run=False)
    status = {"replicas": 1, "readyReplicas": 1, "selector": "tokenfleet.dev/pool=pool"}
    try:
        answer = api.change(POOL, {"status": status}, subresource="/status", dry_run=False)
        namespace.run("scale", "servingpool/pool", "--replicas=3")
        scale = namespace.run("get", "servingpool", "pool", "--subresource=scale", "-o", "json")
        pool = namespace.must_get("servingpool", "pool")
    finally:
        api.delete(POOL)

    assert answer.status_code == httpx.codes.OK, answer.text
    assert pool["spec"]["replicas"] == 3
    assert '"selector": "tokenfleet.dev/pool=pool"' in scale


def test_a_router_scales_through_its_subresource(namespace: Namespace, api: ApiServer) -> None:
    """What git says nothing of, an autoscaler may own: applying again leaves it alone."""
    written = {**ROUTER, "apiVersion": API_VERSION, "spec": {"requestBodyLimit": "4Mi"}}
    status = {"replicaCount": 2, "selector": "tokenfleet.dev/router=router"}
    try:
        namespace.apply(written, server_side=True)
        answer = api.change(ROUTER, {"status": status}, subresource="/status", dry_run=False)
        namespace.run("scale", "modelrouter/router", "--replicas=5")
        scale = namespace.run("get", "modelrouter", "router", "--subresource=scale", "-o", "yaml")
        namespace.apply(merged(written, at("spec.requestBodyLimit", "2Mi")), server_side=True)
        router = namespace.must_get("modelrouter", "router")
    finally:
        api.delete(ROUTER)

    assert answer.status_code == httpx.codes.OK, answer.text
    assert "selector: tokenfleet.dev/router=router" in scale
    assert "replicas: 2" in scale
    assert router["spec"]["managed"]["replicas"] == 5
    assert router["spec"]["requestBodyLimit"] == "2Mi"


def test_a_condition_needs_a_type_a_status_and_a_reason(api: ApiServer) -> None:
    """The operator's own mistakes are refused too."""
    api.create(POOL, dry_run=False)

    def status(*conditions: dict[str, Any]) -> httpx.Response:
        return api.change(POOL, at("status.conditions", list(conditions)), subresource="/status")

    good = {"type": "Ready", "status": "True", "reason": "Serving"}
    try:
        accepted = status(good)
        refused = [
            status({**good, "status": "Yes"}),
            status({"type": "Ready", "status": "True"}),
            status(good, good),
        ]
    finally:
        api.delete(POOL)

    assert accepted.status_code == httpx.codes.OK, accepted.text
    assert {answer.status_code for answer in refused} == {httpx.codes.UNPROCESSABLE_ENTITY}


def _files() -> list[str]:
    return [argument for path in EXAMPLES for argument in ("-f", str(path))]


def _generations(namespace: Namespace) -> dict[str, int]:
    objects = namespace.list("tokenfleet")
    return {f"{o['kind']}/{o['metadata']['name']}": o["metadata"]["generation"] for o in objects}
