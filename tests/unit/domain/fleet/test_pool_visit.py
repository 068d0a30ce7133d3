"""The plan of a pool: managed and existing."""

from typing import Any

from tests.unit.domain.fleet.builders import (
    T0,
    conditions,
    managed_pool,
    message,
    pool,
    service,
    slices,
)
from tokenfleet.domain.fleet.plan import Plan
from tokenfleet.domain.fleet.pool_visit import PoolSnapshot, plan_pool


def look(body: dict[str, Any], **fields: Any) -> PoolSnapshot:
    defaults = {"children": (), "service": None, "slices": (), "now": T0}
    return PoolSnapshot(body=body, **{**defaults, **fields})


def test_a_managed_pool_asks_for_its_workload() -> None:
    plan = plan_pool(look(managed_pool()))

    kinds = {body["kind"] for body in plan.applies}
    assert {"Deployment", "Service", "PodDisruptionBudget"} <= kinds
    assert conditions(plan.status)["Accepted"][0] == "True"
    assert conditions(plan.status)["Ready"][0] == "False"


def test_a_refused_spec_changes_nothing_that_runs() -> None:
    broken = managed_pool()
    broken["spec"]["managed"]["engine"]["extraArgs"] = ["--port=1"]
    deployment = {
        "kind": "Deployment",
        "metadata": {"name": "large", "namespace": "ns", "uid": "u"},
    }

    plan = plan_pool(look(broken, children=(deployment,)))

    assert plan.applies == ()
    assert plan.deletes == ()
    assert conditions(plan.status)["Accepted"][0] == "False"


def test_a_spec_that_cannot_be_read_is_told_and_changes_nothing() -> None:
    plan = plan_pool(look(pool(type="Unheard")))

    assert (plan.applies, plan.deletes) == ((), ())
    assert conditions(plan.status)["Accepted"] == ("False", "InvalidSpec")
    assert "spec.type" in message(plan.status, "Accepted")


def test_a_child_that_is_not_wanted_any_more_is_deleted() -> None:
    old = {"kind": "ConfigMap", "metadata": {"name": "large-old", "namespace": "ns", "uid": "u"}}

    plan = plan_pool(look(managed_pool(), children=(old,)))

    assert [deletion.key.name for deletion in plan.deletes] == ["large-old"]


def test_another_revision_gets_a_job_of_its_own_and_the_old_one_goes() -> None:
    def wanted(revision: str) -> dict[str, Any]:
        source = {"type": "HuggingFace", "huggingFace": {"repo": "a/b", "revision": revision}}
        cache = {"persistentVolumeClaim": {"claimName": "hub"}, "prefetch": "Job"}
        return managed_pool(model={"source": source, "cache": cache})

    def applied(plan: Plan, kind: str) -> dict[str, Any]:
        (found,) = [dict(body) for body in plan.applies if body["kind"] == kind]
        return found

    def stored(body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "metadata": {**body["metadata"], "uid": f"uid-{body['kind']}"}}

    first = stored(applied(plan_pool(look(wanted("v1"))), "Job"))
    first |= {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}
    running = stored(applied(plan_pool(look(wanted("v1"), children=(first,))), "Deployment"))

    plan = plan_pool(look(wanted("v2"), children=(first, running)))
    second = stored(applied(plan, "Job"))
    meanwhile = plan_pool(look(wanted("v2"), children=(second, running)))

    assert second["metadata"]["name"] != first["metadata"]["name"]
    assert [deletion.key.name for deletion in plan.deletes] == [first["metadata"]["name"]]
    assert (applied(meanwhile, "Job")["metadata"]["name"], meanwhile.deletes) == (
        second["metadata"]["name"],
        (),
    )


def test_an_existing_pool_counts_the_endpoints_of_its_service() -> None:
    plan = plan_pool(look(pool(), service=service("large", 8000), slices=slices("large", 3)))

    assert plan.applies == ()
    assert plan.status is not None
    assert (plan.status["replicas"], plan.status["readyReplicas"]) == (3, 3)
    assert conditions(plan.status)["Ready"][0] == "True"


def test_an_existing_pool_without_its_service_names_the_remedy() -> None:
    status = plan_pool(look(pool())).status

    assert conditions(status)["Accepted"] == ("False", "ServiceNotFound")
    assert "create it or correct existing.serviceRef.name" in message(status, "Ready")


def test_an_existing_pool_with_a_wrong_port_lists_the_right_ones() -> None:
    status = plan_pool(look(pool(), service=service("large", 80, 9000))).status

    assert conditions(status)["Accepted"] == ("False", "PortNotFound")
    assert "only 80, 9000" in message(status, "Accepted")


def test_each_pod_of_a_dual_stack_service_counts_once_in_its_first_family() -> None:
    """A pod that a family does not reach is no replica for the router either."""
    (v4,), (v6,) = slices("large", 2), slices("large", 2)
    addresses = [{"addresses": [f"fd00::{n}"]} for n in range(3)]
    v6 = {**v6, "addressType": "IPv6", "endpoints": addresses}
    both = service("large", ipFamilies=["IPv6", "IPv4"])

    status = plan_pool(look(pool(), service=both, slices=(v4, v6))).status

    assert status is not None
    assert status["readyReplicas"] == 3


def test_a_service_of_host_names_is_refused_with_the_remedy() -> None:
    named = tuple({**body, "addressType": "FQDN"} for body in slices("large", 2))

    status = plan_pool(look(pool(), service=service("large", 8000), slices=named)).status

    assert conditions(status)["Accepted"] == ("False", "ServiceWithoutEndpoints")
    assert conditions(status)["Ready"][0] == "False"
    assert "FQDN" in message(status, "Accepted")


def test_a_pod_without_the_port_that_routers_use_is_no_replica() -> None:
    """Slices are cut by ports: pods that lack a named port are in a slice of their own."""
    (with_port,), (without,) = slices("large", 2, port="api"), slices("large", 3, port="metrics")
    named = service("large", ("api", 8000), ("metrics", 9100))

    status = plan_pool(look(pool(), service=named, slices=(with_port, without))).status

    assert status is not None
    assert status["readyReplicas"] == 2


def test_a_status_says_what_speculation_is_worth() -> None:
    """And says nothing where nothing is known."""
    known, unknown = (plan_pool(look(managed_pool(), acceptance=part)) for part in (0.62, None))

    assert known.status["speculation"] == {"acceptance": "0.60"}
    assert "speculation" not in unknown.status
