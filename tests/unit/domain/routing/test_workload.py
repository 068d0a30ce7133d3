"""The objects of a router: what the API server, the kubelet and a security team look at."""

from typing import Any

import pytest

from tokenfleet.api.v1alpha1.modelrouter import ModelRouter
from tokenfleet.domain.fleet.platform import PLAIN, Platform
from tokenfleet.domain.routing.workload import workload

IMAGE = "registry.example/router:1"


def objects(platform: Platform = PLAIN, **managed: Any) -> dict[str, dict[str, Any]]:
    router = ModelRouter.model_validate(
        {"metadata": {"name": "default", "namespace": "team-a"}, "spec": {"managed": managed}}
    )
    return {body["kind"]: body for body in workload(router, IMAGE, platform)}


def pod(**managed: Any) -> dict[str, Any]:
    result: dict[str, Any] = objects(**managed)["Deployment"]["spec"]["template"]["spec"]
    return result


def containers(**managed: Any) -> dict[str, dict[str, Any]]:
    spec = pod(**managed)
    return {c["name"]: c for c in (*spec["initContainers"], *spec["containers"])}


def test_every_object_has_the_router_s_name_and_labels() -> None:
    found = objects(Platform(pod_monitors=True))

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
    found = objects(Platform(pod_monitors=True))

    template = found["Deployment"]["spec"]["template"]
    assert template["metadata"]["annotations"]["prometheus.io/port"] == "9091"
    (endpoint,) = found["PodMonitor"]["spec"]["podMetricsEndpoints"]
    ports = {p["name"]: p["containerPort"] for c in containers().values() for p in c["ports"]}
    assert ports[endpoint["port"]] == 9091


POD = {
    "labels": {"team": "search"},
    "annotations": {"sidecar.istio.io/inject": "false"},
    "nodeSelector": {"kind": "edge"},
    "tolerations": [{"key": "edge", "operator": "Exists"}],
    "affinity": {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {
                    "topologyKey": "kubernetes.io/hostname",
                    "labelSelector": {"matchLabels": {"tokenfleet.dev/router": "default"}},
                }
            ]
        }
    },
    "priorityClassName": "traffic",
    "imagePullSecrets": [{"name": "registry"}],
}


def test_what_the_spec_says_of_pods_is_in_the_template() -> None:
    found = objects(pod=POD)["Deployment"]["spec"]["template"]

    assert found["metadata"]["labels"]["team"] == "search"
    assert found["metadata"]["labels"]["tokenfleet.dev/router"] == "default"
    assert found["metadata"]["annotations"].items() >= POD["annotations"].items()
    for field in POD.keys() - {"labels", "annotations"}:
        assert found["spec"][field] == POD[field], field


def test_spreading_is_over_nodes_or_as_the_user_says() -> None:
    zones = {"topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}
    (by_default,) = pod()["topologySpreadConstraints"]
    (asked,) = pod(pod={"topologySpreadConstraints": [zones]})["topologySpreadConstraints"]

    assert by_default["topologyKey"] == "kubernetes.io/hostname"
    assert asked == {**zones, "maxSkew": 1, "labelSelector": by_default["labelSelector"]}


def test_the_service_is_what_the_spec_says() -> None:
    wanted = {
        "type": "LoadBalancer",
        "annotations": {"example.com/scheme": "internal"},
        "port": 8443,
        "loadBalancerClass": "example.com/nlb",
    }
    plain, found = objects()["Service"], objects(service=wanted)["Service"]

    assert plain["spec"]["type"] == "ClusterIP"
    assert [port["port"] for port in plain["spec"]["ports"]] == [80]
    assert found["metadata"]["annotations"] == wanted["annotations"]
    assert found["spec"]["loadBalancerClass"] == "example.com/nlb"
    assert found["spec"]["type"] == "LoadBalancer"
    assert [port["port"] for port in found["spec"]["ports"]] == [8443]


def test_a_broken_router_does_not_block_the_drain_of_its_node() -> None:
    assert objects()["PodDisruptionBudget"]["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_pods_carry_no_variables_of_the_namespaces_services() -> None:
    """Thousands of Services make an environment that a process cannot be started with."""
    assert pod()["enableServiceLinks"] is False


def test_users_and_groups_can_be_left_to_the_cluster() -> None:
    def security(platform: Platform) -> dict[str, Any]:
        template = objects(platform)["Deployment"]["spec"]["template"]
        found: dict[str, Any] = template["spec"]["securityContext"]
        return found

    ids = {"runAsUser", "runAsGroup", "fsGroup"}
    assert security(PLAIN).keys() >= ids
    assert security(PLAIN)["runAsUser"] == 65532
    assert not security(Platform(fixed_ids=False)).keys() & ids
    assert security(Platform(fixed_ids=False))["runAsNonRoot"] is True
