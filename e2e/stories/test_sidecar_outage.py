"""The operator is gone: routers beside applications go on, and new pods get theirs."""

from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.proxy import ApiProxy
from e2e.kit.waiting import NotYet, wait_for
from e2e.stories.fleet import all_answered
from e2e.stories.test_sidecar import application

__all__ = ["application"]


def test_without_an_operator_applications_scale_and_are_answered(
    application, operator: Namespace, cluster: Cluster, proxy: ApiProxy
) -> None:
    assert cluster
    assert proxy

    def gone() -> bool | NotYet:
        left = [pod["metadata"]["name"] for pod in operator.list("pods")]
        return not left or NotYet(f"left: {', '.join(left)}")

    try:
        operator.run("scale", "deployment", "--all", "--replicas=0")
        wait_for("the operator to be gone", gone, timeout=180, namespace=operator)
        application.deploy(replicas=4)
        application.wait(replicas=4)
        wait_for(
            "requests of all pods",
            lambda: all(len(run.live) > 10 for run in application.runs.values()) or NotYet("few"),
            timeout=180,
        )
        records = application.records()
    finally:
        operator.run("scale", "deployment", "--all", "--replicas=2")
        operator.run("rollout", "status", "deployment", "--timeout=240s", timeout=250)

    assert len(application.runs) == 4
    all_answered(records, at_least=60)
