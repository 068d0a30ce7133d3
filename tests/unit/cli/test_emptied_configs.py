"""Somebody empties a `<router>-config`: what runs goes on, and it is said; others are not hurt."""

from tests.unit.cli.operator_bench import FLEET, Bench, bare
from tests.unit.domain.fleet.builders import conditions, router


async def settled(*more: dict) -> Bench:
    bench = Bench()
    bench.watch()
    for body in more:
        bench.cluster.put(body)
    for body in FLEET:
        bench.cluster.put(body)
    await bench.settle(2)
    return bench


async def test_an_emptied_record_is_told_and_nothing_moves() -> None:
    bench = await settled()
    before = bench.cluster.objects["ConfigMap", "ns", "default-config"]
    bench.cluster.put({key: value for key, value in before.items() if key != "data"})
    await bench.settle(2)

    assert "data" not in bench.cluster.objects["ConfigMap", "ns", "default-config"]
    told = conditions(bench.status("ModelRouter", "default"))
    assert told["Programmed"] == ("False", "ConfigUnreadable")


async def test_an_emptied_record_of_another_router_keeps_no_route_away() -> None:
    other = {**bare(router()), "metadata": {"name": "other", "namespace": "ns"}}
    empty = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "other-config", "namespace": "ns"},
    }
    bench = await settled(other, empty)

    told = conditions(bench.status("ModelRouter", "default"))
    assert told["Programmed"] == ("True", "Programmed")
    assert bench.held().revision > 0
