"""The whole operator over fakes: it converges, then it is quiet, whatever the order of events."""

import random
import re
from typing import Any

import pytest

from tests.unit.cli.fault_story import ROUNDS, Story, shares_in
from tests.unit.cli.operator_bench import FLEET, bare, run
from tests.unit.domain.fleet.builders import conditions, route, router
from tokenfleet.domain.fleet import router_config
from tokenfleet.domain.fleet.keys import key_of


async def test_a_fleet_becomes_ready_and_then_nothing_is_written() -> None:
    bench = await run(FLEET)

    assert conditions(bench.status("ModelRouter", "default"))["Ready"] == ("True", "Ready")
    assert conditions(bench.status("ModelRoute", "chat"))["Ready"] == ("True", "Ready")
    assert bench.status("ModelRoute", "chat")["traffic"] == "slow large 100%"
    assert ("Deployment", "ns", "large") in bench.cluster.objects
    assert ("ConfigMap", "ns", "default-config") in bench.cluster.objects

    bench.cluster.calls.clear()
    await bench.settle()

    assert [call for call in bench.cluster.calls if call[1] != "Lease"] == []


@pytest.mark.parametrize("seed", range(8))
async def test_any_order_of_events_ends_in_the_same_place(seed: int) -> None:
    shuffled = list(FLEET)
    random.Random(seed).shuffle(shuffled)
    expected = await run(FLEET)
    actual = await run(shuffled)

    assert _timeless(actual.content()) == _timeless(expected.content())


async def test_a_restarted_operator_changes_nothing() -> None:
    first = await run(FLEET)
    before = _timeless(first.content())
    await first.restart()
    first.cluster.calls.clear()
    await first.settle()

    assert _timeless(first.content()) == before
    written = {(verb, kind) for verb, kind, _ in first.cluster.calls if kind != "Lease"}
    assert {verb for verb, _ in written} == {"apply"}, "children are confirmed once, nothing else"


async def test_a_router_that_is_made_anew_takes_over_what_the_old_one_left() -> None:
    """The garbage collector takes what belongs to the one that is gone, whatever its name."""
    bench = await run(FLEET)
    address = ("ModelRouter", "ns", "default")
    old = bench.cluster.objects.pop(address)
    bench.store.remove(key_of(old))
    new = bench.cluster.put(bare(router()))
    await bench.settle()

    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    owners = {
        body["metadata"]["ownerReferences"][0]["uid"]
        for (kind, _, _), body in bench.cluster.objects.items()
        if kind in {"ConfigMap", "Deployment", "Service", "PodDisruptionBudget", "ServiceAccount"}
        and body["metadata"].get("ownerReferences", [{}])[0].get("kind") == "ModelRouter"
    }
    assert owners == {new["metadata"]["uid"]}
    assert ("ConfigMap", "ns", "default-config") in bench.cluster.objects


async def test_a_route_that_moves_to_another_router_takes_its_shift_along() -> None:
    story = Story()
    for step in (story.created, story.pinned, story.unpinned):
        step()
        await story.bench.settle(ROUNDS)
    other = bare(router())
    story.bench.cluster.put({**other, "metadata": {**other["metadata"], "name": "edge"}})
    await story.bench.settle(ROUNDS)

    story.bench.cluster.put(bare(route(parentRefs=[{"name": "edge"}])))
    await story.bench.settle(ROUNDS)

    data = story.bench.cluster.objects["ConfigMap", "ns", "edge-config"]["data"]
    assert shares_in(router_config.read(data)) == {"slow": {"large": 250, "small": 750}}


async def test_a_pool_that_is_deleted_shows_in_the_route() -> None:
    bench = await run(FLEET)
    stored = bench.cluster.objects.pop(("ServingPool", "ns", "small"))
    bench.store.remove(key_of(stored))
    await bench.settle()

    found = conditions(bench.status("ModelRoute", "chat"))
    assert found["ResolvedRefs"] == ("False", "PoolNotFound")


def _timeless(content: Any) -> Any:
    """Drop times, uids and revisions, which are not decided by what is there."""
    if isinstance(content, str):
        return re.sub(r'"(revision|service_uid)":("[^"]*"|\d+)|revision \d+', "", content)
    if isinstance(content, dict):
        return {
            key: _timeless(value)
            for key, value in content.items()
            if key not in ("lastTransitionTime", "uid", "configRevision", "appliedRevision")
        }
    if isinstance(content, list):
        return [_timeless(item) for item in content]
    return content
