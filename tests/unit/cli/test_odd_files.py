"""Files that people really have: each is read as kubectl reads it, or the message says what to write."""

from pathlib import Path

import pytest

from tests.unit.cli.test_any_input import ended
from tokenfleet.cli import inputs

FLEET = """\
apiVersion: tokenfleet.dev/v1alpha1
kind: ModelRouter
metadata: {name: default}
spec: {type: Managed}
---
apiVersion: tokenfleet.dev/v1alpha1
kind: ModelRoute
metadata: {name: chat}
spec:
  parentRefs: [{name: default}]
  modelNames: [chat]
  rules:
  - name: slow
    backendRefs: [{name: large}]
    fallbackRefs: [{name: small}]
---
apiVersion: tokenfleet.dev/v1alpha1
kind: TokenSLO
metadata: {name: lat}
spec:
  targetRef: {name: chat, sectionName: slow}
  objective: {type: Latency, latency: {threshold: 500ms, target: "0.95"}}
  onBreach: {type: ShiftTraffic}
"""

BAD = [
    pytest.param("[{name: small}]", "[{name: large}]", "ModelRoute chat: spec.rules.0.fallbackRefs:"
                 " fallbackRefs must not name a pool of backendRefs", id="a fallback that is the primary"),
    pytest.param("{name: large}]", "{name: large, weight: 0}]", "at least one pool a weight above 0",
                 id="weights without a sum"),
    pytest.param(", sectionName: slow", "", "must name a rule when onBreach.type is ShiftTraffic",
                 id="a shift of no rule"),
    pytest.param("[chat]", "[chat, chat]", "spec.modelNames: holds chat twice", id="a name twice"),
    pytest.param("500ms", "500", "must be a duration such as 500ms", id="a time without a unit"),
    pytest.param('"0.95"', "0.95", 'write "0.95", in quotes', id="a number where a text stands"),
    pytest.param('"0.95"', ".nan", "must be a fraction such as 0.95", id="not a number"),
    pytest.param('"0.95"', '"95"', "write 0.95 for 95 %", id="percent"),
    pytest.param("    backendRefs", "    name: fast\n    backendRefs", "fleet.yaml is no YAML: line 14,"
                 " column 5: key name stands there twice", id="a key twice"),
    pytest.param("---\n", "", "line 5, column 1: key apiVersion stands there twice",
                 id="a separator forgotten"),
    pytest.param("  parentRefs", "\tparentRefs", "indent with spaces instead of tabs", id="tabs"),
    pytest.param("name: chat}", "name: {{ .Values.name }}}", "`helm template`", id="a Helm template"),
    pytest.param("v1alpha1", "v1beta1", "must be tokenfleet.dev/v1alpha1, not tokenfleet.dev/v1beta1",
                 id="another version"),
    pytest.param("tokenfleet.dev", "tokenfleet.io", "not tokenfleet.io/v1alpha1", id="another group"),
    pytest.param("apiVersion: tokenfleet.dev/v1alpha1\n", "", "not left out", id="no version"),
    pytest.param("kind: ModelRoute\n", "kind: modelroute\n", "write ModelRoute", id="a kind in small letters"),
    pytest.param("kind: ModelRoute\n", "kind: ModelRoutes\n", "write ModelRoute", id="a kind's plural"),
    pytest.param("name: chat}", "name: 2026-01-01}", "YAML reads as a date: write it in quotes",
                 id="a date as a name"),
    pytest.param("{type: Latency", "{1: 2, type: Latency", "spec.objective.1: no such field",
                 id="a key that is a number"),
    pytest.param("name: chat}", "generateName: chat-}", "without `metadata.name`", id="no name"),
    pytest.param("name: chat}", 'name: "ch\\e[2Jat"}', "ModelRoute ch\\x1b[2Jat: metadata.name must be",
                 id="a name that steers terminals"),
    pytest.param("rules:", "rule:", "ModelRoute chat: spec.rules: must be given; write rules in place of rule?",
                 id="a required field with a typo"),
    pytest.param("{name: large}]", "{name: Large_1}]", "spec.rules.0.backendRefs.0.name: must be small letters,"
                 " digits and dashes, with a letter or digit at both ends, not Large_1", id="a name that is none"),
    pytest.param("type: ShiftTraffic", "type: shift", "spec.onBreach.type: must be Alert or ShiftTraffic, not shift\n",
                 id="a word that is none"),
    pytest.param("[chat]", "[]", "spec.modelNames: must not be empty\n", id="no name at all"),
    pytest.param("{name: large}]", "{name: large, weight: 2000}]", "weight: must be at most 1000, not 2000\n",
                 id="too much"),
    pytest.param("{name: chat}", "{name: chat, namespace: Team_A}", "ModelRoute chat in ", id="no namespace"),
    pytest.param("kind: TokenSLO", "kind: List", "holds a List whose `items` is no list", id="a list without items"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "other", "message"), BAD)
def test_what_the_api_server_or_kubectl_would_refuse_is_refused(
    text: str, other: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text(FLEET.replace(text, other))
    assert file.read_text() != FLEET

    status, said = ended(capsys, "render", "-f", str(file))

    assert (status, said.count("\n")) == (2, 1)
    assert message in said


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("\ufeff" + FLEET, id="a byte order mark"),
        pytest.param(FLEET.replace("\n", "\r\n"), id="ends of lines of Windows"),
        pytest.param(FLEET.replace("{name: chat}", "{<<: {name: chat}}"), id="a merge key"),
        pytest.param(
            FLEET + "---\napiVersion: networking.example.com/v1\nkind: ModelRoute\nmetadata:"
            " {name: chat}\nspec: {of: others}\n",
            id="a kind of the same name of others",
        ),
    ],
)
def test_what_kubectl_reads_is_read(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text(content, encoding="utf-8", newline="")

    assert ended(capsys, "render", "-f", str(file)) == (1, "")  # pools are not in the file


def test_the_file_of_a_folder_that_is_wrong_is_named_with_its_own_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text(FLEET)
    (tmp_path / "b.yaml").write_text("\ufeffkind: [1\n", encoding="utf-8")

    status, said = ended(capsys, "render", "-f", str(tmp_path))

    assert status == 2
    assert f"{tmp_path / 'b.yaml'} is no YAML: line 2" in said


def test_an_object_in_two_files_is_refused_by_every_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(FLEET)

    for command in ("render", "simulate"):
        assert "twice" in ended(capsys, command, "-f", str(tmp_path))[1]


def test_a_file_without_end_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(inputs, "MOST", 1 << 20)

    status, said = ended(capsys, "render", "-f", "/dev/zero")

    assert (status, said) == (
        2,
        "tokenfleet render: /dev/zero is larger than 1 MiB: no fleet's objects are\n",
    )


def test_closed_standard_input_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", None)

    assert "standard input is closed" in ended(capsys, "render")[1]
