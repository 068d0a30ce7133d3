"""A fleet is applied, serves, scales, changes and loses replicas, and no request fails."""

from typing import Any

from e2e.kit import prometheus
from e2e.kit.kubectl import Namespace
from e2e.kit.waiting import NotYet, wait_for
from e2e.load.client import way
from e2e.load.records import Record
from e2e.stories import fleet as written
from e2e.stories import provider
from e2e.stories.fleet import FALLBACK, PRIMARY, ROUTE, ROUTER, RULE, Fleet, all_answered, finished


def test_what_is_applied_becomes_ready_and_answers(fleet: Fleet) -> None:
    answer = fleet.chat()

    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"]
    assert way(answer.headers["x-tokenfleet-served-by"]) == (RULE, PRIMARY)
    assert [m["id"] for m in fleet.ask("/v1/models").json()["data"]] == [ROUTE]


def test_an_unknown_model_is_an_openai_error(fleet: Fleet) -> None:
    answer = fleet.chat("nobody")

    assert answer.status_code == 404
    assert "model does not exist" in answer.json()["error"]["message"]


def test_kubectl_get_answers_is_it_working_and_where_does_traffic_go(fleet: Fleet) -> None:
    def answered() -> bool | NotYet:
        shown = fleet.namespace.run("get", "tokenfleet")
        missing = [one for one in (PRIMARY, FALLBACK, ROUTER, "2/2", RULE) if one not in shown]
        return not missing or NotYet(f"no {', '.join(missing)} in {shown}")

    wait_for("the whole fleet to be shown", answered, timeout=180, namespace=fleet.namespace)


def test_a_pool_scales_by_kubectl_scale_and_no_request_fails(fleet: Fleet) -> None:
    load = fleet.start_load()
    for wanted in (3, 2):
        fleet.namespace.run("scale", f"servingpool/{PRIMARY}", f"--replicas={wanted}")

        def scaled(wanted: int = wanted) -> bool | NotYet:
            status = fleet.namespace.must_get("servingpool", PRIMARY)["status"]
            ready = status.get("readyReplicas")
            return ready == wanted == len(fleet.pods(PRIMARY)) or NotYet(f"{ready} ready")

        wait_for(f"{wanted} replicas", scaled, timeout=180, namespace=fleet.namespace)

    finished(load, at_least=50)


def wait_replaced(fleet: Fleet, before: set[str]) -> None:
    """Wait until both replicas of the primary are new ones, and ready."""

    def replaced() -> bool | NotYet:
        pods = fleet.pods(PRIMARY)
        old = [pod for pod in pods if pod["metadata"]["uid"] in before]
        ready = fleet.namespace.must_get("servingpool", PRIMARY)["status"].get("readyReplicas")
        done = not old and len(pods) == 2 and ready == 2
        return done or NotYet(f"{len(old)} old, {ready} ready")

    wait_for("both replicas to be replaced", replaced, timeout=240, namespace=fleet.namespace)


def test_a_rolling_update_drops_no_stream(fleet: Fleet) -> None:
    before = {pod["metadata"]["uid"] for pod in fleet.pods(PRIMARY)}
    load = fleet.start_load(rate=5, max_tokens=120)

    fleet.apply(written.pool(PRIMARY, replicas=2, managed={"pod": {"labels": {"round": "two"}}}))

    wait_replaced(fleet, before)
    records = finished(load, at_least=30)
    assert max(record.duration for record in records) > 1, "no stream was long enough to be cut"


def test_a_killed_primary_costs_no_request_that_can_be_tried_again(fleet: Fleet) -> None:
    before = {pod["metadata"]["uid"] for pod in fleet.pods(PRIMARY)}
    load = fleet.start_load(stream=False)

    def wait_served(pool: str, since: int) -> None:
        def served() -> bool | NotYet:
            pools = [record.pool for record in load.live[since:]]
            return pool in pools or NotYet(f"{len(pools)} requests, none by {pool}")

        wait_for(f"{pool} to answer", served, timeout=120, namespace=fleet.namespace)

    wait_served(PRIMARY, since=0)
    killed = len(load.live)
    fleet.namespace.run(
        "delete", "pods", "--selector", f"tokenfleet.dev/pool={PRIMARY}",
        "--force", "--grace-period=0",
    )  # fmt: skip
    wait_served(FALLBACK, since=killed)
    wait_replaced(fleet, before)
    wait_served(PRIMARY, since=len(load.live))

    finished(load, at_least=20)


def test_errors_that_are_retried_away_are_seen_at_attempt_level(
    fleet: Fleet, monitoring: Namespace
) -> None:
    fleet.behave(PRIMARY, error_rate=0.5)
    load = fleet.start_load(duration=15)
    records = load.wait()
    fleet.behave(PRIMARY)

    all_answered(records, at_least=50)
    labels = f'namespace="{fleet.namespace.name}",pool="{PRIMARY}",outcome="server_error"'

    def counted() -> bool | NotYet:
        found = prometheus.number(monitoring, f"sum(tokenfleet_attempts_total{{{labels}}})")
        return (found or 0) >= len(records) / 10 or NotYet(f"{found} errors")

    wait_for("the errors to be counted", counted, timeout=120)


