"""The flags that say how Prometheus lets the operator in."""

import argparse
from pathlib import Path

import pytest

from tokenfleet.adapters.prometheus.access import Access
from tokenfleet.cli import run

URL = "--prometheus-url=https://prometheus:9090"


def given(*flags: str) -> Access | None:
    parser = argparse.ArgumentParser()
    run.add_parser(parser.add_subparsers())
    return run._options(parser.parse_args(["run", *flags])).prometheus


def test_without_a_url_nothing_is_measured() -> None:
    assert given() is None


def test_every_flag_reaches_the_client() -> None:
    access = given(
        URL,
        "--prometheus-username=ali",
        "--prometheus-password-file=/p",
        "--prometheus-ca-file=/ca",
        "--prometheus-client-cert-file=/crt",
        "--prometheus-client-key-file=/key",
        "--prometheus-header=X-Scope-OrgID=team-a",
        "--prometheus-header=X-Note=a=b",
        "--prometheus-headers-dir=/h",
    )

    assert access is not None
    assert access.url == "https://prometheus:9090"
    assert (access.username, access.password_file) == ("ali", Path("/p"))
    assert access.ca_file == Path("/ca")
    assert access.client_certificate == (Path("/crt"), Path("/key"))
    assert access.headers == {"X-Scope-OrgID": "team-a", "X-Note": "a=b"}
    assert access.headers_folder == Path("/h")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((URL.replace("//", "//ali:secret@"),), "--prometheus-url must hold no credentials"),
        (("--prometheus-url=http://[::1",), "--prometheus-url must name a host"),
        (("--prometheus-url=http://prometheus:99999",), "no port above 65535"),
        (("--prometheus-url=http://prometheus:port",), "no port above 65535"),
        (("--prometheus-url=http://my prometheus:9090",), "--prometheus-url must name a host"),
        (("--prometheus-url=http://:9090",), "--prometheus-url must name a host"),
        (
            (
                URL,
                "--prometheus-token-file=/t",
                "--prometheus-username=a",
                "--prometheus-password-file=/p",
            ),
            "--prometheus-token-file and --prometheus-username exclude each other",
        ),
        ((URL, "--prometheus-username=a"), "--prometheus-password-file need each other"),
        ((URL, "--prometheus-client-cert-file=/c"), "--prometheus-client-key-file need each other"),
        ((URL, "--prometheus-header=Authorization=Bearer x"), "must not be Authorization"),
        ((URL, "--prometheus-header=nonsense"), "must be NAME=VALUE, not 'nonsense'"),
    ],
)
def test_flags_that_contradict_each_other_are_named(flags: tuple[str, ...], words: str) -> None:
    with pytest.raises(ValueError, match="--prometheus") as refused:
        given(*flags)

    assert words in str(refused.value)
    assert "secret" not in str(refused.value)
