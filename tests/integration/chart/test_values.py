"""Values: what is refused, and what the others do."""

import argparse
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.kit.kubectl import Cluster, CommandError
from tests.integration.chart.conftest import Render
from tokenfleet.cli import run

pytestmark = pytest.mark.cluster

_TERM = (
    "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]"
    ".matchExpressions[0]"
)
USER = (
    "prometheus.url=https://prometheus:9090",
    "prometheus.basicAuth.username=ali",
    "prometheus.basicAuth.passwordSecretRef.name=user",
    "prometheus.basicAuth.passwordSecretRef.key=password",
    "prometheus.tls.caConfigMapRef.name=authority",
    "prometheus.tls.caConfigMapRef.key=ca.pem",
    "prometheus.tls.clientSecretRef.name=operator-tls",
    "prometheus.headers.X-Scope-OrgID=team-a",
    "prometheus.headersSecretRef.name=keys",
)
TOKEN = ("prometheus.tokenSecretRef.name=a", "prometheus.tokenSecretRef.key=b")
VARIANTS = [
    pytest.param((), id="defaults"),
    pytest.param(USER, id="a user of Prometheus"),
    pytest.param(("watch.namespaces={team-a,team-b}",), id="namespaced"),
    pytest.param(
        (
            "podSecurity.fixedIds=false",
            "sidecarInjection.enabled=true",
            "sidecarInjection.namespaceSelector.matchLabels.team=search",
            "networkPolicy.enabled=true",
            "networkPolicy.scrapers[0].podSelector.matchLabels.app=prometheus",
            "networkPolicy.prometheus[0].podSelector.matchLabels.app=prometheus",
            "networkPolicy.prometheusPorts={9090,10902}",
            "console.enabled=true",
            "console.requireToken=true",
            "console.clients[0].podSelector.matchLabels.app=proxy",
            "admissionPolicy.enabled=true",
            "admissionPolicy.namespaceSelector.matchLabels.team=search",
            "admissionPolicy.images={registry.example.com/a/,registry.example.com/b/}",
            "admissionPolicy.secrets={hub}",
            "admissionPolicy.claims={weights}",
            "admissionPolicy.priorityClasses={low}",
        ),
        id="hardened",
    ),
    pytest.param(
        (
            "prometheus.url=http://prometheus:9090",
            "prometheus.tokenSecretRef.name=prometheus",
            "prometheus.tokenSecretRef.key=token",
            "trafficShifting.enabled=false",
            "metrics.dashboard.enabled=true",
            "replicas=1",
            "imagePullSecrets[0].name=registry",
            "podLabels.team=platform",
            "podAnnotations.note=here",
            "nodeSelector.kind=system",
            "tolerations[0].operator=Exists",
            "priorityClassName=system-cluster-critical",
            "serviceAccount.annotations.a=b",
            f"{_TERM}.key=zone",
            f"{_TERM}.operator=Exists",
        ),
        id="everything set",
    ),
]


def deployment(objects: list[dict[str, Any]]) -> dict[str, Any]:
    return next(one for one in objects if one["kind"] == "Deployment")


def arguments(objects: list[dict[str, Any]]) -> list[str]:
    found: list[str] = deployment(objects)["spec"]["template"]["spec"]["containers"][0]["args"]
    return found


@pytest.mark.parametrize("settings", VARIANTS)
def test_the_chart_lints(cluster: Cluster, chart: Path, settings: tuple[str, ...]) -> None:
    sets = [word for setting in settings for word in ("--set", setting)]

    assert "0 chart(s) failed" in cluster.run_helm("lint", "--strict", str(chart), *sets)


