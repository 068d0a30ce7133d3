"""A pool at zero that demand wakes: what every autoscaler of the page has to do."""

from typing import Any

from e2e.kit.waiting import NotYet, wait_for
from e2e.stories import fleet as written
from e2e.stories.fleet import PRIMARY, SLO, Fleet

RATE = 8.0
PER_REPLICA = 5
"""Requests per second that an autoscaler gives one replica: 8 a second need two."""
LOADED = "/tmp/loaded"  # noqa: S108
SLOWLY = [
    "/bin/sh",
    "-c",
    f'until [ -e {LOADED} ]; do sleep 1; done; exec vllm serve "$@"',
    "engine",
]
"""Starts an engine once the story says that its weights are loaded."""


def replicas(fleet: Fleet) -> int:
    """Return the replicas that are wanted of the pool."""
    return int(fleet.namespace.must_get("servingpool", PRIMARY)["spec"]["replicas"])


def wait_replicas(fleet: Fleet, what: str, least: int, most: int) -> None:
    """Wait until so many replicas are wanted, and are there."""

    def right() -> bool | NotYet:
        wanted, pods = replicas(fleet), len(fleet.pods(PRIMARY))
        return least <= wanted == pods <= most or NotYet(f"{wanted} wanted, {pods} pods")

    wait_for(what, right, timeout=240, namespace=fleet.namespace)


def falls_asleep(fleet: Fleet, autoscaler: dict[str, Any]) -> None:
    """Let an autoscaler take the idle pool to zero; its next engines start slowly."""
    space = fleet.namespace
    fleet.apply(written.slo())
    space.apply(autoscaler)
    wait_replicas(fleet, "the idle pool to go to zero", 0, 0)
    space.patch("servingpool", PRIMARY, {"spec": {"managed": {"engine": {"command": SLOWLY}}}})


def wakes(fleet: Fleet) -> None:
    """Wait until demand has woken it; meanwhile everybody is in the waiting room."""
    wait_replicas(fleet, "demand to wake it", 2, 3)
    fleet.wait_share("the waiting room", lambda share: share == 0)


def gets_its_traffic_back(fleet: Fleet) -> None:
    """Let the engines start, and hold that traffic comes back in steps, none of them down."""
    space = fleet.namespace

    def loaded() -> bool | NotYet:
        for pod in fleet.pods(PRIMARY):
            space.run("exec", pod["metadata"]["name"], "--", "touch", LOADED)
        return True

    wait_for("the engines to load", loaded, timeout=240, namespace=space)
    steps = fleet.climb()
    assert len([share for share in steps if 0 < share < 1000]) >= 2, f"not in steps: {steps}"
    assert steps == sorted(steps)


def as_before(fleet: Fleet) -> None:
    """Leave the fleet as the stories of its module found it; the autoscaler is gone."""
    space = fleet.namespace
    space.delete("tokenslo", SLO)
    space.patch("servingpool", PRIMARY, {"spec": {"managed": {"engine": {"command": None}}}})
    fleet.apply(written.pool(PRIMARY, replicas=2))
    fleet.wait_ready()
