"""Two operators over one namespace: one manages it, the other says so and waits for its turn."""

from collections import Counter
from dataclasses import replace
from typing import Any

from tests.support.options import OPTIONS
from tests.unit.cli.operator_bench import FLEET, Bench
from tokenfleet.domain.fleet.keys import VISITED
from tokenfleet.reconcilers.marks import LOOK_AGAIN

OTHER = replace(OPTIONS, lease_namespace="two", lease_name="fleet", router_image="router:2")
ONE, TWO = "system/leader", "two/fleet"
MINUTES = 30


async def both() -> tuple[Bench, Bench]:
    """Return an operator with a fleet that serves, and a second one that has just started."""
    one = Bench()
    one.watch()
    for body in FLEET:
        one.cluster.put(body)
    await one.settle()
    two = Bench(beside=one, options=OTHER)
    two.watch()
    two.look()
    return one, two


async def live(*operators: Bench, rounds: int = MINUTES) -> None:
    """Let operators work side by side, for about half a minute each round and operator."""
    for _ in range(rounds):
        for operator in operators:
            await operator.settle(1)


def marks(bench: Bench, name: str = "operator") -> set[str]:
    """Return what the statuses of all objects say."""
    return {
        body.get("status", {}).get(name, "")
        for (kind, _, _), body in bench.cluster.objects.items()
        if kind in VISITED
    }


def told(bench: Bench) -> Counter[tuple[str, str]]:
    """Return how often each object was said to be managed by another."""
    return Counter(
        {
            (body["involvedObject"]["kind"], body["involvedObject"]["name"]): body["count"]
            for (kind, _, _), body in bench.cluster.objects.items()
            if kind == "Event" and body["reason"] == "ManagedByAnother"
        }
    )


def overlap(bench: Bench) -> list[dict[str, Any]]:
    """Return the conditions of objects that two operators watch."""
    return [
        item
        for (kind, _, _), body in bench.cluster.objects.items()
        if kind in VISITED
        for item in body["status"].get("conditions", ())
        if item["type"] == "ManagedByAnother"
    ]


def router_image(bench: Bench) -> str:
    pod = bench.cluster.objects["Deployment", "ns", "default-router"]["spec"]["template"]["spec"]
    return str({container["image"] for container in pod["containers"]})


async def test_one_mark_ahead_of_all_writes_is_enough_for_a_namespace() -> None:
    one = Bench()
    one.watch()
    for body in FLEET:
        one.cluster.put(body)
    await one.settle()

    calls = [call for call in one.cluster.calls if call[1] != "Lease"]
    assert [verb for verb, _, _ in calls[:2]] == ["status", "apply"]
    assert calls.count(("status", "ServingPool", "small")) == 1
    assert marks(one) == {ONE}


async def test_the_second_operator_leaves_everything_alone() -> None:
    one, two = await both()
    await live(one, rounds=1)
    before = one.content()
    calls = len(one.cluster.calls)

    await live(one, two)

    deployments = [kind for _, kind, _ in one.cluster.calls[calls:] if kind == "Deployment"]
    assert deployments == []
    assert "router:1" in router_image(one)
    assert marks(one) == {ONE}
    after = {key: body for key, body in one.content().items() if key[0] not in VISITED}
    assert after == {key: body for key, body in before.items() if key[0] not in VISITED}


async def test_it_is_said_on_every_object_once() -> None:
    one, two = await both()

    await live(one, two)
    await two.restart()
    await live(one, two, rounds=3)

    objects = [key for key in one.cluster.objects if key[0] in VISITED]
    assert set(told(one).values()) == {1}
    assert len(told(one)) == len(objects)
    found = overlap(one)
    assert len(found) == len(objects)
    assert {(item["status"], item["reason"]) for item in found} == {("True", "OperatorsOverlap")}
    assert all(ONE in item["message"] and TWO in item["message"] for item in found)
    route = one.status("ModelRoute", "chat")["conditions"]
    ready = [item for item in route if item["type"] == "Ready"]
    assert [item["status"] for item in ready] == ["True"]


async def test_quiet_operators_side_by_side_write_nothing() -> None:
    one, two = await both()
    await live(one, two)
    calls = len(one.cluster.calls)

    await live(one, two)

    assert [call for call in one.cluster.calls[calls:] if call[1] != "Lease"] == []


async def test_the_second_goes_on_when_the_first_is_gone() -> None:
    """For example a release that is installed again under another name."""
    one, two = await both()
    await live(one, two, rounds=3)
    shares = one.status("ModelRoute", "chat")["rules"]
    await one.operator.core.elector.release()

    await live(two, rounds=6)

    assert marks(two) == {TWO}
    assert "router:2" in router_image(two)
    assert overlap(two) == []
    assert marks(two, "contender") == {""}
    assert two.status("ModelRoute", "chat")["rules"] == shares


async def test_a_lease_that_is_deleted_hands_over_at_once() -> None:
    one, two = await both()
    await live(one, two, rounds=2)
    del one.cluster.objects["Lease", "system", "leader"]

    await live(two, rounds=1)

    assert marks(two) == {TWO}


async def test_the_first_one_does_not_take_back_what_was_taken_over() -> None:
    one, two = await both()
    await live(one, two, rounds=2)
    await live(two, rounds=4)
    assert marks(two) == {TWO}

    await live(two, one)

    assert marks(two) == {TWO}
    assert "router:2" in router_image(two)
    assert {item["message"].partition(" manages")[0] for item in overlap(two)} == {TWO}


async def test_nothing_is_said_any_more_when_the_second_is_gone() -> None:
    one, two = await both()
    await live(one, two, rounds=3)
    assert overlap(one)

    await live(one, rounds=3 + int(LOOK_AGAIN.total_seconds() // 30))

    assert overlap(one) == []
    assert marks(one, "contender") == {""}


async def test_another_version_of_the_same_release_goes_on_at_once() -> None:
    one, _ = await both()
    one.options = replace(OPTIONS, router_image="router:3", identity="operator-1")
    await one.restart()

    await live(one, rounds=1)

    assert "router:3" in router_image(one)
    assert told(one) == Counter()


async def test_two_that_mark_a_new_namespace_at_the_same_moment_agree() -> None:
    """The route of one and the router of the other would never find each other."""
    one = Bench()
    two = Bench(beside=one, options=OTHER)
    for bench in (one, two):
        bench.watch()
    for body in FLEET:
        mark = {"operator": TWO if body["kind"] == "ModelRouter" else ONE}
        one.cluster.put({**body, "status": mark} if body["kind"] in VISITED else body)
    assert await one.operator.core.elector._try()

    await live(two, one, rounds=6)

    assert marks(one) == {min(ONE, TWO)}
    route = one.status("ModelRoute", "chat")["conditions"]
    assert {item["status"] for item in route if item["type"] == "Ready"} == {"True"}


async def test_a_downgrade_drops_the_mark_and_an_upgrade_sets_it_again() -> None:
    one, _ = await both()
    for key, body in list(one.cluster.objects.items()):
        if key[0] in VISITED:
            status = {k: v for k, v in body["status"].items() if k != "operator"}
            one.cluster.put({**body, "status": status})
    assert marks(one) == {""}

    await live(one, rounds=1)

    assert marks(one) == {ONE}
