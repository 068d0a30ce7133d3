"""Weights that are fetched ahead: when replicas wait, for what, and what is told."""

import json
from typing import Any

import pytest

from tests.unit.domain.pools.builders import MODEL, gpu_pool
from tokenfleet.api.conditions import AVAILABLE, PROGRESSING, READY, WEIGHTS_FETCHED
from tokenfleet.api.conventions import WEIGHTS_LABEL
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.fleet.platform import PLAIN, Platform
from tokenfleet.domain.pools.prefetch import NOT_ASKED, Weights, weights
from tokenfleet.domain.pools.prefetch_progress import JOB_LABEL, fetching
from tokenfleet.domain.pools.status import PoolStatus, status
from tokenfleet.domain.pools.workloads import workload

CACHE = {"persistentVolumeClaim": {"claimName": "hub"}, "prefetch": "Job"}
COMPLETE = {"type": "Complete", "status": "True"}
LEADERS = Platform(leader_worker_sets=True)
NODES = {"parallelism": {"tensor": 2, "nodes": 2}}


def model(revision: str) -> dict[str, Any]:
    source = {"type": "HuggingFace", "huggingFace": {"repo": "org/model", "revision": revision}}
    return {"source": source, "cache": CACHE}


def pool(revision: str = "v1", **managed: Any) -> ServingPool:
    return gpu_pool(model=model(revision), **managed)


def child(body: dict[str, Any], *conditions: dict[str, Any]) -> dict[str, Any]:
    """Return an object as it is stored."""
    return {**body, "status": {"conditions": list(conditions)}}


def made(of: ServingPool, kind: str, *children: dict[str, Any], on: Platform = PLAIN) -> Any:
    """Return the wanted object of a kind, or None."""
    found = workload(of, on, children).objects
    return next((body for body in found if body["kind"] == kind), None)


def done(of: ServingPool) -> dict[str, Any]:
    return child(made(of, "Job"), COMPLETE)


def let_go(of: ServingPool) -> dict[str, Any]:
    """Return the Deployment of a pool whose weights have been fetched."""
    return child(made(of, "Deployment", done(of)))


def test_a_pool_that_asks_for_nothing_ahead_is_as_it_was() -> None:
    plain = gpu_pool(model={**MODEL, "cache": {"persistentVolumeClaim": {"claimName": "hub"}}})

    found = workload(plain)

    assert found.weights == NOT_ASKED
    assert {body["kind"] for body in found.objects} == {
        "Service", "PodDisruptionBudget", "Deployment",
    }  # fmt: skip
    assert "paused" not in made(plain, "Deployment")["spec"]


def test_asking_for_it_leaves_the_pod_template_alone() -> None:
    plain = gpu_pool(
        model={**model("v1"), "cache": {"persistentVolumeClaim": {"claimName": "hub"}}}
    )

    assert (
        made(pool(), "Deployment")["spec"]["template"]
        == made(plain, "Deployment")["spec"]["template"]
    )


def test_no_replica_starts_before_the_weights_are_there() -> None:
    before = made(pool(), "Deployment")
    after = made(pool(), "Deployment", done(pool()))

    assert before["spec"]["paused"] is True
    assert "paused" not in after["spec"]
    assert after["metadata"]["labels"][WEIGHTS_LABEL] == weights(pool(), PLAIN).wanted


def test_another_revision_is_fetched_beside_the_replicas_which_still_scale() -> None:
    running = let_go(pool("v1"))
    wanted = pool("v2").model_copy(
        update={"spec": pool("v2").spec.model_copy(update={"replicas": 5})}
    )

    held = made(wanted, "Deployment", running, done(pool("v1")))

    assert held["spec"]["paused"] is True
    assert held["spec"]["replicas"] == 5
    assert held["metadata"]["labels"][WEIGHTS_LABEL] == running["metadata"]["labels"][WEIGHTS_LABEL]
    assert made(wanted, "Job", running) is not None


