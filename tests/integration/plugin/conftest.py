"""The API server of the other tests of the API, with what an operator would have left there."""

import io
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import pytest

from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.namespaces import fresh
from e2e.kit.proxy import ApiProxy
from tests.integration.api.conftest import cluster
from tests.integration.explain.test_explain import bare, condition, patch
from tests.unit.domain.fleet.builders import API, pool, route, router, slo
from tokenfleet.adapters.clock import SystemClock
from tokenfleet.cli.kubectl import PEOPLE
from tokenfleet.cli.main import COMMANDS, main

__all__ = ["cluster"]

WHEN = SystemClock().now() - timedelta(minutes=7)
STAMP = f"{WHEN:%Y-%m-%dT%H:%M:%SZ}"


def script(entry: str) -> list[str]:
    """Return the command that the wheel installs for an entry point of the plugin."""
    text = f"import sys; from tokenfleet.cli.kubectl import {entry}; sys.exit({entry}())"
    return [sys.executable, "-c", text]


@dataclass(frozen=True, slots=True)
class Plugin:
    """`kubectl tokenfleet`, about one namespace."""

    namespace: Namespace
    api: ApiProxy

    def command(self, *arguments: str) -> list[str]:
        where = (f"--kubeconfig={self.namespace.cluster.kubeconfig}", "-n", self.namespace.name)
        return [*script("main"), *arguments, *where]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run in this process, without a terminal: every command once more would take a second."""
        words = self.command(*arguments)[len(script("main")) :]
        commands = {name: COMMANDS[name] for name in PEOPLE}
        out, err = io.StringIO(), io.StringIO()
        with mock.patch("sys.stdin", io.StringIO()), redirect_stdout(out), redirect_stderr(err):
            status = main(words, prog="kubectl tokenfleet", commands=commands)
        return subprocess.CompletedProcess(words, status, out.getvalue(), err.getvalue())

    def says(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def control(self) -> dict[str, Any]:
        return dict(self.route()["spec"].get("trafficControl", {}))

    def route(self) -> dict[str, Any]:
        found = self.api.get(self.path)
        assert found is not None
        return found

    @property
    def path(self) -> str:
        return f"/apis/{API}/namespaces/{self.namespace.name}/modelroutes/chat"


def event(namespace: Namespace, at: datetime) -> dict[str, Any]:
    about = namespace.must_get("modelroute", "chat")
    note = (
        "rule slow: ttft: 40 of 80 attempts on large bad: shifting to small (T1, decision 1a2b3c)"
    )
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "chat.decision"},
        "eventTime": f"{at:%Y-%m-%dT%H:%M:%S.%fZ}",
        "type": "Warning",
        "reason": "TrafficShifted",
        "action": "SetShares",
        "message": note,
        "reportingComponent": "tokenfleet.dev/operator",
        "reportingInstance": "tokenfleet",
        "involvedObject": {
            "apiVersion": about["apiVersion"],
            "kind": "ModelRoute",
            "name": "chat",
            "namespace": namespace.name,
            "uid": about["metadata"]["uid"],
        },
    }


@pytest.fixture(scope="module")
def fleet(cluster: Cluster) -> Iterator[Plugin]:
    with fresh(cluster, "tokenfleet-plugin") as found, ApiProxy(cluster) as api:
        alert = slo("whole", onBreach={"type": "Alert"})
        objects = (router(), pool("large"), pool("small"), route(), slo(), alert)
        found.apply(*(bare(body) for body in objects))
        rule = {
            "name": "slow",
            "shares": [{"name": "large", "share": 250}, {"name": "small", "share": 750}],
            "reason": "Shifted",
            "message": "ttft: 40 of 80 attempts on large bad",
            "since": STAMP,
            "fallbackInUse": True,
        }
        ready = [condition("Ready", "True", "Ready")]
        patch(found, "modelroute", "chat", {"rules": [rule], "conditions": ready})
        patch(
            found,
            "modelrouter",
            "default",
            {"acknowledged": "2/2", "configRevision": 7, "conditions": ready},
        )
        patch(
            found, "servingpool", "large", {"replicas": 2, "readyReplicas": 2, "conditions": ready}
        )
        missed = [*ready, condition("Met", "False", "Missed")]
        seen = {"state": "Shifted", "data": {"state": "OK"}, "conditions": missed}
        current = {"total": 80, "bad": 40, "burnRate": "10.00"}
        spent = {"remaining": "-0.50", "total": 800, "bad": 60}
        patch(
            found,
            "tokenslo",
            "ttft",
            {**seen, "current": current, "budget": spent, "quantiles": {"p99": "2.4s"}},
        )
        shadow = {
            "shares": [{"name": "small", "share": 1000}],
            "transition": "T1",
            "message": "first step: all to small",
        }
        patch(found, "tokenslo", "whole", {**seen, "current": current, "shadow": shadow})
        found.apply(event(found, WHEN))
        yield Plugin(found, api)


@pytest.fixture
def plugin(fleet: Plugin) -> Iterator[Plugin]:
    """Leave the route to the operator at the end, whatever a test did."""
    yield fleet
    change = {"spec": {"trafficControl": {"type": "Auto", "pinned": None}}}
    fleet.api.patch(fleet.path, change)
