"""What a person is told of a cluster or a Prometheus in trouble: one sentence, and status 1."""

import asyncio
from pathlib import Path

import pytest

from e2e.kit.ports import free_port
from tests.unit.cli import odd_servers as odd
from tests.unit.cli.odd_servers import Answer, kubeconfig, serving
from tokenfleet.adapters.kubernetes import cluster as adapter
from tokenfleet.cli import faults
from tokenfleet.cli.main import main
from tokenfleet.ports import PortError

COMMANDS = {
    "status": [],
    "top": [],
    "history": [],
    "explain": ["chat"],
    "costs": ["--from", "1h"],
    "pin": ["chat", "small=1", "-y"],
    "unpin": ["chat", "-y"],
    "stop": ["--all", "-y"],
    "sidecar": ["default"],
}
"""Every command that asks the cluster, with what it must have."""


@pytest.fixture(params=COMMANDS)
def command(request: pytest.FixtureRequest) -> list[str]:
    name: str = request.param
    return [name, *COMMANDS[name]]


def told(capsys: pytest.CaptureFixture[str], command: list[str], *flags: str) -> str:
    """Run a command that must fail; return its only line on standard error."""
    status = main([*command, *flags])
    out, err = capsys.readouterr()

    assert status == 1, out
    assert err.count("\n") == 1, err
    assert err.startswith(f"tokenfleet {command[0]}: ")
    return err


def asked(
    answer: Answer, command: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> str:
    with serving({"": answer, "/events": odd.EMPTY_LIST}) as server:
        return told(capsys, command, "--kubeconfig", kubeconfig(server, folder))


def test_definitions_that_are_missing_are_said(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = asked(odd.UNKNOWN_GROUP, command, tmp_path, capsys)

    assert ": the CRDs are not installed: the cluster knows no model" in said
    assert "kubectl apply -f crds/" in said


def test_a_right_that_is_missing_is_said(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = asked(odd.forbidden("modelroutes"), command, tmp_path, capsys)

    assert (
        'no permission: User "ann" may not list modelroutes.tokenfleet.dev in the namespace "team-a"'
    ) in said


def test_all_rights_that_are_missing_are_said_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    everywhere = "at the cluster scope"
    answers = {
        "": odd.EMPTY_LIST,
        "/tokenslos": odd.forbidden("tokenslos", everywhere),
        "/servingpools": odd.forbidden("servingpools", everywhere),
    }
    with serving(answers) as server:
        said = told(capsys, ["status"], "-A", "--kubeconfig", kubeconfig(server, tmp_path))

    assert said == (
        'tokenfleet status: no permission: User "ann" may not list servingpools.tokenfleet.dev,'
        " tokenslos.tokenfleet.dev at the cluster scope; -n NAMESPACE asks for one namespace\n"
    )


def test_credentials_that_are_old_are_said(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = asked(odd.NO_CREDENTIALS, command, tmp_path, capsys)

    assert "the cluster does not know you (401 Unauthorized)" in said


@pytest.mark.parametrize("answer", [odd.LOGIN_PAGE, odd.SOMETHING_ELSE], ids=["HTML", "JSON"])
def test_what_is_no_api_server_is_said(
    answer: Answer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = asked(answer, ["status"], tmp_path, capsys)

    assert "what answers there is no API server" in said


def test_a_cluster_that_hangs_ends_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listener that accepts and never answers; the limit is 30 s."""
    monkeypatch.setattr(adapter, "TIMEOUT", 0.2)
    port = free_port()

    async def run() -> str:
        server = await asyncio.start_server(lambda *_: asyncio.sleep(3600), "127.0.0.1", port)
        file = kubeconfig(f"http://127.0.0.1:{port}", tmp_path)
        try:
            return await asyncio.to_thread(told, capsys, ["status"], "--kubeconfig", file)
        finally:
            server.close()

    said = asyncio.run(run())

    assert said == "tokenfleet status: the API server does not answer: no answer within 0.2 s\n"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (odd.LOGIN_PAGE, "sends no JSON: is it Prometheus's own address?"),
        (
            odd.SOMETHING_ELSE,
            "sends no result of a query (KeyError('data')): is it Prometheus's own",
        ),
        (
            odd.NO_CREDENTIALS,
            (
                "prometheus refused the query (HTTP 401, Unauthorized): it wants"
                " credentials; set --prometheus-token-file or --prometheus-password-file"
            ),
        ),
        (odd.NO_SAMPLES, "this Prometheus has heard nothing of Tokenfleet in the last hour"),
    ],
    ids=["a login page", "another server", "no credentials", "another one"],
)
def test_a_prometheus_that_is_of_no_use_is_said(
    answer: Answer, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving({"": odd.EMPTY_LIST}) as server, serving({"": answer}) as prometheus:
        where = ("--kubeconfig", kubeconfig(server, tmp_path), "--prometheus-url", prometheus)
        for command in (["history"], ["costs", "--by", "feature", "--from", "1h"]):
            assert reason in told(capsys, command, *where)


def test_a_prometheus_that_is_not_there_is_said_without_its_query(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    with serving({"": odd.EMPTY_LIST}) as server:
        where = ("--kubeconfig", kubeconfig(server, tmp_path))
        said = told(capsys, ["history"], *where, "--prometheus-url", nobody)

    assert said == f"tokenfleet history: prometheus: cannot reach {nobody}: Connection refused\n"


def test_https_where_there_is_none_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving({"": odd.EMPTY_LIST}) as server:
        where = ("--kubeconfig", kubeconfig(server, tmp_path))
        url = server.replace("http", "https")
        said = told(capsys, ["history"], *where, "--prometheus-url", url)

    assert said == (
        "tokenfleet history: no TLS connection to prometheus: what answers speaks no TLS; does"
        " --prometheus-url begin with http://?\n"
    )


def test_a_certificate_of_the_api_server_that_is_not_trusted_is_said() -> None:
    error = PortError(
        "GET /apis/x: Cannot connect to host 127.0.0.1:6443 ssl:True [SSLCertVerificationError: (1,"
        " '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate"
        " (_ssl.c:1006)')]"
    )

    assert faults.said(error) == (
        "the API server's certificate is not trusted (self-signed certificate): set"
        " certificate-authority of the cluster in the kubeconfig to its authority, and server to a"
        " name that the certificate holds"
    )


@pytest.mark.parametrize("flag", ["--route=chat", "--last=5m", "--most=5"])
def test_what_only_by_looks_at_is_refused_without_it(
    flag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The view would look like that of one route, or of five minutes."""
    with serving({"": odd.EMPTY_LIST}) as server:
        refused = told(capsys, ["top"], flag, "--kubeconfig", kubeconfig(server, tmp_path))

    assert refused.startswith(f"tokenfleet top: {flag.partition('=')[0]} needs --by")


def test_top_shows_what_is_known_where_prometheus_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving({"": odd.EMPTY_LIST}) as server, serving({"": odd.LOGIN_PAGE}) as prometheus:
        where = ("--kubeconfig", kubeconfig(server, tmp_path), "--prometheus-url", prometheus)
        status = main(["top", *where])
    out, err = capsys.readouterr()

    assert status == 1
    assert any(line.startswith("ROUTE") for line in out.splitlines())
    assert err.startswith("tokenfleet top: rates and times are not known: prometheus: what answers")
    assert err.count("\n") == 1


def test_an_empty_fleet_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving({"": odd.EMPTY_LIST}) as server:
        where = ["--kubeconfig", kubeconfig(server, tmp_path)]
        assert main(["status", *where]) == main(["history", *where]) == 0

    assert "There is no fleet here" in capsys.readouterr().out
