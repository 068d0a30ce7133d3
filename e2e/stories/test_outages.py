"""Prometheus, the operator, its leader or the API server goes away mid-shift; traffic flows on."""

import pytest

from e2e.kit import prometheus
from e2e.kit.kubectl import Namespace
from e2e.kit.waiting import NotYet, wait_for
from e2e.load.pod import LoadRun
from e2e.stories import leader
from e2e.stories.fleet import PRIMARY, SLO, Fleet, never


def test_without_prometheus_shares_hold(fleet: Fleet, load: LoadRun, monitoring: Namespace) -> None:
    fleet.breach()
    share = fleet.wait_share("the floor", lambda share: share <= 130)
    prometheus.scale(monitoring, 0)
    try:
        fleet.wait("tokenslo", SLO, "DataAvailable", status="False")
        fleet.behave(PRIMARY)
        held = fleet.shares()[PRIMARY]
        never("shares moved blindly", lambda: fleet.shares()[PRIMARY] != held, seconds=20)
    finally:
        prometheus.scale(monitoring, 1)
    fleet.wait("tokenslo", SLO, "DataAvailable")
    fleet.wait_baseline()

    assert held <= share
    assert load.live


def test_an_operator_killed_mid_shift_goes_on_where_it_was(
    fleet: Fleet, load: LoadRun, operator: Namespace
) -> None:
    fleet.breach()
    share = fleet.wait_share("the floor", lambda share: share <= 130)
    operator.run("delete", "pods", "--all", "--force", "--grace-period=0")
    never("the shift was forgotten", lambda: fleet.shares()[PRIMARY] > share, seconds=8)
    operator.run("rollout", "status", "deployment", "--timeout=240s", timeout=250)
    fleet.behave(PRIMARY)

    fleet.wait_baseline()
    assert load.live


def test_a_paused_leader_is_replaced_and_overwrites_nothing_when_it_wakes(
    fleet: Fleet, load: LoadRun, operator: Namespace
) -> None:
    if not fleet.namespace.cluster.builtin:
        pytest.skip("pausing a process needs the node, which only the built-in cluster lends")
    first_shift = fleet.breach()
    first = leader.holder(operator)
    with leader.paused(operator, first):
        wait_for(
            "another leader",
            lambda: leader.holder(operator) not in {first, ""} or NotYet(first),
            timeout=120,
            namespace=operator,
        )
        # Not longer than needed: the kubelet's patience with a pod that does not answer is a
        # minute, and the claim is about one that wakes.
        low = fleet.wait_share("its next step", lambda share: share < first_shift)
        revision = fleet.revision()
    never("the old leader went back", lambda: fleet.shares()[PRIMARY] > low, seconds=10)

    assert fleet.revision() >= revision
    assert leader.holder(operator) != first
    fleet.behave(PRIMARY)
    fleet.wait_baseline()
    assert load.live


def test_without_operator_and_api_server_traffic_flows(
    fleet: Fleet, load: LoadRun, operator: Namespace
) -> None:
    share = fleet.breach()
    sent = len(load.live)

    def answered() -> bool | NotYet:
        answer = fleet.chat()
        return answer.status_code == 200 or NotYet(answer.text)

    operator.run("scale", "deployment", "--all", "--replicas=0")
    try:
        with leader.api_server_paused(fleet.namespace.cluster) as paused:
            wait_for("ten seconds of traffic", lambda: paused.seconds > 10, timeout=30)
        # Both go through the API server, which has just come back.
        wait_for("an answer", answered, timeout=120, namespace=fleet.namespace)
        fleet.wait_share("the share to be as it was", lambda found: found <= share)
    finally:
        operator.run("scale", "deployment", "--all", "--replicas=2")
        operator.run("rollout", "status", "deployment", "--timeout=240s", timeout=250)
    fleet.behave(PRIMARY)
    fleet.wait_baseline()

    assert len(load.records()) > sent
