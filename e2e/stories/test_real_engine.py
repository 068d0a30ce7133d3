"""On real vLLM: target and draft, replaced without a cut stream; an adapter on a model over two nodes."""

from collections.abc import Iterator

import pytest

from e2e.demo.story import MANIFESTS
from e2e.kit import models, prometheus
from e2e.kit.kubectl import Cluster, Namespace
from e2e.kit.namespaces import fresh
from e2e.kit.proxy import ApiProxy
from e2e.kit.waiting import NotYet, wait_for
from e2e.kit.yamls import load, merged
from e2e.stories import fleet as written
from e2e.stories import groups
from e2e.stories.fleet import ROUTE, RULE, Fleet, all_answered, finished

POOL, PAIR = "chat-large", "chat-small"
ADAPTER = "chat-tuned"
WHOLE = {"ignore_eos": True}
TEMPLATES = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "templates"},
    # Whatever is asked, the prompt is these words: an answer's usage shows which template was read.
    "data": {"short.jinja": "{{ 'one two three' }}"},
}
KEYS = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "keys"},
    "stringData": {"engine": "not-for-the-command-line"},
}


def of_the_demo(name: str) -> dict:
    """Return one of the demo's pools."""
    (found,) = [d for d in load(MANIFESTS / "10-pools.yaml") if d["metadata"]["name"] == name]
    return found


def pair() -> dict:
    """Return the demo's small pool, over two nodes and with an adapter."""
    claim = {"claimName": models.CLAIM, "path": "adapter"}
    source = {"type": "PersistentVolumeClaim", "persistentVolumeClaim": claim}
    adapters = [{"name": ADAPTER, "source": source}]
    managed = {"parallelism": {"tensor": 2, "nodes": 2}}
    change = {"served": {"adapters": adapters}, "managed": managed}
    return merged(of_the_demo(PAIR), {"spec": change})


def to(name: str, *, rule: str = "all", **how: str) -> dict:
    """Return the rule that sends everything to one pool."""
    return {"name": rule, "backendRefs": [{"name": name, **how}]}