def test_back_to_the_weights_that_run_waits_for_nothing() -> None:
    running = let_go(pool("v1"))

    again = made(pool("v1"), "Deployment", running)

    assert "paused" not in again["spec"]
    assert made(pool("v1"), "Job", running) is None


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"engine": {"image": "engine:2"}}, id="another image"),
        pytest.param({"sharedMemory": "8Gi"}, id="another size"),
    ],
)
def test_other_changes_wait_for_no_job(change: dict[str, Any]) -> None:
    running = let_go(pool())

    found = workload(pool(**change), PLAIN, (running, done(pool())))

    assert "paused" not in made(pool(**change), "Deployment", running)["spec"]
    assert ("Job", done(pool())["metadata"]["name"]) in found.kept


def test_a_job_that_has_not_ended_is_replaced_when_its_pods_would_be_others() -> None:
    """A Job's template never changes: a corrected Secret must not be refused for ever."""
    first, second = (
        made(pool(engine={"image": image}), "Job")["metadata"]["name"] for image in "ab"
    )

    assert first != second
    assert weights(pool(engine={"image": "a"}), PLAIN) != weights(
        pool(engine={"image": "b"}), PLAIN
    )


def test_replicas_over_several_nodes_wait_as_a_whole() -> None:
    wide = pool(**NODES)
    finished = child(made(wide, "Job", on=LEADERS), COMPLETE)
    running = child(made(wide, "LeaderWorkerSet", finished, on=LEADERS))
    other = pool("v2", **NODES)

    assert made(wide, "LeaderWorkerSet", on=LEADERS) is None
    assert made(other, "LeaderWorkerSet", running, on=LEADERS) is None
    assert ("LeaderWorkerSet", "large-nodes") in workload(other, LEADERS, (running,)).kept
    fetched = child(made(other, "Job", running, on=LEADERS), COMPLETE)
    assert made(other, "LeaderWorkerSet", running, fetched, on=LEADERS) is not None


def test_pods_that_fetch_look_like_no_replica() -> None:
    deployment, job = made(pool(), "Deployment"), made(pool(), "Job")
    service = made(pool(), "Service")

    labels = job["spec"]["template"]["metadata"]["labels"]
    for selector in (deployment["spec"]["selector"]["matchLabels"], service["spec"]["selector"]):
        assert not selector.items() <= labels.items()
    assert not any(
        "nvidia.com/gpu" in json.dumps(one.get("resources"))
        for one in job["spec"]["template"]["spec"]["initContainers"]
    )


