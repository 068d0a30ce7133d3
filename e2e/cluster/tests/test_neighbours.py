"""Two checkouts with one number: the second is told of the first, and nothing dead is in the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.cluster import lifecycle, namespaces, neighbours, paths
from e2e.cluster.errors import ClusterError
from e2e.cluster.neighbours import Neighbour, found, refusal

Run = Callable[..., Path]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a function that lets a process run in a made-up /proc, and returns that."""
    proc = tmp_path / "proc"

    def begin(pid: int, checkout: str, *, ids: str = "", **environment: str) -> Path:
        process = proc / str(pid)
        process.mkdir(parents=True)
        pairs = [f"{name}={value}" for name, value in environment.items()]
        (process / "environ").write_bytes("\0".join(["HOME=/root", *pairs, ""]).encode())
        seen = ids or f"{pid}\t1"
        (process / "status").write_text(f"Name:\tpython\nNSpid:\t{seen}\n")
        (process / "cwd").symlink_to(checkout)
        return proc

    return begin


def ours(state: str = str(paths.STATE), number: int = paths.INSTANCE) -> dict[str, str]:
    return {paths.SUPERVISOR_MARK: state, "TOKENFLEET_CLUSTER_INSTANCE": str(number)}


def test_a_node_that_another_checkout_runs_with_our_number_is_found(run: Run) -> None:
    run(7, "/there", **ours())
    run(8, "/elsewhere", **ours("/elsewhere/.cluster/state"))
    run(9, "/there", ids="9", **ours())  # its launcher, outside of the namespaces
    proc = run(10, "/there", ids="10\t42", **ours())  # a program of the node

    assert set(found(proc)) == {
        Neighbour(str(paths.STATE), "/there"),
        Neighbour("/elsewhere/.cluster/state", "/elsewhere"),
    }


def test_our_own_node_other_numbers_and_other_programs_are_nobody(run: Run) -> None:
    run(7, str(paths.REPOSITORY), **ours())
    run(8, "/there", **ours(number=(paths.INSTANCE + 1) % 10))
    proc = run(9, "/there", HOME="/root")

    assert list(found(proc)) == []


def test_who_has_not_chosen_a_number_has_0(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "INSTANCE", 0)
    proc = run(7, "/there", **{paths.SUPERVISOR_MARK: "/there/.cluster/state"})

    assert [one.checkout for one in found(proc)] == ["/there"]


def test_the_refusal_names_the_checkout_the_number_and_both_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "INSTANCE", 3)

    said = refusal(Neighbour("/state", str(tmp_path)), {})

    assert f"the checkout {tmp_path} runs its cluster with the same number, 3" in said
    assert "'TOKENFLEET_CLUSTER_INSTANCE=3 make cluster-down'" in said
    assert "set TOKENFLEET_CLUSTER_INSTANCE to another number here" in said


@pytest.mark.parametrize("checkout", ["/no/such/checkout", "/tmp (deleted)", str(paths.REPOSITORY)])
def test_a_node_whose_checkout_is_gone_may_be_ended(checkout: str) -> None:
    """Also where another checkout has come to its place."""
    assert refusal(Neighbour("/state", checkout), {}) == ""


@pytest.mark.parametrize(
    ("ci", "may"), [("true", True), ("1", True), ("false", False), ("", False)]
)
def test_continuous_integration_may_end_what_an_earlier_run_has_left(
    tmp_path: Path, ci: str, *, may: bool
) -> None:
    assert (refusal(Neighbour("/state", str(tmp_path)), {"CI": ci}) == "") is may


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Replace what would touch this machine by a list of the marks whose processes were ended."""
    marks: list[str] = []
    monkeypatch.setattr(namespaces, "end", lambda mark="ours": marks.append(mark))
    for module, name in ((lifecycle.network, "unplug"), (lifecycle.cgroups, "remove")):
        monkeypatch.setattr(module, name, lambda: None)
    monkeypatch.setattr(paths, "LOCK", tmp_path / "lock")
    return marks


@pytest.mark.parametrize("command", [lifecycle.up, lifecycle.down])
def test_neither_up_nor_down_touches_another_checkouts_node(
    command: Callable[[], None],
    ended: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(neighbours, "found", lambda: [Neighbour("/state", str(tmp_path))])
    monkeypatch.delenv("CI", raising=False)

    with pytest.raises(ClusterError, match=str(tmp_path)):
        command()

    assert ended == []


def test_what_may_be_ended_is_ended_before_ours_begins(
    ended: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(neighbours, "found", lambda: [Neighbour("/theirs", "/gone (deleted)")])
    monkeypatch.setattr(paths, "CLUSTER", tmp_path / "cluster")
    monkeypatch.setattr(paths, "STATE", tmp_path / "cluster" / "state")

    lifecycle.down()

    assert ended[0] == f"{paths.SUPERVISOR_MARK}=/theirs"
    assert "ending the cluster that /gone (deleted) has left" in capsys.readouterr().err
