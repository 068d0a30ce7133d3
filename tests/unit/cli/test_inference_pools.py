"""Pools that follow InferencePools, in the whole operator."""

from e2e.kit.kinds_of_others import inference_pool
from tests.support.fake_cluster import FakeCluster
from tests.support.fakes import FakeAgents, FakeClock
from tests.support.options import OPTIONS
from tests.unit.cli.operator_bench import Bench, bare, labelled
from tests.unit.domain.fleet.builders import conditions, pool, route, router, slices
from tokenfleet.cli import operate
from tokenfleet.cli.wiring import Outside, assemble
from tokenfleet.reconcilers.resources import INFERENCE_POOLS, MONITORS

FOLLOWING = pool("large", existing={"inferencePoolRef": {"name": "llama"}})


def found(labels: dict[str, str], port: int) -> dict:
    body = inference_pool("llama", labels, port)
    return {**body, "metadata": {"name": "llama", "namespace": "ns"}}


async def test_an_edit_of_the_inference_pool_reaches_the_service() -> None:
    bench = Bench()
    bench.operator.core.optional.note(INFERENCE_POOLS, served=True)
    bench.watch()
    listed = map(labelled, slices("large", 2, port="http"))
    for body in (bare(FOLLOWING), bare(router()), bare(route(fallback=None)), *listed):
        bench.cluster.put(body)
    await bench.settle()
    before = conditions(bench.status("ServingPool", "large"))["Accepted"]

    bench.cluster.put(found({"app": "llama"}, 8000))
    await bench.settle()
    first = bench.cluster.objects["Service", "ns", "large"]["spec"]
    bench.cluster.put(found({"app": "llama", "role": "decode"}, 8200))
    await bench.settle()
    second = bench.cluster.objects["Service", "ns", "large"]["spec"]

    assert before == ("False", "InferencePoolNotFound")
    assert (first["selector"], first["ports"][0]["targetPort"]) == ({"app": "llama"}, 8000)
    assert second["selector"] == {"app": "llama", "role": "decode"}
    assert second["ports"][0]["targetPort"] == 8200
    assert bench.status("ServingPool", "large")["readyReplicas"] == 2
    assert conditions(bench.status("ModelRoute", "chat"))["ResolvedRefs"][0] == "True"


async def test_kinds_of_others_are_watched_only_where_they_are_served() -> None:
    for unserved in ({"InferencePool", "LeaderWorkerSet", "PodMonitor"}, set()):
        cluster = FakeCluster()
        cluster.unserved = unserved
        outside = Outside(cluster=cluster, agents=FakeAgents(), clock=FakeClock(), measure=None)
        operator = assemble(OPTIONS, outside)

        await operate._lead(operator.core)

        watched = {INFERENCE_POOLS, MONITORS} & operator.core.watched.keys()
        assert watched == (set() if unserved else {INFERENCE_POOLS, MONITORS})
