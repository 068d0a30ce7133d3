"""What an application's pod is given, and what the operator makes for it."""

from typing import Any

import pytest
import yaml

from tokenfleet.api.v1alpha1.modelrouter import ModelRouter
from tokenfleet.cli.agent import add_parser, settings
from tokenfleet.cli.sidecar import NoSidecarError, snippet
from tokenfleet.domain.fleet.platform import PLAIN, Platform
from tokenfleet.domain.routing.sidecar_policy import expressions
from tokenfleet.domain.routing.workload import workload

BODY: dict[str, Any] = {
    "apiVersion": "tokenfleet.dev/v1alpha1",
    "kind": "ModelRouter",
    "metadata": {"name": "beside", "namespace": "team"},
    "spec": {
        "type": "Sidecar",
        "sidecar": {
            "serviceAccounts": ["web", "jobs"],
            "port": 9000,
            "startLimit": "1m30s",
            "memory": "500Mi",
        },
    },
}


def template(*, fixed_ids: bool = True) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(snippet(BODY, "router:1", fixed_ids=fixed_ids))
    return found


def containers(**options: Any) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in template(**options)["spec"]["initContainers"]}


def objects(platform: Platform = PLAIN) -> dict[str, dict[str, Any]]:
    router = ModelRouter.model_validate(BODY)
    return {one["kind"]: one for one in workload(router, "router:1", platform)}


def test_both_containers_start_before_the_application_and_stop_after_it() -> None:
    assert [one["restartPolicy"] for one in containers().values()] == ["Always", "Always"]
    assert list(containers()) == ["tokenfleet-agent", "tokenfleet-envoy"]


def test_the_application_waits_for_what_bounds_the_wait_itself() -> None:
    """The probe allows more time than the longest limit: the agent alone decides."""
    probe = containers()["tokenfleet-envoy"]["startupProbe"]

    assert probe["httpGet"]["path"] == "/startz"
    assert probe["periodSeconds"] * probe["failureThreshold"] > 300


def test_the_agent_understands_what_it_is_told() -> None:
    import argparse  # noqa: PLC0415

    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    agent = containers()["tokenfleet-agent"]
    told = settings(parser.parse_args([*agent["command"][1:], *agent["args"]]))

    assert told.router == "beside"
    assert (told.ports.host, told.ports.traffic) == ("127.0.0.1", 9000)
    assert told.start_limit.total_seconds() == 90
    assert told.limits.heap == 400 * 1024**2


@pytest.mark.parametrize("name", ["tokenfleet-agent", "tokenfleet-envoy"])
def test_the_containers_fit_into_a_restricted_namespace(name: str) -> None:
    security = containers()[name]["securityContext"]

    assert security["runAsNonRoot"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert security["runAsUser"] == 65532
    assert "runAsUser" not in containers(fixed_ids=False)[name]["securityContext"]


def test_the_applications_accounts_may_read_the_configuration() -> None:
    found = objects()

    assert found.keys() == {"Role", "RoleBinding", "Service"}
    assert [one["name"] for one in found["RoleBinding"]["subjects"]] == ["web", "jobs"]
    assert found["Role"]["rules"][0]["resourceNames"] == ["beside-config"]


def test_pods_are_counted_by_a_service_without_an_address() -> None:
    spec = objects()["Service"]["spec"]

    assert spec["clusterIP"] == "None"
    assert spec["selector"] == {"tokenfleet.dev/router": "beside"}
    assert [port["port"] for port in spec["ports"]] == [9091]


def test_the_metrics_are_found_by_the_name_of_the_port() -> None:
    (endpoint,) = objects(Platform(pod_monitors=True))["PodMonitor"]["spec"]["podMetricsEndpoints"]
    ports = {one["name"] for one in containers()["tokenfleet-agent"]["ports"]}

    assert endpoint["port"] in ports


def test_a_router_with_pods_of_its_own_has_no_sidecar() -> None:
    managed = {**BODY, "spec": {}}

    with pytest.raises(NoSidecarError, match="of type Managed: only Sidecar is carried by pods"):
        snippet(managed, "router:1", fixed_ids=True)


def test_the_policy_speaks_of_every_setting() -> None:
    text = "".join(expressions().values())

    for expression in (
        "params.metadata.name",
        "variables.image",
        "variables.security",
        *(f"params.spec.sidecar.{field}" for field in ("port", "memory", "cpu", "startLimit")),
    ):
        assert expression in text
    assert "<<" not in text
