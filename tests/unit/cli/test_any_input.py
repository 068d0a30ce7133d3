"""No input makes a command end with a traceback: each is used, or refused in one sentence."""

import copy
import io
import itertools
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e.kit.ports import free_port
from tests.unit.cli.odd_servers import EMPTY_LIST, kubeconfig, serving
from tokenfleet.cli.complete import flags
from tokenfleet.cli.main import main

TESTS = Path(__file__).parents[2]
FLEET = list(yaml.safe_load_all((TESTS / "integration/prometheus/testdata/slo.yaml").read_text()))
ROUTER = {"apiVersion": "tokenfleet.dev/v1alpha1", "kind": "ModelRouter",
          "metadata": {"name": "default"}, "spec": {"type": "Managed"}}  # fmt: skip
SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "small"},
           "spec": {"ports": [{"name": "http", "port": 80}]}}  # fmt: skip
SLICE = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
         "metadata": {"name": "s", "labels": {"kubernetes.io/service-name": "large"}},
         "addressType": "IPv4", "ports": [{"name": "http", "port": 8000}],
         "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}]}  # fmt: skip
OBJECTS = [*FLEET, ROUTER, SERVICE, SLICE]

ODD: list[Any] = [None, "", "x", "30d", "95%", "1.5s", "x" * 300, 0, -1, 10**30, 0.5, math.inf,
                  math.nan, True, [], [None], [[]], ["a", "a"], {}, {"a": None}, {1: 2},
                  {"name": "x"}]  # fmt: skip
"""Values of every type that YAML has, at places where they do not belong."""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value within."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


PLACES = list(places(OBJECTS))


def changed(path: tuple[Any, ...], value: Any) -> str:
    """Return the objects as YAML, with one value replaced."""
    objects = copy.deepcopy(OBJECTS)
    holder: Any = objects
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return yaml.safe_dump_all(objects)


FILES = st.one_of(
    st.builds(changed, st.sampled_from(PLACES), st.sampled_from(ODD)).map(str.encode),
    st.text(max_size=80).map(lambda text: text.encode("utf-8", "replace")),
    st.binary(max_size=80),
    st.recursive(
        st.sampled_from(ODD[:-6]), lambda inner: st.lists(inner, max_size=3), max_leaves=6
    ).map(lambda value: yaml.safe_dump(value).encode()),
)


@pytest.fixture(scope="module")
def nobody() -> str:
    """Return the address of a Prometheus that is not there."""
    return f"http://127.0.0.1:{free_port()}"


