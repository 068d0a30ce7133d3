"""What bounds a shift and what ends it: other objectives, small fallbacks, pins, people."""

import math
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from e2e.kit import prometheus
from e2e.kit.kubectl import Namespace
from e2e.kit.waiting import NotYet, wait_for
from e2e.load.pod import LoadRun
from e2e.load.profile import Feature
from e2e.load.records import quantile
from e2e.stories import fleet as written
from e2e.stories.fleet import FALLBACK, PRIMARY, SLO, SLOW, Fleet, finished, never

CAPACITY = 4.0
"""Requests per second that the small fallback says, truly, it can take."""
SMALL = {"concurrency": 2, "itl": 0.03}
"""Makes a simulated engine that small: two at a time, 0.25 s each, so that 8 a second melt it."""
ROOM = 0.85 * CAPACITY
"""What shifts may fill of it by default."""
CHANCE = 1.5
"""How much more than fits may seem to fit: a rate of 4/s is counted over 12 s, so one time in
three it is 14 % off; two rules that knew nothing of each other would send twice what fits."""


def rising(shares: list[int]) -> bool:
    """Say whether a climb had steps and never a fall."""
    return len(shares) >= 3 and all(later > earlier for earlier, later in pairwise(shares))


def test_without_its_objective_traffic_comes_back_in_steps(fleet: Fleet, load: LoadRun) -> None:
    fleet.breach()
    fleet.wait_share("the floor", lambda share: share <= 130)
    fleet.namespace.delete("tokenslo", SLO)
    fleet.behave(PRIMARY)

    assert rising(fleet.climb())
    assert load.live


def test_a_pin_acts_at_once_and_from_its_end_traffic_comes_back_in_steps(
    fleet: Fleet, load: LoadRun
) -> None:
    fleet.breach()
    fleet.pin(300)
    fleet.wait_share("the pin", lambda share: share == 300)
    fleet.behave(PRIMARY)
    # Longer than the long window: what was bad before must be forgotten when the pin ends.
    never("the loop moved what is pinned", lambda: fleet.shares()[PRIMARY] != 300, seconds=20)
    fleet.release()

    assert rising(fleet.climb())
    assert load.live


def test_of_two_objectives_that_disagree_the_missed_one_decides(
    fleet: Fleet, load: LoadRun
) -> None:
    patient = {"latency": {"threshold": "5s"}}
    fleet.apply(written.slo(name="chat-patience", rule=fleet.rule, objective=patient))
    fleet.breach()
    low = fleet.wait_share("the floor", lambda share: share <= 130)
    fleet.wait("tokenslo", "chat-patience", "Met")
    fleet.wait("tokenslo", SLO, "Met", status="False")
    never("the met objective raised", lambda: fleet.shares()[PRIMARY] > low, seconds=15)
    fleet.behave(PRIMARY)

    assert rising(fleet.climb())
    assert load.live


@pytest.fixture
def small_fallback(fleet: Fleet) -> Iterator[None]:
    """Let the fallback be small, and say so."""
    fleet.apply(written.pool(FALLBACK, capacity={"requestsPerSecond": f"{CAPACITY:g}"}))
    fleet.wait("servingpool", FALLBACK, "Ready")
    fleet.behave(FALLBACK, **SMALL)
    yield
    fleet.behave(FALLBACK)
    fleet.apply(written.pool(FALLBACK, capacity=None))


def demand(fleet: Fleet) -> str:
    """Return the query for the requests per second that the operator sees for the primary."""
    where = f'namespace="{fleet.namespace.name}",pool="{PRIMARY}"'
    return f"max(tokenfleet_pool_demand{{{where}}})"


def least_seen(fleet: Fleet, monitoring: Namespace, since: float) -> float:
    """Return the lowest rate that the operator has seen since a moment: what it moved had to fit by that.

    Where the processors are busy, a load is not always as fast as it should be.
    """
    window = math.ceil(time.monotonic() - since)
    seen = prometheus.number(monitoring, f"min_over_time({demand(fleet)}[{window}s:1s])")
    assert seen, "the operator has seen no load"
    return seen