def test_a_hundred_share_changes_under_load_fail_nothing(fleet: Fleet) -> None:
    load = fleet.start_load(rate=20)
    for number in range(100):
        share = 200 + 37 * number % 600
        fleet.pin(share)
        fleet.wait_share(f"share {share}", lambda seen, share=share: seen == share)
    fleet.programmed()
    finished(load, at_least=200)
    fleet.unpin()


def test_a_change_of_share_moves_no_conversation_but_the_difference(fleet: Fleet) -> None:
    def placement(share: int) -> dict[str, str]:
        fleet.pin(share)
        fleet.wait_share(f"a share of {share}", lambda seen: seen == share)
        fleet.programmed()
        records: list[Record] = fleet.start_load(duration=12, rate=40).wait()
        all_answered(records, at_least=200)
        return {record.conversation: record.pool for record in records}

    few, many, again = placement(300), placement(600), placement(300)
    fleet.unpin()

    moved = {name for name in few.keys() & many.keys() if few[name] != many[name]}
    assert all(few[name] == FALLBACK for name in moved), "a conversation moved the wrong way"
    assert 0.2 < len(moved) / len(few.keys() & many.keys()) < 0.4
    assert all(few[name] == again[name] for name in few.keys() & again.keys())


def test_a_deleted_configuration_is_read_back_by_the_operator_alone(fleet: Fleet) -> None:
    """The agents show it to nobody else, and the shares stay what they were."""
    fleet.pin(400)
    fleet.wait_share("a share of 400", lambda seen: seen == 400)
    fleet.programmed()
    pod = fleet.namespace.list("pods", f"tokenfleet.dev/router={ROUTER}")[0]["metadata"]["name"]
    path = f"/api/v1/namespaces/{fleet.namespace.name}/pods/{pod}:9091/proxy"
    shown = {
        what: fleet.proxy.send(f"{path}/{what}").status_code for what in ("readyz", "configuration")
    }
    fleet.namespace.delete("configmap", f"{ROUTER}-config")

    def told() -> str | NotYet:
        events = fleet.namespace.list("events")
        notes = [one["message"] for one in events if one["reason"] == "ConfigLost"]
        return notes[-1] if notes else NotYet("no Event")

    note = wait_for("the Event", told, timeout=180, namespace=fleet.namespace)
    share = fleet.shares()[PRIMARY]
    fleet.unpin()

    assert shown == {"readyz": 200, "configuration": 401}
    assert "read back from a replica" in note
    assert share == 400


def test_a_provider_is_asked_once_its_key_may_be_read_and_again_with_a_new_key(
    fleet: Fleet,
) -> None:
    """The key's owner gives the right; neither that nor a rotation restarts a router."""
    space, rules = fleet.namespace, [{"name": "all", "backendRefs": [{"name": provider.NAME}]}]
    routers = f"tokenfleet.dev/router={ROUTER}"
    before = {pod["metadata"]["uid"] for pod in space.list("pods", routers)}
    space.apply(
        *provider.documents(space),
        provider.key("sk-one"),
        written.route("outside", modelNames=["outside"], rules=rules),
    )
    unready = {"status": "False", "reason": "CredentialForbidden"}
    fleet.wait("servingpool", provider.NAME, "Ready", timeout=180, **unready)

    def refused() -> bool | NotYet:
        answer = fleet.chat("outside")  # 404 from a replica that has not heard of the route yet
        return answer.status_code == 503 or NotYet(f"{answer.status_code} {answer.text}")

    wait_for("an answer without the key", refused, timeout=120, namespace=space)

    provider.let_read(space)

    fleet.wait("servingpool", provider.NAME, "Ready", timeout=180)
    wait_answer(fleet, "one")
    space.apply(provider.key("sk-two"))
    wait_answer(fleet, "two")

    pods = space.list("pods", routers)
    assert {pod["metadata"]["uid"] for pod in pods} == before
    assert not [pod for pod in pods for one in _statuses(pod) if one["restartCount"]]
    space.run("delete", "modelroute/outside", f"servingpool/{provider.NAME}")


def _statuses(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what is known of a pod's containers."""
    parts = ("initContainerStatuses", "containerStatuses")
    return [one for part in parts for one in pod["status"].get(part, ())]


def wait_answer(fleet: Fleet, words: str) -> None:
    """Wait until the provider says so: it says which key it was asked with."""

    def answered() -> bool | NotYet:
        answer = fleet.chat("outside")
        if answer.status_code != 200:
            return NotYet(answer.text)
        said = answer.json()["choices"][0]["message"]["content"]
        return said == words or NotYet(said)

    wait_for(f"an answer {words}", answered, timeout=120, namespace=fleet.namespace)