@pytest.mark.parametrize("settings", VARIANTS)
def test_the_api_server_accepts_every_object(
    cluster: Cluster, render: Render, settings: tuple[str, ...]
) -> None:
    """Strictly: a misspelt field is an error. CRDs have their own tests."""
    objects = [one for one in render(*settings) if one["kind"] != "CustomResourceDefinition"]
    # A namespace of its own: the release's may be going away after another test.
    name = f"chart-{uuid.uuid4().hex[:8]}"
    namespace = cluster.namespace(name)
    namespace.run("create", "namespace", name)
    try:
        for one in objects:
            # Nothing of team-a and team-b needs to exist to see that their bindings are well formed.
            one["metadata"].pop("namespace", None)
            namespace.run(
                "apply",
                "--server-side",
                "--force-conflicts",
                "--field-manager=chart-test",
                "--dry-run=server",
                "--validate=strict",
                "-f",
                "-",
                stdin=json.dumps(one),
            )
    finally:
        namespace.delete("namespace", name, "--wait=false")


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("prometheus.tickk=15s", "at '/prometheus': additional properties 'tickk' not allowed"),
        ("prometheus.tick=fast", 'prometheus.tick is "fast": write a duration such as 15s'),
        ("prometheus.tick=1.5s", 'prometheus.tick is "1.5s": write a duration such as 15s'),
        ("prometheus.tick=0s", 'prometheus.tick is "0s": write a duration of more than 0'),
        ("prometheus.url=prometheus:9090", "at '/prometheus/url'"),
        ("prometheus.url=http://ali:secret@prometheus", "at '/prometheus/url'"),
        ("prometheus.tokenSecretRef.name=a", "at '/prometheus/tokenSecretRef'"),
        (
            ",".join((*USER, *TOKEN)),
            "at '/prometheus/tokenSecretRef': maxProperties: got 2, want 0",
        ),
        (
            "prometheus.basicAuth.username=ali",
            "at '/prometheus/basicAuth': properties 'passwordSecretRef' required",
        ),
        (
            "prometheus.basicAuth.username=ali,prometheus.basicAuth.passwordSecretRef.name=a",
            "at '/prometheus/basicAuth/passwordSecretRef': properties 'key' required",
        ),
        (
            ",".join(
                (*USER, "prometheus.tls.caSecretRef.name=a", "prometheus.tls.caSecretRef.key=b")
            ),
            "at '/prometheus/tls/caConfigMapRef': maxProperties: got 2, want 0",
        ),
        ("prometheus.headers.Authorization=x", "at '/prometheus/headers/Authorization'"),
        ("replicas=0", "at '/replicas'"),
        ("networkPolicy.prometheusPorts={0}", "at '/networkPolicy/prometheusPorts/0'"),
        ("admissionPolicy.images={reg*}", "at '/admissionPolicy/images/0'"),
        ("trafficShifting.enabled=maybe", "at '/trafficShifting/enabled'"),
        ("image.digest=latest", "at '/image/digest'"),
        ("watch.namespaces={Team}", "at '/watch/namespaces/0'"),
        ("shifting=false", "additional properties 'shifting' not allowed"),
    ],
)
def test_a_wrong_value_is_refused_by_name(render: Render, setting: str, words: str) -> None:
    with pytest.raises(CommandError) as refused:
        render(setting)

    assert words in refused.value.output


def test_every_value_of_the_chart_is_used(chart: Path) -> None:
    """What values.yaml offers, a template reads."""
    templates = "".join(
        path.read_text(encoding="utf-8") for path in sorted((chart / "templates").iterdir())
    )
    text = (chart / "values.yaml").read_text(encoding="utf-8")
    names = [
        line.split(":")[0].strip()
        for line in text.splitlines()
        if ":" in line and line.strip()[0] != "#"
    ]

    assert names
    assert [
        name for name in names if name not in templates and name not in {"requests", "limits"}
    ] == []


def test_the_switch_and_the_namespaces_reach_the_operator(render: Render) -> None:
    plain = arguments(render())
    changed = arguments(render("trafficShifting.enabled=false", "watch.namespaces={b,a}"))

    assert "--disable-shifting" not in plain
    assert not [word for word in plain if word.startswith("--namespaces")]
    assert {"--disable-shifting", "--namespaces=b,a"} <= set(changed)