def wait_measured(fleet: Fleet, monitoring: Namespace, rate: float) -> float:
    """Wait until the operator has seen a load of so many requests per second; return when that was."""

    def measured() -> bool | NotYet:
        seen = prometheus.number(monitoring, demand(fleet)) or 0.0
        return seen > 0.8 * rate or NotYet(f"{seen:.1f} requests/s")

    wait_for("the load to be measured", measured, timeout=120, namespace=fleet.namespace)
    return time.monotonic()


@pytest.mark.usefixtures("small_fallback")
def test_a_small_fallback_gets_what_it_can_take_and_no_more(
    fleet: Fleet, load: LoadRun, monitoring: Namespace
) -> None:
    fleet.apply(written.slo(rule=fleet.rule))
    since = wait_measured(fleet, monitoring, 8.0)
    fleet.breach()

    def too_much() -> str:
        rate = least_seen(fleet, monitoring, since)
        moved = rate * fleet.shares()[FALLBACK] / 1000
        return f"{moved:.1f} of {rate:.1f} requests/s" if moved > CHANCE * ROOM else ""

    never("too much moved", too_much, seconds=30)
    assert fleet.shares()[PRIMARY] < 800, "little was shifted, although there is room"
    where = f'namespace="{fleet.namespace.name}",rule="{fleet.rule}"'

    def told() -> bool | NotYet:
        found = prometheus.number(monitoring, f"max(tokenfleet_route_saturated{{{where}}})")
        return found == 1 or NotYet(f"saturated is {found}")

    wait_for("the rule to be called saturated", told, timeout=180, namespace=fleet.namespace)
    waits = [r.ttft for r in load.live if r.pool == FALLBACK and r.ttft is not None]
    assert (quantile(waits, 0.9) or 9) < 2, f"the fallback melted down: {sorted(waits)[-9:]}"


@pytest.mark.usefixtures("small_fallback")
def test_two_rules_share_the_room_of_one_fallback(fleet: Fleet, monitoring: Namespace) -> None:
    fleet.home()
    rules = ("first", "second")
    rate = 4.0
    both = {
        "backendRefs": [{"name": PRIMARY}],
        "fallbackRefs": [{"name": FALLBACK}],
    }
    fleet.apply(
        written.route(
            features=list(rules),
            rules=[
                {"name": "first", "matches": [{"features": ["first"]}], **both},
                {"name": "second", **both},
            ],
        )
    )
    fleet.programmed()
    talk = {"rate": rate, "max_tokens": 8, "prompt_words": 12}
    load = fleet.start_load(features=tuple(Feature(name=rule, **talk) for rule in rules))
    fleet.apply(*(written.slo(name=f"chat-{rule}", rule=rule) for rule in rules))
    since = wait_measured(fleet, monitoring, rate * len(rules))
    fleet.behave(PRIMARY, **SLOW)

    def moved(rate: float) -> float:
        """Return the requests per second that the fallback gets when each rule has so many."""
        return sum(rate * fleet.shares(rule)[FALLBACK] / 1000 for rule in rules)

    def shifted() -> bool | NotYet:
        return moved(rate) > 0.5 * ROOM or NotYet(f"{moved(rate):.1f} requests/s")

    def too_much() -> str:
        each = least_seen(fleet, monitoring, since) / len(rules)
        found = moved(each)
        return f"{found:.1f} of {each:.1f} requests/s each" if found > CHANCE * ROOM else ""

    wait_for("both to shift", shifted, timeout=180, namespace=fleet.namespace)
    never("more moved than fits", too_much, seconds=30)
    fleet.behave(PRIMARY)
    fleet.namespace.run("delete", "tokenslo", "--all")
    finished(load, at_least=100)
