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
    operator.run("scale", "deployment", "--all", "--replicas=0")
    operator.run("wait", "--for=delete", "pods", "--all", "--timeout=90s", timeout=100)
    try:
        application.deploy(replicas=4)
        application.wait(replicas=4)
        wait_for(
            "requests of all pods",
            lambda: all(len(run.live) > 10 for run in application.runs.values()) or NotYet("few"),
            timeout=60,
        )
        records = application.records()
    finally:
        operator.run("scale", "deployment", "--all", "--replicas=2")
        operator.run("rollout", "status", "deployment", "--timeout=120s", timeout=130)

    assert len(application.runs) == 4
    all_answered(records, at_least=60)
