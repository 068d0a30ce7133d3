"""A Prometheus that asks who is there: TLS and basic authentication by its own `--web.config.file`.

What is wrong is said in words that name the setting to correct, and never holds a credential.
"""

import asyncio
import base64
import ssl
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.prometheus.conftest import SCRAPE_SECONDS, Exporter, Prometheus
from tests.integration.prometheus.look import now
from tests.integration.prometheus.test_measure import SLO
from tests.support.authority import HASH, PASSWORD, Authority
from tokenfleet.adapters.prometheus.measure import measure
from tokenfleet.adapters.prometheus.source import Access, PrometheusSource
from tokenfleet.domain.slo.observation.measurement import Measurement, RouterReplica


class Guarded(Prometheus):
    """Serves TLS and knows one user; `demand` changes what it wants while it runs."""

    def __init__(self, folder: Path, exporters: list[Exporter]) -> None:
        super().__init__(folder, exporters, flags=[f"--web.config.file={folder}/web.yml"])
        self.authority = Authority(folder)
        self.authority.issue("server")
        self.demand("NoClientCert")
        self.password = folder / "password"

    def demand(self, client: str) -> None:
        (self.folder / "web.yml").write_text(
            "tls_server_config:\n"
            "  cert_file: server.crt\n"
            "  key_file: server.key\n"
            f"  client_auth_type: {client}\n"
            + ("  client_ca_file: ca.crt\n" if client != "NoClientCert" else "")
            + f"basic_auth_users: {{tokenfleet: {HASH}}}\n"
        )

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def ready(self) -> bool:
        """Ask with the right password: who has none is told 401 also while it still starts."""
        context = ssl.create_default_context(cafile=str(self.authority.file))
        known = base64.b64encode(f"tokenfleet:{PASSWORD}".encode()).decode()
        asked = urllib.request.Request(
            f"{self.url}/-/ready", headers={"Authorization": f"Basic {known}"}
        )
        try:
            with urllib.request.urlopen(asked, timeout=1, context=context) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    exporter = Exporter("router-1")
    prometheus = Guarded(tmp_path_factory.mktemp("guarded"), [exporter])
    prometheus.start()
    try:
        yield prometheus
    finally:
        prometheus.stop()
        exporter.close()


def look(guarded: Guarded, *, change_password_to: str = "", **change: Any) -> Measurement:
    """Measure with what is right, but for `change`; with a new password, once before and once after.

    Returns the last measurement.
    """
    right: dict[str, Any] = {
        "url": guarded.url,
        "ca_file": guarded.authority.file,
        "username": "tokenfleet",
        "password_file": guarded.password,
    }

    async def run() -> Measurement:
        source = PrometheusSource(Access(**right | change))
        try:
            measured = await once(source)
            if change_password_to:
                guarded.password.write_text(change_password_to)
                measured = await once(source)
        finally:
            source.close()
        return measured

    return asyncio.run(run())


async def once(source: PrometheusSource) -> Measurement:
    at = now()
    replica = RouterReplica(namespace="team-a", pod="router-1", since=at - timedelta(hours=1))
    interval = timedelta(seconds=SCRAPE_SECONDS)
    return await measure(
        source, objectives=[SLO], replicas=[replica], at=at, scrape_interval=interval
    )


def test_the_right_credentials_are_let_in(guarded: Guarded) -> None:
    guarded.password.write_text(f"{PASSWORD}\n")

    assert look(guarded).failure is None


def test_a_changed_password_is_used_by_a_client_that_runs(guarded: Guarded) -> None:
    guarded.password.write_text("yesterday's")

    assert look(guarded).failure is not None
    assert look(guarded, change_password_to=PASSWORD).failure is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(
            {"username": "somebody"},
            "(HTTP 401, Unauthorized): correct the password of user somebody (prometheus.basicAuth)",
            id="unknown user",
        ),
        pytest.param(
            {"username": "", "password_file": None},
            "it wants credentials; set prometheus.tokenSecretRef or prometheus.basicAuth",
            id="no credentials",
        ),
        pytest.param(
            {"username": "", "bearer_token_file": "TOKEN"},
            "token (prometheus.tokenSecretRef)",
            id="a token that nobody knows",
        ),
        pytest.param(
            {"ca_file": None},
            "its certificate is not trusted (unable to get local issuer certificate); set"
            " prometheus.tls.caSecretRef",
            id="unknown authority",
        ),
        pytest.param(
            {"url": "NAME"}, "Hostname mismatch", id="a name that the certificate does not hold"
        ),
        pytest.param({"ca_file": "MISSING"}, "missing.crt", id="no file with the authority"),
        pytest.param({"password_file": "MISSING"}, "missing.crt cannot be read", id="no password"),
    ],
)
def test_what_is_wrong_is_named(guarded: Guarded, change: dict[str, Any], words: str) -> None:
    guarded.password.write_text(PASSWORD)
    token = guarded.folder / "token"
    token.write_text("s3cret")
    stand_ins = {
        "TOKEN": token,
        "MISSING": guarded.folder / "missing.crt",
        "NAME": f"https://localhost:{guarded.port}",
    }

    failure = look(guarded, **{k: stand_ins.get(v, v) for k, v in change.items()}).failure

    assert failure is not None
    assert failure.reason == "AccessDenied"
    assert words in failure.message
    assert PASSWORD not in failure.message
    assert "s3cret" not in failure.message


def test_a_client_certificate_is_presented_where_it_is_wanted(guarded: Guarded) -> None:
    guarded.password.write_text(PASSWORD)
    mine = guarded.authority.issue("operator")
    guarded.demand("RequireAndVerifyClientCert")
    try:
        without = look(guarded).failure
        with_it = look(guarded, client_certificate=(mine, mine.with_suffix(".key"))).failure
    finally:
        guarded.demand("NoClientCert")

    assert without is not None
    assert "set prometheus.tls.clientSecretRef" in without.message
    assert with_it is None
