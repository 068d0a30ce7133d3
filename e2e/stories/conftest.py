"""Fleets for stories; which stories run beside which."""

import contextlib
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from e2e.kit import locks
from e2e.kit.clusters import connect
from e2e.kit.kubectl import Cluster, CommandError, Namespace
from e2e.kit.namespaces import fresh
from e2e.kit.proxy import ApiProxy
from e2e.load.pod import LoadRun
from e2e.stories import fleet as written
from e2e.stories.fleet import FALLBACK, PRIMARY, Fleet, finished

HERE = Path(__file__).parent

CHAPTERS = (
    "serving",
    "sidecar",
    "bad_objects",
    "teams",
    "control",
    "objectives",
    "defence",
    "autoscaler",
    "keda",
    "gitops",
    "defaults",
    "people",
    "spending",
    "fallbacks",
    "prefetch",
    "lifecycle",
    "outages",
    "sidecar_outage",
    "default_deny",
    "pages",
    "images",
    "real_engine",
)
"""The files of stories: what everything else rests on comes first, what runs alone last."""
ALONE = {
    "keda",
    "outages",
    "sidecar_outage",
    "default_deny",
    "lifecycle",
    "pages",
    "images",
    "real_engine",
}
"""Stories that take away or change what all others rest on, or need the processors, as a real engine
does: on a slow machine its streams may not end in time beside several others."""

SECOND = ALONE - {"lifecycle"}
"""Of them those that are told on the second cluster, where there are two: both end at about the same
time."""

WHOLE = {"pages"}
"""Those that keep away what others rest on from their first story to their last."""

collect_ignore = [] if os.environ.get("TOKENFLEET_KEDA") == "on" else ["test_keda.py"]
"""What takes minutes to build is told only to those who ask for it: see `make keda`."""

_between: list[contextlib.ExitStack] = []
"""The lock of this process: one at most, kept from story to story in a chapter of `WHOLE`."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every story, and tell them in the order in which a user meets them."""
    for item in items:
        if _is_story(item):
            item.add_marker(pytest.mark.cluster)
            if _chapter(item) in SECOND:
                item.add_marker(pytest.mark.second)
    items.sort(key=_place)  # stable: files keep their own order


def _place(item: pytest.Item) -> int:
    return CHAPTERS.index(_chapter(item)) if _is_story(item) else -1


def _is_story(item: pytest.Item) -> bool:
    return HERE in Path(item.path).parents


def _chapter(item: pytest.Item) -> str:
    return Path(item.path).stem.removeprefix("test_")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """Tell a story, with its fixtures, beside those of other processes, or alone."""
    if not _is_story(item):
        return (yield)
    chapter = _chapter(item)
    if not _between:
        lock = contextlib.ExitStack()
        lock.enter_context(locks.held(connect(), "stories", alone=chapter in ALONE))
        _between.append(lock)
    try:
        return (yield)
    finally:
        goes_on = nextitem is not None and _chapter(nextitem) == chapter
        if not (chapter in WHOLE and goes_on):
            _between.pop().close()


def new_fleet(cluster: Cluster, proxy: ApiProxy, purpose: str, *more: dict) -> Iterator[Fleet]:
    """Make a namespace with two pools, a router and a route, ready to serve."""
    with fresh(cluster, purpose) as namespace:
        made = Fleet(namespace=namespace, proxy=proxy)
        made.apply(
            written.pool(PRIMARY, replicas=2),
            written.pool(FALLBACK, replicas=1),
            written.router(),
            written.route(),
            *more,
        )
        made.wait_ready()
        yield made


@pytest.fixture(scope="module")
def fleet(
    request: pytest.FixtureRequest, cluster: Cluster, operator: Namespace, proxy: ApiProxy
) -> Iterator[Fleet]:
    """Return a fleet that the stories of one module share; each leaves it as it found it."""
    assert operator
    purpose = request.module.__name__.rpartition("test_")[2].replace("_", "-")
    yield from new_fleet(cluster, proxy, purpose)


@pytest.fixture
def load(fleet: Fleet) -> Iterator[LoadRun]:
    """Run a load during a whole story, on a rule without memories; it must be answered whole."""
    fleet.behave(PRIMARY)
    fleet.home()
    fleet.rule = f"slow-{fleet.loads}"
    fleet.apply(written.route(rule=fleet.rule))
    fleet.wait_baseline()
    fleet.programmed()
    run = fleet.start_load(rate=8)
    yield run
    fleet.behave(PRIMARY)
    with contextlib.suppress(CommandError):
        fleet.namespace.run("delete", "tokenslo", "--all")
    fleet.documents = [d for d in fleet.documents if d["kind"] != "TokenSLO"]
    finished(run, at_least=50)
    fleet.wait_baseline()
