"""What is said of a Prometheus that is not trusted, in the words of who set it up."""

from pathlib import Path

import pytest

from tokenfleet.adapters.prometheus.access import VALUES, Access, Settings, untrusted
from tokenfleet.cli.prometheus import FLAGS

VERIFY = (
    "HTTPSConnectionPool(host='p', port=443): Max retries exceeded with url: /api/v1/query (Caused"
    " by SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify"
    " failed: self-signed certificate (_ssl.c:1006)')))"
)
ALERT = "(Caused by SSLError(SSLError(1, '[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert"
NO_CERTIFICATE = (
    "811&end=1795739882.811&timeout=60s (Caused by SSLError(SSLError(136, '[X509:"
    " NO_CERTIFICATE_OR_CRL_FOUND] no certificate or crl found (_ssl.c:4166)')))"
)


@pytest.mark.parametrize(
    ("settings", "text", "said"),
    [
        pytest.param(VALUES, VERIFY, "its certificate is not trusted (self-signed certificate); set"
                     " prometheus.tls.caSecretRef to its authority, and prometheus.url to a name"
                     " that the certificate holds", id="an operator"),
        pytest.param(FLAGS, VERIFY, "its certificate is not trusted (self-signed certificate); set"
                     " --prometheus-ca-file to its authority, and --prometheus-url to a name that"
                     " the certificate holds", id="a command"),
        pytest.param(FLAGS, ALERT, "it wants a client certificate that it trusts; set"
                     " --prometheus-client-cert-file", id="a certificate of ours"),
        pytest.param(FLAGS, NO_CERTIFICATE, "no certificate or crl found; look at --prometheus-url"
                     " and --prometheus-ca-file", id="a file without one"),
        pytest.param(FLAGS, "invalid path: /none", "invalid path: /none; look at --prometheus-url"
                     " and --prometheus-ca-file", id="no file"),
    ],
)  # fmt: skip
def test_a_failed_handshake_names_the_setting_to_correct(
    settings: Settings, text: str, said: str
) -> None:
    access = Access(url="https://p", ca_file=Path("/ca"), settings=settings)

    assert str(untrusted(OSError(text), access)) == f"no TLS connection to prometheus: {said}"
