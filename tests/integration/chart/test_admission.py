"""The opt-in admission policy bounds what pools may use, judged by the real API server."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.namespaces import fresh
from e2e.kit.waiting import NotYet, wait_for
from e2e.kit.yamls import merged
from tests.integration.api.server import ApiServer, install_crds
from tests.integration.api.subjects import EXISTING_POOL, POOL, at
from tests.integration.chart.conftest import Render

pytestmark = pytest.mark.cluster

HUB = {"type": "HuggingFace", "persistentVolumeClaim": None}
ALLOWED = merged(
    POOL,
    {
        "spec": {
            "managed": {
                "engine": {"image": "registry.example.com/vllm:1"},
                "model": {
                    "source": {
                        **HUB,
                        "huggingFace": {
                            "repo": "o/m",
                            "tokenSecretRef": {"name": "hub", "key": "k"},
                        },
                    },
                    "cache": {"persistentVolumeClaim": {"claimName": "weights"}},
                },
                "pod": {"imagePullSecrets": [{"name": "registry"}]},
            }
        }
    },
)
DRAFT = {
    "type": "DraftModel",
    "tokens": 3,
    "draftModel": {
        "source": {
            "type": "HuggingFace",
            "huggingFace": {"repo": "o/d", "tokenSecretRef": {"name": "other", "key": "k"}},
        }
    },
}


@pytest.fixture(scope="module")
def api(cluster: Cluster, render: Render) -> Iterator[ApiServer]:
    """Install the policy, for one namespace only: others must not notice."""
    install_crds(cluster)
    with fresh(cluster, "tokenfleet-admission") as namespace:
        label = "admissionPolicy.namespaceSelector.matchLabels.kubernetes\\.io/metadata\\.name"
        objects = render(
            "admissionPolicy.enabled=true",
            "admissionPolicy.images={registry.example.com/}",
            "admissionPolicy.secrets={hub,registry}",
            "admissionPolicy.claims={weights}",
            "admissionPolicy.priorityClasses={low}",
            "admissionPolicy.serviceAccounts={bucket-reader}",
            f"{label}={namespace.name}",
            release=namespace.name[:30].rstrip("-"),
        )
        policies = [one for one in objects if one["kind"].startswith("ValidatingAdmission")]
        for one in policies:
            cluster.namespace("default").run("create", "-f", "-", stdin=json.dumps(one))
        try:
            with ApiServer(namespace) as found:
                _wait_until_it_judges(found, namespace)
                yield found
        finally:
            for one in policies:
                cluster.namespace("default").run(
                    "delete", one["kind"], one["metadata"]["name"], "--ignore-not-found"
                )


def _wait_until_it_judges(api: ApiServer, namespace: Namespace) -> None:
    def judged() -> bool | NotYet:
        refused = api.create(POOL)
        return refused.status_code != httpx.codes.CREATED or NotYet("accepted still")

    wait_for("the policy to judge", judged, timeout=180, namespace=namespace)


def _adapter(kind: str, member: dict[str, Any]) -> dict[str, Any]:
    name = kind[0].lower() + kind[1:]
    return at("spec.served.adapters", [{"name": "a", "source": {"type": kind, name: member}}])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            _adapter("Image", {"reference": "docker.io/stranger:1"}),
            "must begin with one of: registry.example.com/",
            id="an adapter from elsewhere",
        ),
        pytest.param(
            _adapter(
                "HuggingFace", {"repo": "o/a", "tokenSecretRef": {"name": "other", "key": "k"}}
            ),
            "only these Secrets",
            id="a Secret for an adapter",
        ),
        pytest.param(
            _adapter("PersistentVolumeClaim", {"claimName": "other"}),
            "only these claims",
            id="a claim for an adapter",
        ),
        pytest.param(
            at("spec.managed.engine.image", "docker.io/stranger:1"),
            "must begin with one of: registry.example.com/",
            id="an image from elsewhere",
        ),
        pytest.param(
            at(
                "spec.managed.model.source",
                {
                    "type": "Image",
                    "huggingFace": None,
                    "image": {"reference": "docker.io/stranger:1"},
                },
            ),
            "must begin with one of: registry.example.com/",
            id="weights from elsewhere",
        ),
        pytest.param(
            at(
                "spec.managed.engine.env",
                [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "other", "key": "k"}}}],
            ),
            "only these Secrets",
            id="a Secret as a variable",
        ),
        pytest.param(
            at("spec.managed.engine.files", [{"name": "a", "mountPath": "/a", "secret": "other"}]),
            "only these Secrets",
            id="a Secret as files",
        ),
        pytest.param(
            at("spec.managed.pod.serviceAccountName", "cluster-admin"),
            "serviceAccountName must be one of: bucket-reader",
            id="somebody's ServiceAccount",
        ),
        pytest.param(
            at("spec.managed.model.source.huggingFace.tokenSecretRef.name", "database"),
            "a pool may name only these Secrets: hub, registry",
            id="somebody's Secret as the hub's token",
        ),
        pytest.param(
            at("spec.managed.speculative", DRAFT), "only these Secrets", id="the draft's token"
        ),
        pytest.param(
            at("spec.managed.pod.imagePullSecrets", [{"name": "other"}]),
            "only these Secrets",
            id="another registry's credentials",
        ),
        pytest.param(
            at("spec.managed.model.cache.persistentVolumeClaim.claimName", "backups"),
            "a pool may mount only these claims: weights",
            id="somebody's volume",
        ),
        pytest.param(
            at("spec.managed.pod.priorityClassName", "system-node-critical"),
            "priorityClassName must be one of: low",
            id="a priority over everybody",
        ),
    ],
)
def test_what_is_not_listed_is_refused_by_name(
    api: ApiServer, change: dict[str, Any], message: str
) -> None:
    answer = api.create(merged(ALLOWED, change))

    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY, answer.text
    assert message in answer.json()["message"]


@pytest.mark.parametrize("pool", [ALLOWED, EXISTING_POOL], ids=["managed", "existing"])
def test_what_is_listed_is_accepted(api: ApiServer, pool: dict[str, Any]) -> None:
    answer = api.create(pool)

    assert answer.status_code == httpx.codes.CREATED, answer.text