def ended(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run a command; return its status and what it said on standard error."""
    try:
        status = main(arguments)
    except SystemExit as exit_:  # argparse refuses what is no flag of a command
        status = int(exit_.code or 0)
    said = capsys.readouterr().err
    assert status in {0, 1, 2}
    assert status != 2 or said.startswith(("tokenfleet ", "usage: ")), said
    return status, said


def commands(file: str, nobody: str) -> list[list[str]]:
    """Return every command that reads objects."""
    return [
        ["render", "-f", file],
        ["backtest", "-f", file, "--from", "10m", "--prometheus-url", nobody],
        ["simulate", "-f", file, "--for", "1m", "--seeds", "1"],
    ]


@settings(max_examples=60, deadline=None)
@given(content=FILES)
def test_any_file(content: bytes, nobody: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Seeds of one value wrong, of texts that are no YAML, and of bytes that are no text."""
    file = tmp_path_factory.mktemp("any") / "fleet.yaml"
    file.write_bytes(content)
    for arguments in commands(str(file), nobody):
        errors, sys.stderr = sys.stderr, io.StringIO()
        outputs, sys.stdout = sys.stdout, io.StringIO()
        try:
            status, said = main(arguments), sys.stderr.getvalue()
        finally:
            sys.stderr, sys.stdout = errors, outputs
        assert status in {0, 1, 2}
        assert status != 2 or said.startswith(f"tokenfleet {arguments[0]}: "), said


BAD = {
    "a folder without YAML": "folder",
    "a file that is not there": "nowhere.yaml",
    "bytes": "bytes.yaml",
    "nothing": "empty.yaml",
    "another format": "words.yaml",
    "bad YAML": "bad.yaml",
    "a date that is none": "date.yaml",
    "brackets without end": "deep.yaml",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of files that hold no objects."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "folder").mkdir()
    (folder / "bytes.yaml").write_bytes(bytes(range(256)))
    (folder / "empty.yaml").write_bytes(b"")
    (folder / "words.yaml").write_text("dear diary", encoding="utf-8")
    (folder / "bad.yaml").write_text("a: [1", encoding="utf-8")
    (folder / "date.yaml").write_text("a: 2026-99-99", encoding="utf-8")
    (folder / "deep.yaml").write_text("[" * 20_000, encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", BAD.values(), ids=BAD)
@pytest.mark.parametrize("number", range(3), ids=["render", "backtest", "simulate"])
def test_a_file_that_holds_no_objects_is_refused_in_one_sentence(
    number: int, name: str, files: Path, nobody: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = ended(capsys, *commands(str(files / name), nobody)[number])

    assert status == 2
    assert said.count("\n") == 1


def test_what_kubectl_prints_of_several_objects_is_read(
    tmp_path: Path, nobody: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "list.yaml"
    file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": OBJECTS}))

    statuses = [ended(capsys, *arguments)[0] for arguments in commands(str(file), nobody)]

    assert statuses == [0, 1, 0]  # only Prometheus is missing


def test_a_typo_is_named_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "typo.yaml"
    file.write_text(yaml.safe_dump({**ROUTER, "spec": {"typ": "Managed"}}))

    status, said = ended(capsys, "render", "-f", str(file))

    assert status == 2
    assert said.startswith("tokenfleet render: ModelRouter default: spec.typ: ")


@pytest.mark.parametrize("name", ["folder", "bytes.yaml", "empty.yaml", "words.yaml", "bad.yaml",
                                  "nowhere.yaml"])  # fmt: skip
@pytest.mark.parametrize(
    "command", [["explain", "chat"], ["sidecar", "default"]], ids=lambda c: c[0]
)
def test_a_kubeconfig_that_is_none_is_said(
    command: list[str], name: str, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = ended(capsys, *command, "--kubeconfig", str(files / name))

    assert status == 1
    assert said.count("\n") == 1
    assert name in said


@pytest.mark.parametrize("where", [[], ["-n", "team-a"]], ids=["its namespace", "a namespace"])
def test_a_kubeconfig_that_does_not_exist_is_said_as_that(
    where: list[str], files: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    missing = str(files / "nowhere.yaml")

    status, said = ended(capfd, "explain", "chat", "--kubeconfig", missing, *where)

    assert status == 1
    assert said == f"tokenfleet explain: {missing} cannot be used: there is no such file\n"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}]}, id="nobody answers"),
        pytest.param({"clusters": [{"name": "c", "cluster": {"server": "https://no such host"}}]}, id="no address"),
        pytest.param({"clusters": [{"name": "c", "cluster": {"server": 5}}]}, id="a number"),
        pytest.param({"clusters": []}, id="no cluster"),
        pytest.param({"contexts": None}, id="no context"),
        pytest.param({"current-context": "other"}, id="another context"),
        pytest.param({"users": [{"name": "u", "user": {"client-certificate-data": "!"}}]}, id="no certificate"),
        pytest.param({"users": [{"name": "u", "user": {"exec": {"command": "/nowhere"}}}]}, id="no program"),
    ],
)  # fmt: skip
def test_a_cluster_that_cannot_be_reached_is_said(
    change: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kubeconfig = {
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }  # fmt: skip
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump({**kubeconfig, **change}))

    status, said = ended(capsys, "explain", "chat", "--kubeconfig", str(file))

    assert status == 1
    assert said.count("\n") == 1


@pytest.mark.parametrize("flag", ["--load", "--before"])
@pytest.mark.parametrize("name", BAD.values(), ids=BAD)
def test_other_files_of_the_simulator_are_refused_too(
    flag: str, name: str, files: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    if flag == "--load" and name == "empty.yaml":
        return  # a load that states nothing
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(yaml.safe_dump_all(OBJECTS))
    what = ["-f", str(fleet)] if flag == "--load" else ["--gate", "chain", "--effort", "short"]

    status, said = ended(capsys, "simulate", *what, flag, str(files / name))

    assert status == 2
    assert said.count("\n") == 1


@pytest.mark.parametrize("command", ["render", "backtest", "simulate", "explain", "typo", "--typo"])
def test_flags_that_do_not_exist_are_refused(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(capsys, command, "--no-such-flag")[0] == 2


def test_nobody_waits_at_a_terminal_for_objects(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)

    status, said = ended(capsys, "render")

    assert (status, "name files with -f" in said) == (2, True)


def test_a_reader_that_leaves_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in `tokenfleet simulate --help | head -1`."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as cut_off:
        monkeypatch.setattr(sys, "stdout", cut_off)
        assert main(["version"]) == 128 + 13


def test_a_reader_that_leaves_in_the_middle_is_no_fault_of_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in `tokenfleet simulate -f fleet.yaml | head -1`."""
    examples = TESTS.parent / "operator/docs/examples"
    names = ("slo-shift", "route-fallback", "pool-gpu-draft", "pool-cpu")
    files = [word for name in names for word in ("-f", str(examples / f"{name}.yaml"))]
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", buffering=1) as cut_off:  # by lines: it fails while it is written
        monkeypatch.setattr(sys, "stdout", cut_off)
        assert main(["simulate", "--quiet", "--for", "2m", *files]) == 128 + 13
    assert "Broken pipe" not in capsys.readouterr().err


WRONG: Final = ["", " ", "30d", "1.5s", "95%", "nan", "inf", "-1", "-5s", "1e9", "9" * 400,
                "99999h99999h99999h99999h", "0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-14:00",
                "../x", "a/b", "\x1b[2J", "Ω", "%s", "--", "http://x/", "localhost:9090"]  # fmt: skip
"""What people type, paste and mistype in place of a value."""

LONG: Final = ("--gates", "--gate", "--report", "--days", "--jobs", "--before")
"""Flags that start measurements of minutes."""

FLAGS: Final = {
    "status": [],
    "top": [],
    "history": [],
    "costs": ["--from=1h"],
    "explain": ["chat"],
    "pin": ["chat", "small=1"],
    "unpin": ["chat"],
    "stop": ["chat"],
    "sidecar": ["default"],
    "render": [],
    "backtest": ["--from=10m", "--prometheus-url=http://127.0.0.1:1", "-f=/dev/null"],
    "simulate": ["-f=/dev/null", "--seeds=1"],
    "crds": [],
}
"""Commands, with what they must have."""


@pytest.mark.parametrize("command", FLAGS)
def test_any_value_of_any_flag(
    command: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One flag is wrong at a time; the server of the kubeconfig knows nothing."""
    monkeypatch.chdir(tmp_path)  # what writes a file writes it here
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with serving({"": EMPTY_LIST}) as server:
        monkeypatch.setenv("KUBECONFIG", kubeconfig(server, tmp_path))
        wrong = itertools.cycle(WRONG)  # two values a flag; all of them over the flags
        for flag, value in ((flag, next(wrong)) for flag in 2 * flags(command)):
            if flag in LONG:
                continue
            status, said = ended(capsys, command, *FLAGS[command], f"{flag}={value}")
            assert "Traceback" not in said
            assert status == 0 or said, (flag, value)


@pytest.mark.parametrize("command", ["explain", "pin", "unpin", "stop", "history", "sidecar"])
def test_any_name(
    command: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with serving({"": EMPTY_LIST}) as server:
        monkeypatch.setenv("KUBECONFIG", kubeconfig(server, tmp_path))
        for value in WRONG:
            more = ["small=1"] if command == "pin" else []
            status, said = ended(capsys, command, "--", value, *more)
            assert status in {1, 2} or (command == "history" and not value.strip())
            assert status == 0 or said
            assert "\x1b" not in said
