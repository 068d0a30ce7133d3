"""The command: what is refused, how, and with which exit status."""

from pathlib import Path

import pytest

from e2e.kit.ports import free_port
from tokenfleet.cli.main import main

FILE = Path(__file__).parents[2] / "integration" / "prometheus" / "testdata" / "slo.yaml"
NOBODY = "http://127.0.0.1:{port}"


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    url = NOBODY.format(port=free_port())
    files = [] if any(word.startswith("--file") for word in arguments) else [f"--file={FILE}"]
    status = main(["backtest", *files, "--prometheus-url", url, "--from", "1h", *arguments])
    return status, capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--from=yesterday"], "--from must be an RFC 3339 time with a zone"),
        (["--from=2026-01-01T00:00:00"], "--from must be an RFC 3339 time with a zone"),
        (["--to=2h"], "must be after --from"),
        (["--tick=0s"], "--tick must be more than 0"),
        (["--chunk=soon"], "--chunk: 'soon' is not a duration"),
        (["--prometheus-url=localhost:9090"], "must begin with http:// or https://"),
        (["--prometheus-url="], "--prometheus-url must be given"),
        (["--namespace=Nope!"], "--namespace must be 1 to 63 small letters"),
        (["--prometheus-header=oops"], "must be NAME=VALUE"),
        (["--file=/nowhere.yaml"], "No such file"),
        (["--plot=day.gif"], "day.gif: pictures end in .svg, .png, .pdf"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_bad_input_is_one_sentence_and_status_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    status, said = refused(capsys, *arguments)

    assert status == 2
    assert sentence in said
    assert said.count("\n") == 1


def test_a_prometheus_that_does_not_answer_is_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = refused(capsys)

    assert status == 1
    assert said.startswith("tokenfleet backtest: prometheus: ")


def test_files_and_folders_add_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Objects may lie in one file each, as in git; then only Prometheus is missing."""
    slo, *others = FILE.read_text().split("---")
    (tmp_path / "objects").mkdir()
    for number, body in enumerate(others):
        (tmp_path / "objects" / f"{number}.yaml").write_text(body)
    (tmp_path / "slo.yml").write_text(slo)

    status, said = refused(capsys, f"--file={tmp_path}/slo.yml", f"--file={tmp_path}/objects")

    assert (status, said[:31]) == (1, "tokenfleet backtest: prometheus")


def test_help_tells_the_times_the_status_and_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["backtest", "--help"])
    said = capsys.readouterr().out

    assert "RFC 3339" in said
    assert "exit status" in said
    assert "tokenfleet backtest -f slo.yaml" in said
