"""`tokenfleet explain` on a real API server, with the rights of whoever asks; no operator runs."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.namespaces import fresh
from tests.unit.domain.fleet.builders import pool, route, slo

pytestmark = pytest.mark.cluster

WHEN = "2026-01-01T12:00:00Z"


def condition(kind: str, status: str, reason: str) -> dict[str, str]:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": "",
        "lastTransitionTime": WHEN,
    }


def bare(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "metadata": {"name": body["metadata"]["name"]}}


def patch(namespace: Namespace, kind: str, name: str, status: dict[str, Any]) -> None:
    how = ("--subresource=status", "--type=merge", "--patch", json.dumps({"status": status}))
    namespace.run("patch", kind, name, *how)


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[Namespace]:
    """Hold what an operator would have left there."""
    with fresh(cluster, "tokenfleet-explain") as found:
        found.apply(bare(pool("large")), bare(pool("small")), bare(route()), bare(slo()))
        rule = {
            "name": "slow",
            "shares": [{"name": "large", "share": 500}, {"name": "small", "share": 500}],
            "reason": "Shifted",
            "message": "ttft: 40 of 80 attempts on large bad in 180 s, 50.0% exceeds 25.0%",
            "since": WHEN,
            "fallbackInUse": True,
        }
        status = {"rules": [rule], "conditions": [condition("Ready", "True", "Ready")]}
        patch(found, "modelroute", "chat", status)
        judged = {
            "state": "Shifted",
            "data": {"state": "OK"},
            "current": {"total": 80, "bad": 40, "burnRate": "10.00"},
            "conditions": [condition("Met", "False", "Missed")],
        }
        patch(found, "tokenslo", "ttft", judged)
        yield found


def explain(
    namespace: Namespace, *arguments: str, kubeconfig: Path | None = None
) -> subprocess.CompletedProcess[str]:
    file = kubeconfig or namespace.cluster.kubeconfig
    command = [
        sys.executable,
        "-m",
        "tokenfleet.cli.main",
        "explain",
        *arguments,
        f"--kubeconfig={file}",
    ]
    return subprocess.run(
        [*command, "-n", namespace.name], capture_output=True, text=True, check=False, timeout=300
    )


def test_a_shifted_route_is_explained(namespace: Namespace) -> None:
    done = explain(namespace, "chat")

    assert done.returncode == 0, done.stderr
    assert "rule slow: Shifted since 2026-01-01T12:00:00Z" in done.stdout
    assert "   50 %  small (fallback, 0/0 ready)" in done.stdout
    assert "40 of 80 attempts on large bad in 180 s, 50.0% exceeds 25.0%" in done.stdout
    assert "ttft (ShiftTraffic): missed; data OK, 40 of 80 bad, burn rate 10.00" in done.stdout
    assert f"there is no ConfigMap {namespace.name}/default-config yet" in done.stdout


def test_the_same_as_json(namespace: Namespace) -> None:
    found = json.loads(explain(namespace, "chat", "-o", "json").stdout)

    assert found["rules"][0]["pools"][0]["share"] == 500
    assert found["rules"][0]["votes"][0]["slo"] == "ttft"


def test_a_route_that_is_not_there(namespace: Namespace) -> None:
    done = explain(namespace, "chatt")

    assert done.returncode == 1
    assert f"no ModelRoute chatt in namespace {namespace.name}; did you mean chat?" in done.stderr


def test_somebody_without_rights_is_told_so(namespace: Namespace, tmp_path: Path) -> None:
    namespace.run("create", "serviceaccount", "nobody")
    token = namespace.run("create", "token", "nobody").strip()
    config = yaml.safe_load(namespace.cluster.kubeconfig.read_text(encoding="utf-8"))
    for user in config["users"]:
        user["user"] = {"token": token}
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")

    done = explain(namespace, "chat", kubeconfig=file)

    assert done.returncode == 1
    assert 'no permission: User "system:serviceaccount:' in done.stderr
    assert "may not get modelroutes.tokenfleet.dev in the namespace" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_cluster(namespace: Namespace, tmp_path: Path) -> None:
    done = explain(namespace, "chat", kubeconfig=tmp_path / "missing")

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
