"""`kubectl explain` and `kubectl get` answer for every field and kind."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.kit.kubectl import Cluster
from tests.integration.api.server import definitions
from tokenfleet.api.conventions import CATEGORY, GROUP, VERSION
from tokenfleet.api.v1alpha1.kinds import KINDS

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize("kind", [kind for kind, _ in KINDS], ids=lambda kind: kind.kind)
def test_explain_has_a_description_for_every_field(cluster: Cluster, kind: Any) -> None:
    """`kubectl explain` reads OpenAPI v3 from the API server: look at the same document."""
    text = cluster.namespace("default").run("get", "--raw", f"/openapi/v3/apis/{GROUP}/{VERSION}")
    schemas = json.loads(text)["components"]["schemas"]
    served = next(
        schema
        for schema in schemas.values()
        if {"group": GROUP, "version": VERSION, "kind": kind.kind}
        in schema.get("x-kubernetes-group-version-kind", ())
    )

    assert [place for place, node in _fields(served, "") if not node.get("description")] == []
    assert {place for place, _ in _fields(served, "")} >= {
        place
        for place, _ in _fields(definitions()[kind.kind], "")
        if place.startswith((".spec", ".status"))
    }


def test_explain_prints_the_words_of_the_models(cluster: Cluster) -> None:
    text = cluster.namespace("default").run("explain", "tslo.spec.onBreach.shiftTraffic")

    assert "primaryFloor" in text
    assert "Share that the primary keeps" in " ".join(text.split())


def test_short_names_and_the_category_are_served(cluster: Cluster) -> None:
    text = cluster.namespace("default").run(
        "api-resources", "--api-group", GROUP, "--categories", CATEGORY, "--no-headers"
    )

    assert {line.split()[1] for line in text.splitlines()} == {kind.short_name for kind, _ in KINDS}


def _fields(node: dict[str, Any], place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every field of a schema; `metadata` is the API server's own."""
    for name, field in node.get("properties", {}).items():
        if (place, name) == ("", "metadata"):
            continue
        yield f"{place}.{name}", field
        yield from _fields(field, f"{place}.{name}")
    if "items" in node:
        yield from _fields(node["items"], f"{place}[]")