def test_replicas_that_are_kept_from_the_hub_are_fetched_for_all_the_same() -> None:
    """huggingface_hub obeys either variable."""
    offline = [{"name": name, "value": "1"} for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")]
    kept = pool(engine={"image": "engine:1", "env": offline})

    template = made(kept, "Deployment", done(kept))["spec"]["template"]["spec"]
    fetching_pod = made(kept, "Job")["spec"]["template"]["spec"]

    assert [one for one in template["containers"][0]["env"] if one in offline] == offline
    for container in (*fetching_pod["initContainers"], *fetching_pod["containers"]):
        assert not {one["name"] for one in container["env"]} & {one["name"] for one in offline}


def test_a_job_pulls_its_image_as_replicas_do() -> None:
    wanted = pool(engine={"image": "e:nightly", "imagePullPolicy": "Always"})
    spec = made(wanted, "Job")["spec"]["template"]["spec"]

    for container in (*spec["initContainers"], *spec["containers"]):
        assert (container["image"], container["imagePullPolicy"]) == ("e:nightly", "Always")


def test_names_of_jobs_fit_into_a_label() -> None:
    long = ServingPool.model_validate(
        {**pool().model_dump(by_alias=True), "metadata": {"name": "p" * 63, "namespace": "fleet"}}
    )

    assert len(made(long, "Job")["metadata"]["name"]) <= 63


def ended(number: int, told: Any) -> dict[str, Any]:
    text = told if isinstance(told, str) else json.dumps(told)
    return {
        "name": f"prefetch-{number}",
        "ready": True,
        "state": {"terminated": {"exitCode": 0, "message": text}},
    }


def pod(*containers: dict[str, Any], job: str = "") -> dict[str, Any]:
    labels = {JOB_LABEL: job or weights(pool(), PLAIN).job}
    return {
        "metadata": {"name": "large-prefetch-x", "labels": labels},
        "status": {"initContainerStatuses": list(containers)},
    }


def told(*pods: dict[str, Any], children: tuple[dict[str, Any], ...] = ()) -> PoolStatus:
    found = weights(pool(), PLAIN, children)
    seen = fetching("large", found, children, pods)
    return status(pool(), children[0] if children else None, (), (), seen)


def words(found: PoolStatus, type_: str) -> tuple[str, str, str]:
    one = next(item for item in found.conditions if item.type == type_)
    return one.status, one.reason, one.message


GIGABYTE = 10**9
HALF = {"files": 4, "totalFiles": 9, "bytes": 7 * GIGABYTE, "totalBytes": 16 * GIGABYTE}


def test_the_status_says_how_much_is_there() -> None:
    start = {"files": 0, "totalFiles": 9, "bytes": 0, "totalBytes": 16 * GIGABYTE}

    found = told(pod(ended(0, start), ended(1, HALF)))

    assert found.prefetch == HALF
    for type_ in (WEIGHTS_FETCHED, AVAILABLE, READY):
        assert words(found, type_)[:2] == ("False", "FetchingWeights")
        assert "7.0 of 16.0 GB" in words(found, type_)[2]
    assert words(found, PROGRESSING)[:2] == ("True", "FetchingWeights")


def test_files_are_counted_where_sizes_are_unknown() -> None:
    found = told(pod(ended(1, {"files": 4, "totalFiles": 9})))

    assert found.prefetch == {"files": 4, "totalFiles": 9}
    assert "4 of 9 files" in words(found, WEIGHTS_FETCHED)[2]


@pytest.mark.parametrize(
    "message",
    [
        "",
        "no JSON",
        "[]",
        "[" * 4096,
        '{"files": -1, "totalFiles": 2}',
        '{"files": true, "totalFiles": 2}',
    ],
)
def test_what_an_image_writes_otherwise_is_no_progress(message: str) -> None:
    assert told(pod(ended(0, message))).prefetch == {}


def test_a_download_that_fails_says_why_in_the_pod_s_last_words() -> None:
    failing = {
        "name": "prefetch-0",
        "ready": False,
        "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {
            "terminated": {"exitCode": 1, "reason": "Error", "message": "x\nGatedRepoError: 401"}
        },
    }

    found = told(pod(failing))

    for type_ in (WEIGHTS_FETCHED, AVAILABLE, PROGRESSING, READY):
        assert words(found, type_)[:2] == ("False", "CrashLoop")
        assert '"GatedRepoError: 401", 3 restarts' in words(found, type_)[2]


def test_a_job_that_somebody_made_give_up_is_told_with_the_remedy() -> None:
    failed = child(made(pool(), "Job"), {"type": "Failed", "status": "True", "message": "deadline"})

    found = told(children=(failed,))

    assert words(found, WEIGHTS_FETCHED)[1] == "PrefetchFailed"
    assert words(found, WEIGHTS_FETCHED)[2].endswith("deadline; delete the Job to try again")


def test_what_another_job_tells_is_of_no_interest() -> None:
    assert told(pod(ended(1, HALF), job="another")).prefetch == {}


def test_a_pool_that_serves_stays_ready_while_another_revision_is_fetched() -> None:
    seen = fetching("large", Weights(wanted="k", fetched=False, job="j"), (), ())
    serving = {"metadata": {}, "status": {"replicas": 1, "readyReplicas": 1}}

    found = status(pool(), serving, (), (), seen)

    assert words(found, READY)[:2] == ("True", "Ready")
    assert words(found, PROGRESSING)[:2] == ("True", "FetchingWeights")


def test_when_all_is_there_the_condition_says_so() -> None:
    found = told(children=(let_go(pool()),))

    assert words(found, WEIGHTS_FETCHED)[:2] == ("True", "Fetched")