def pool(**change: object) -> dict:
    """Return the demo's large pool, replaced one by one without a gap."""
    found = of_the_demo(POOL)
    own = found["spec"]["managed"]["engine"]["extraArgs"]
    public = {
        "engine": {
            "extraArgs": [*own, "--chat-template=/templates/short.jinja"],
            "env": [
                {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "A_KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "engine"}}},
            ],
            "files": [{"name": "templates", "mountPath": "/templates", "configMap": "templates"}],
        },
        # The claim of the weights once more, and only a part of it.
        "model": {
            "cache": {"persistentVolumeClaim": {"claimName": models.CLAIM}, "subPath": "kept"}
        },
        "sharedMemory": "256Mi",
    }
    gapless = {"rollout": {"maxSurge": 1, "maxUnavailable": 0}, **change}
    return merged(merged(found, {"spec": {"managed": public}}), {"spec": {"managed": gapless}})


@pytest.fixture(scope="module")
def engine(cluster: Cluster, operator: Namespace, proxy: ApiProxy) -> Iterator[Fleet]:
    """Return a fleet whose pools are real; the one over two nodes has still to start."""
    assert operator
    with groups.defined(cluster), fresh(cluster, "real-engine") as namespace:
        models.make(namespace)
        made = Fleet(namespace=namespace, proxy=proxy)
        namespace.apply(TEMPLATES, KEYS)
        made.apply(
            pool(),
            written.router(),
            written.route(rules=[to(POOL, rule=RULE)]),
        )
        made.wait_ready(timeout=420)
        made.apply(
            pair(),
            written.route("plain", modelNames=["plain"], rules=[to(PAIR)]),
            written.route("tuned", modelNames=["tuned"], rules=[to(PAIR, adapter=ADAPTER)]),
        )
        yield made
        namespace.delete("servingpool", PAIR)


@pytest.mark.vllm
def test_a_speculating_pool_serves_and_some_drafts_are_accepted(
    engine: Fleet, monitoring: Namespace
) -> None:
    answer = engine.chat(max_tokens=24)
    streamed = engine.start_load(duration=20, rate=1, max_tokens=24, body=WHOLE).wait()

    assert answer.status_code == 200, answer.text
    assert answer.json()["model"] == ROUTE or answer.json()["choices"]
    all_answered(streamed, at_least=10)
    assert {record.tokens for record in streamed} == {24}

    def counted(name: str) -> float | NotYet:
        labels = f'namespace="{engine.namespace.name}",pool="{POOL}"'
        found = prometheus.number(monitoring, f"sum(vllm:spec_decode_{name}_total{{{labels}}})")
        return found or NotYet("no series")

    drafted = wait_for("drafted tokens", lambda: counted("num_draft_tokens"), timeout=120)
    accepted = wait_for("accepted tokens", lambda: counted("num_accepted_tokens"), timeout=120)
    assert 0 < accepted / drafted < 1


@pytest.mark.vllm
def test_the_engine_has_its_files_its_variables_and_a_part_of_the_claim(engine: Fleet) -> None:
    asked = "a much longer question than the three words of the template that was mounted"
    short, long = (
        engine.chat(messages=[{"role": "user", "content": text}]).json()["usage"]["prompt_tokens"]
        for text in ("hello", asked)
    )
    (name,) = [pod["metadata"]["name"] for pod in engine.pods(POOL)]

    def ran(command: str) -> str:
        return engine.namespace.run("exec", name, "--", "sh", "-c", command).strip()

    assert short == long
    assert ran('echo "$POD_NAME $A_KEY"') == f"{name} not-for-the-command-line"
    assert ran("touch /cache/written && ls -A /cache").splitlines()
    assert "kept" in ran("ls /weights/models")
    assert "Read-only" in ran("touch /weights/models/x 2>&1 || true")
    assert ran("df -k /dev/shm | tail -1").split()[1] == str(256 * 1024)


@pytest.mark.vllm
def test_replacing_a_real_engine_cuts_no_stream(engine: Fleet) -> None:
    before = {pod["metadata"]["uid"] for pod in engine.pods(POOL)}
    load_run = engine.start_load(rate=0.5, max_tokens=100, body=WHOLE)
    engine.apply(pool(pod={"labels": {"round": "two"}}))

    def replaced() -> bool | NotYet:
        found = engine.namespace.list("pods", f"tokenfleet.dev/pool={POOL}")
        old = [pod for pod in found if pod["metadata"]["uid"] in before]
        return (not old and len(found) == 1) or NotYet(f"{len(old)} old of {len(found)}")

    wait_for("the engine to be replaced", replaced, timeout=420, namespace=engine.namespace)
    records = finished(load_run, at_least=20)
    assert {record.tokens for record in records} == {100}


@pytest.fixture
def over_two_nodes(engine: Fleet) -> None:
    """Start the two pods of the pair."""
    space, group = engine.namespace, f"{PAIR}-nodes"

    def made() -> bool | NotYet:
        return space.get("leaderworkerset", group) is not None or NotYet("no object")

    wait_for("the LeaderWorkerSet", made, timeout=180, namespace=space)
    groups.start(space, group)

    def ready() -> bool | NotYet:
        return groups.ready(space, group) or NotYet("a part is missing")

    wait_for("both parts to be ready", ready, timeout=420, every=2, namespace=space)


@pytest.mark.vllm
@pytest.mark.usefixtures("over_two_nodes")
def test_a_model_over_two_nodes_answers_and_its_adapter_otherwise(engine: Fleet) -> None:
    def answer(route: str) -> dict | NotYet:
        found = engine.chat(route, max_tokens=16, temperature=0, **WHOLE)
        return found.json() if found.status_code == 200 else NotYet(found.text)

    def answered(route: str) -> dict:
        what = f"an answer of {route}"
        return wait_for(what, lambda: answer(route), timeout=120, namespace=engine.namespace)

    plain, tuned = answered("plain"), answered("tuned")
    parts = {pod["metadata"]["name"] for pod in engine.pods(PAIR)}
    log = engine.namespace.run("logs", f"{PAIR}-nodes-0-1")

    assert (plain["model"], tuned["model"]) == (PAIR, ADAPTER)
    said = [one["choices"][0]["message"]["content"] for one in (plain, tuned)]
    assert said[0] != said[1]
    assert parts == {f"{PAIR}-nodes-0", f"{PAIR}-nodes-0-1"}
    assert "headless" in log