@pytest.mark.parametrize("access", [USER, TOKEN], ids=["user", "token"])
def test_the_operator_understands_its_arguments(render: Render, access: tuple[str, ...]) -> None:
    """The chart and the command line are in step."""
    parser = argparse.ArgumentParser(exit_on_error=True)
    run.add_parser(parser.add_subparsers())
    everything = arguments(
        render(
            "prometheus.url=http://p:9090",
            "trafficShifting.enabled=false",
            "watch.namespaces={a,b}",
            "podSecurity.fixedIds=false",
            *access,
        )
    )
    put_in = [text.replace("$(POD_NAMESPACE)", "here") for text in everything]  # the kubelet does
    options = run._options(parser.parse_args(put_in))

    assert options.namespaces == ("a", "b")
    assert options.fixed_ids is False
    assert options.prometheus is not None
    assert bool(options.prometheus.bearer_token_file) == (access is TOKEN)


def test_credentials_reach_the_operator_as_files(render: Render) -> None:
    """Every file that the arguments name is one that a Secret or ConfigMap puts there."""
    objects = render(*USER)
    spec = deployment(objects)["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    sources = [
        next(iter(source.values())) for source in volumes["prometheus"]["projected"]["sources"]
    ]
    provided = {
        f"/etc/tokenfleet/prometheus/{item['path']}": (source["name"], item["key"])
        for source in sources
        for item in source["items"]
    }
    named = {
        word.partition("=")[2]
        for word in arguments(objects)
        if word.startswith("--prometheus-") and "-file=" in word.partition("/")[0]
    }

    assert provided == {
        "/etc/tokenfleet/prometheus/password": ("user", "password"),
        "/etc/tokenfleet/prometheus/ca.crt": ("authority", "ca.pem"),
        "/etc/tokenfleet/prometheus/tls.crt": ("operator-tls", "tls.crt"),
        "/etc/tokenfleet/prometheus/tls.key": ("operator-tls", "tls.key"),
    }
    assert named == provided.keys()
    assert volumes["prometheus-headers"]["secret"]["secretName"] == "keys"
    assert "--prometheus-header=X-Scope-OrgID=team-a" in arguments(objects)


def test_users_and_groups_can_be_left_to_the_cluster(
    cluster: Cluster, chart: Path, render: Render
) -> None:
    """By a value, or by the API that OpenShift serves."""

    def ids(objects: list[dict[str, Any]]) -> set[str]:
        context = deployment(objects)["spec"]["template"]["spec"]["securityContext"]
        return set(context) & {"runAsUser", "runAsGroup", "fsGroup"}

    openshift = cluster.run_helm(
        "template", "tokenfleet", str(chart), "--api-versions", "security.openshift.io/v1"
    )
    documents = [one for one in yaml.safe_load_all(openshift) if one]

    assert ids(render()) == {"runAsUser", "runAsGroup", "fsGroup"}
    assert "--ids-by-cluster" not in arguments(render())
    for objects in (render("podSecurity.fixedIds=false"), documents):
        assert ids(objects) == set()
        assert "--ids-by-cluster" in arguments(objects)


def test_a_digest_wins_over_a_tag(render: Render) -> None:
    digest = "sha256:" + "0" * 64
    pod = deployment(render("image.tag=v9", f"image.digest={digest}", "router.image.tag=v9"))[
        "spec"
    ]["template"]["spec"]

    assert pod["containers"][0]["image"] == f"ghcr.io/tokenfleet/operator@{digest}"
    assert "--router-image=ghcr.io/tokenfleet/router:v9" in pod["containers"][0]["args"]


def test_a_name_holds_the_release(render: Render) -> None:
    assert deployment(render(release="fleet"))["metadata"]["name"] == "fleet-tokenfleet"
    assert deployment(render())["metadata"]["name"] == "tokenfleet"


