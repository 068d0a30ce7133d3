"""Weights that are fetched ahead, in the whole operator: the first model of a pool, and the next."""

from typing import Any

from tests.unit.cli.operator_bench import Bench, bare
from tests.unit.domain.fleet.builders import conditions, managed_pool
from tokenfleet.api.conventions import WEIGHTS_LABEL


def pool(revision: str) -> dict[str, Any]:
    body = bare(managed_pool("large"))
    source = {"type": "HuggingFace", "huggingFace": {"repo": "org/model", "revision": revision}}
    cache = {"persistentVolumeClaim": {"claimName": "hub"}, "prefetch": "Job"}
    managed = {**body["spec"]["managed"], "model": {"source": source, "cache": cache}}
    return {**body, "spec": {**body["spec"], "managed": managed}}


def jobs(bench: Bench) -> list[dict[str, Any]]:
    return [body for (kind, _, _), body in bench.cluster.objects.items() if kind == "Job"]


def deployment(bench: Bench) -> dict[str, Any]:
    found: dict[str, Any] = bench.cluster.objects["Deployment", "ns", "large"]
    return found


def revision(bench: Bench) -> str:
    """Return which revision the Deployment asks its next replicas to load."""
    options = deployment(bench)["spec"]["template"]["spec"]["containers"][0]["args"]
    found: str = next(one for one in options if one.startswith("--revision="))
    return found.removeprefix("--revision=")


async def applied(bench: Bench, wanted: str) -> dict[str, Any]:
    """Apply a revision; return the only Job that is there then."""
    await wanting(bench, wanted)
    (job,) = jobs(bench)
    return job


async def wanting(bench: Bench, wanted: str) -> None:
    body = pool(wanted)
    stored = bench.cluster.objects.get(("ServingPool", "ns", "large"), body)
    bench.cluster.put({**stored, "spec": body["spec"]})
    await bench.settle()


async def finished(bench: Bench, job: dict[str, Any]) -> None:
    complete = {"conditions": [{"type": "Complete", "status": "True"}]}
    bench.cluster.put({**job, "status": complete}, manager="kube-controller-manager")
    await bench.settle()


def fetching(bench: Bench) -> tuple[str, str]:
    return conditions(bench.status("ServingPool", "large"))["WeightsFetched"]


async def test_the_next_revision_is_fetched_while_the_first_one_serves() -> None:
    bench = Bench()
    bench.watch()

    first = await applied(bench, "v1")
    assert deployment(bench)["spec"]["paused"] is True
    await finished(bench, first)
    assert "paused" not in deployment(bench)["spec"]
    assert fetching(bench) == ("True", "Fetched")
    serves = deployment(bench)["metadata"]["labels"][WEIGHTS_LABEL]

    second = await applied(bench, "v2")
    assert second["metadata"]["name"] != first["metadata"]["name"]
    assert deployment(bench)["spec"]["paused"] is True
    assert deployment(bench)["metadata"]["labels"][WEIGHTS_LABEL] == serves
    assert fetching(bench) == ("False", "FetchingWeights")

    await bench.restart()
    await bench.settle()
    assert deployment(bench)["spec"]["paused"] is True, "a restarted operator lets nothing go"

    await finished(bench, second)
    assert "paused" not in deployment(bench)["spec"]
    assert revision(bench) == "v2"
    assert deployment(bench)["metadata"]["labels"][WEIGHTS_LABEL] != serves
    assert fetching(bench) == ("True", "Fetched")
    assert [job["metadata"]["name"] for job in jobs(bench)] == [second["metadata"]["name"]]


async def test_a_revision_that_is_taken_back_costs_no_replica() -> None:
    bench = Bench()
    bench.watch()
    await finished(bench, await applied(bench, "v1"))
    before = deployment(bench)["spec"]

    await applied(bench, "v2")
    await wanting(bench, "v1")

    assert deployment(bench)["spec"] == before
    assert jobs(bench) == []
    assert fetching(bench) == ("True", "Fetched")
