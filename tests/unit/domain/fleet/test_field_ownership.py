"""Who owns which fields, read from managedFields as the API server writes them."""

from typing import Any

from tokenfleet.domain.fleet.field_ownership import claim_of, rivals, with_claim

OURS = {
    "f:metadata": {"f:labels": {"f:app": {}}},
    "f:spec": {
        "f:replicas": {},
        "f:template": {
            "f:spec": {
                "f:containers": {
                    'k:{"name":"vllm"}': {".": {}, "f:name": {}, "f:image": {}},
                }
            }
        },
    },
}
WANTED = {
    "metadata": {"labels": {"app": "x"}},
    "spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "vllm"}]}}},
}


def body(*entries: dict[str, Any], version: str = "1") -> dict[str, Any]:
    return {"metadata": {"resourceVersion": version, "managedFields": list(entries)}}


def entry(manager: str, fields: dict[str, Any], **more: str) -> dict[str, Any]:
    return {"manager": manager, "operation": "Apply", "fieldsV1": fields, **more}


def claim(*entries: dict[str, Any], version: str = "1") -> str:
    copy = {"metadata": {"resourceVersion": version}}
    return claim_of(with_claim(copy, body(*entries)))


def test_the_claim_changes_with_what_is_ours_and_with_nothing_else() -> None:
    ours = entry("tokenfleet/children", OURS)
    status = entry("controller", {"f:status": {}}, subresource="status")
    less = {**OURS, "f:spec": {k: v for k, v in OURS["f:spec"].items() if k != "f:replicas"}}

    assert claim(ours) == claim(ours, status, version="2")
    assert claim(ours) != claim(entry("tokenfleet/children", less))


def test_without_managed_fields_every_version_is_another() -> None:
    assert claim(version="1") != claim(version="2")


def test_rivals_are_those_who_took_what_we_want() -> None:
    taken = {"f:spec": {"f:replicas": {}, "f:paused": {}}}
    image = {
        "f:spec": {
            "f:template": {"f:spec": {"f:containers": {'k:{"name":"vllm"}': {"f:image": {}}}}}
        }
    }
    nothing = {"f:metadata": {"f:annotations": {"f:note": {}}}}

    found = rivals(
        body(
            entry("tokenfleet/children", {"f:metadata": OURS["f:metadata"]}),
            entry("argocd-controller", taken),
            entry("kubectl", image),
            entry("reader", nothing),
            entry("hpa", taken, subresource="status"),
        ),
        WANTED,
    )

    assert found.keys() == {"argocd-controller", "kubectl"}
    assert found["argocd-controller"] == ("spec.replicas",)
    assert found["kubectl"][0].startswith("spec.template.spec.containers.")