def test_names_that_yaml_reads_as_numbers_stay_names(cluster: Cluster, chart: Path) -> None:
    everything = (
        "console.enabled", "networkPolicy.enabled", "metrics.podMonitor.enabled",
        "metrics.prometheusRule.enabled", "metrics.dashboard.enabled",
    )  # fmt: skip
    sets = [word for name in everything for word in ("--set", f"{name}=true")]
    sets += ["--set-string", "watch.namespaces={56}"]
    text = cluster.run_helm("template", "12", str(chart), "--namespace", "34", *sets)
    found = [one["metadata"] for one in yaml.load_all(text, Loader=yaml.CSafeLoader) if one]

    namespaces = {one["namespace"] for one in found if "namespace" in one}
    instances = {
        one["labels"]["app.kubernetes.io/instance"]
        for one in found
        if "app.kubernetes.io/instance" in one.get("labels", {})
    }
    assert namespaces == {"34", "56"}
    assert instances == {"12"}


def test_crds_can_be_left_out_and_let_go(render: Render) -> None:
    def crds(*settings: str) -> list[dict[str, Any]]:
        return [one for one in render(*settings) if one["kind"] == "CustomResourceDefinition"]

    assert len(crds()) == 4
    kept = {"helm.sh/resource-policy": "keep", "argocd.argoproj.io/sync-options": "Prune=false"}
    assert [one["metadata"]["annotations"] for one in crds()] == [kept] * 4
    assert crds("crds.install=false") == []
    assert [one for one in crds("crds.keep=false") if "annotations" in one["metadata"]] == []


def test_a_crd_belongs_to_no_release(render: Render) -> None:
    """Argo CD, where it tracks by label, prunes what names an Application that lacks it."""
    labels = [
        one["metadata"]["labels"]
        for release in ("tokenfleet", "another")
        for one in render(release=release)
        if one["kind"] == "CustomResourceDefinition"
    ]

    assert len(labels) == 8
    assert [found for found in labels if found != labels[0]] == []
    assert set(labels[0]).isdisjoint({"app.kubernetes.io/instance", "helm.sh/chart"})


def test_a_pod_monitor_is_made_on_demand(render: Render) -> None:
    kinds = {one["kind"] for one in render()}
    monitor = next(
        one
        for one in render("metrics.podMonitor.enabled=true", "metrics.podMonitor.labels.release=p")
        if one["kind"] == "PodMonitor"
    )

    assert "PodMonitor" not in kinds
    assert monitor["metadata"]["labels"]["release"] == "p"
    assert monitor["spec"]["podMetricsEndpoints"] == [
        {"port": "metrics", "path": "/metrics", "interval": "15s", "honorLabels": True}
    ]


def test_alerts_and_dashboard_are_made_on_demand(render: Render, chart: Path) -> None:
    kinds = {one["kind"] for one in render()}
    objects = render(
        "metrics.prometheusRule.enabled=true",
        "metrics.prometheusRule.labels.release=p",
        "metrics.prometheusRule.runbooks=https://wiki/runbooks",
        "metrics.dashboard.enabled=true",
    )
    rule = next(one for one in objects if one["kind"] == "PrometheusRule")
    dashboard = next(one for one in objects if one["metadata"]["name"].endswith("-dashboard"))
    plain = yaml.safe_load((chart / "files" / "alerts.yaml").read_text(encoding="utf-8"))
    summaries = [
        [one["annotations"]["summary"] for group in groups for one in group["rules"]]
        for groups in (plain["groups"], rule["spec"]["groups"])
    ]

    assert kinds.isdisjoint({"PrometheusRule", "ConfigMap"})
    assert rule["metadata"]["labels"]["release"] == "p"
    assert summaries[0] == summaries[1]
    first = rule["spec"]["groups"][0]["rules"][0]
    assert first["annotations"]["runbook_url"] == f"https://wiki/runbooks/{first['alert']}.md"
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(dashboard["data"]["tokenfleet.json"])["uid"] == "tokenfleet"


def test_one_replica_has_no_disruption_budget(render: Render) -> None:
    """It would block every node drain."""
    assert "PodDisruptionBudget" in {one["kind"] for one in render()}
    assert "PodDisruptionBudget" not in {one["kind"] for one in render("replicas=1")}
