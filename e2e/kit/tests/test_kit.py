"""The kit's own promises: clear errors, waits that tell, manifests that restricted namespaces take."""

import sys

import pytest

from e2e.kit import manifests_folder, waiting
from e2e.kit.kubectl import CommandError, call
from e2e.kit.waiting import NotYet, WaitError, condition, wait_for
from e2e.kit.yamls import dump, load, merged
from e2e.load.pod import manifests
from e2e.load.profile import Feature, Profile


def test_a_failed_command_is_shown_with_its_status_and_words() -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no such pool')"]

    with pytest.raises(CommandError, match=r"(?s)ended with 1:.*no such pool"):
        call(command)


def test_a_command_that_does_not_end_is_an_error() -> None:
    with pytest.raises(CommandError, match="did not end in time"):
        call([sys.executable, "-c", "import time; time.sleep(9)"], timeout=0.2)


def test_an_accepted_status_is_no_error() -> None:
    assert call([sys.executable, "-c", "exit(1)"], accept=(0, 1)).returncode == 1


def test_a_wait_returns_what_the_probe_found() -> None:
    answers = iter([None, NotYet("1 of 2"), "both"])

    assert wait_for("both", lambda: next(answers), timeout=5, every=0) == "both"


def test_a_wait_that_fails_says_what_it_saw_last() -> None:
    with pytest.raises(WaitError, match="two replicas did not come .* last seen: 1 of 2"):
        wait_for("two replicas", lambda: NotYet("1 of 2"), timeout=0.05, every=0.01)


def test_a_wait_that_repeats_itself_tells_only_what_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "QUIET_SECONDS", 0.0)
    seen = iter([NotYet("1 of 2"), NotYet("1 of 2"), NotYet("2 of 2"), "ready"])
    said: list[str] = []

    wait_for("replicas", lambda: next(seen), timeout=5, every=0, say=said.append)

    assert [text.partition(" s")[2] for text in said[1:]] == ["", ": 2 of 2"]
    assert said[0].startswith("  waiting for replicas, at most 5 s: ")
    assert said[0].endswith(" s: 1 of 2")


def test_an_unreachable_server_is_waited_out() -> None:
    def probe() -> str:
        if not tries:
            tries.append(1)
            raise CommandError(["kubectl"], 1, "connection refused")
        return "back"

    tries: list[int] = []

    assert wait_for("the server", probe, timeout=5, every=0) == "back"


def test_conditions_are_found() -> None:
    found = {"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "NoPods"}]}}

    assert condition(found, "Ready")["reason"] == "NoPods"
    assert condition(found, "Met") == {}
    assert condition(None, "Met") == {}


def test_a_merge_patch_keeps_the_rest_and_removes_what_is_none() -> None:
    before = {"spec": {"a": 1, "b": {"c": 2}, "l": [1]}}

    after = merged(before, {"spec": {"a": None, "b": {"d": 3}, "l": [2]}})

    assert after == {"spec": {"b": {"c": 2, "d": 3}, "l": [2]}}
    assert before == {"spec": {"a": 1, "b": {"c": 2}, "l": [1]}}


def pods() -> list[dict]:
    """Return the pod specs of the kit."""
    profile = Profile(url="u", model="m", features=(Feature(name="f", rate=1),), duration=10)
    documents = [*load(manifests_folder()), *manifests("load", profile)]
    found = [d["spec"] if d["kind"] == "Pod" else d.get("spec", {}).get("template", {}).get("spec")
             for d in documents]  # fmt: skip
    return [spec for spec in found if spec]


@pytest.mark.parametrize("spec", pods())
def test_every_pod_may_run_in_a_restricted_namespace(spec: dict) -> None:
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in spec["containers"]:
        locked = container["securityContext"]
        assert locked["allowPrivilegeEscalation"] is False
        assert locked["capabilities"] == {"drop": ["ALL"]}


def test_documents_are_written_as_one_stream() -> None:
    assert dump([{"a": 1}, {"b": 2}]) == "a: 1\n---\nb: 2\n"
