"""The objects of a router: what the API server, the kubelet and a security team look at."""

from typing import Any

import pytest

from tokenfleet.api.v1alpha1.modelrouter import ModelRouter
from tokenfleet.domain.routing.workload import workload

IMAGE = "registry.example/router:1"


def objects(*, pod_monitor: bool = False, **managed: Any) -> dict[str, dict[str, Any]]:
    router = ModelRouter.model_validate(
        {"metadata": {"name": "default", "namespace": "team-a"}, "spec": {"managed": managed}}
    )
    return {body["kind"]: body for body in workload(router, IMAGE, pod_monitor=pod_monitor)}


def pod(**managed: Any) -> dict[str, Any]:
    result: dict[str, Any] = objects(**managed)["Deployment"]["spec"]["template"]["spec"]
    return result


def containers(**managed: Any) -> dict[str, dict[str, Any]]:
    spec = pod(**managed)
    return {c["name"]: c for c in (*spec["initContainers"], *spec["containers"])}


def test_every_object_has_the_router_s_name_and_labels() -> None:
    found = objects(pod_monitor=True)

    assert {body["metadata"]["name"] for body in found.values()} == {"default-router"}
    assert {body["metadata"]["namespace"] for body in found.values()} == {"team-a"}
    assert {b["metadata"]["labels"]["tokenfleet.dev/router"] for b in found.values()} == {"default"}
    assert "PodMonitor" not in objects()


@pytest.mark.parametrize("name", ["envoy", "agent"])
def test_pods_meet_the_restricted_standard(name: str) -> None:
    container = containers()[name]

    assert pod()["securityContext"]["runAsNonRoot"] is True
    assert pod()["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_agent_is_a_native_sidecar_that_envoy_waits_for() -> None:
    agent = containers()["agent"]

    assert agent["restartPolicy"] == "Always"
    assert agent["startupProbe"]["httpGet"] == {"path": "/healthz", "port": 9091}


def test_only_the_agent_sees_the_token() -> None:
    mounts = {name: [m["name"] for m in c["volumeMounts"]] for name, c in containers().items()}

    assert pod()["automountServiceAccountToken"] is False
    assert mounts == {"agent": ["config", "token"], "envoy": ["config"]}


def test_the_role_reads_one_config_map_and_endpoints() -> None:
    config, slices = objects()["Role"]["rules"]

    assert config["resourceNames"] == ["default-config"]
    assert {*config["verbs"], *slices["verbs"]} == {"get", "list", "watch"}


def test_a_pod_has_time_to_drain() -> None:
    envoy = containers(drainTimeout="90s")["envoy"]

    assert pod(drainTimeout="90s")["terminationGracePeriodSeconds"] == 120
    assert "--timeout=90s" in envoy["lifecycle"]["preStop"]["exec"]["command"]
    assert envoy["args"][envoy["args"].index("--drain-time-s") + 1] == "90"


@pytest.mark.parametrize(
    ("resources", "workers", "heap"),
    [
        pytest.param({}, "2", 1024**3, id="nothing said"),
        pytest.param(
            {"limits": {"cpu": "500m", "memory": "500Mi"}}, "1", 400 * 1024**2, id="small"
        ),
        pytest.param({"limits": {"cpu": "3500m", "memory": "10Gi"}}, "4", 8 * 1024**3, id="large"),
    ],
)
def test_envoy_fits_into_its_limits(resources: dict[str, Any], workers: str, heap: int) -> None:
    found = containers(resources=resources)

    args = found["envoy"]["args"]
    assert args[args.index("--concurrency") + 1] == workers
    assert f"--heap-limit={heap}" in found["agent"]["args"]


def test_the_metrics_can_be_scraped_with_and_without_the_prometheus_operator() -> None:
    found = objects(pod_monitor=True)

    template = found["Deployment"]["spec"]["template"]
    assert template["metadata"]["annotations"]["prometheus.io/port"] == "9091"
    (endpoint,) = found["PodMonitor"]["spec"]["podMetricsEndpoints"]
    ports = {p["name"]: p["containerPort"] for c in containers().values() for p in c["ports"]}
    assert ports[endpoint["port"]] == 9091
