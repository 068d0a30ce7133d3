"""How to be let in by a Prometheus: credentials, certificates, and what to say when they are wrong.

Credentials lie in files, because mounted Secrets rotate: they are read before every query and stand
in no log, no message and no pod spec. What refuses them names the setting to correct: a value of
the chart, or a flag where a person runs a command.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from tokenfleet.ports import PortError

_OPENSSL: Final = re.compile(r"\[[A-Z0-9]+: [A-Z0-9_]+\] ([^(]+?) \(_ssl")
"""An error of OpenSSL within the texts of urllib3 and requests."""

REFUSALS: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class AccessError(PortError):
    """Credentials or certificates are missing or wrong: a person has to correct a setting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What messages call the settings of an access."""

    url: str
    ca: str
    client: str
    tls: str
    token: str
    basic: str
    headers: str


VALUES: Final = Settings(
    url="prometheus.url",
    ca="prometheus.tls.caSecretRef",
    client="prometheus.tls.clientSecretRef",
    tls="prometheus.tls",
    token="prometheus.tokenSecretRef",  # noqa: S106 - names of settings, no secrets
    basic="prometheus.basicAuth",
    headers="prometheus.headers",
)
"""Those of the chart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where the Prometheus is and how to be let in."""

    url: str
    """Base URL, without credentials in it."""
    timeout: timedelta = timedelta(seconds=5)
    """Longest wait for one answer."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every query, for example `X-Scope-OrgID` of multi-tenant stores."""
    headers_folder: Path | None = None
    """More headers: each file is named as its header and holds the value. Read before every query;
    hidden files are none."""
    bearer_token_file: Path | None = None
    """Read before every query."""
    username: str = ""
    """Basic authentication where not empty; excludes a bearer token."""
    password_file: Path | None = None
    """Read before every query; None: an empty password."""
    ca_file: Path | None = None
    """Certificates to trust; None: the system's."""
    client_certificate: tuple[Path, Path] | None = None
    """Certificate and key to present, both PEM."""
    settings: Settings = VALUES
    """Where it was set, for messages."""


class Credentials(AuthBase):
    """Puts what the files hold now into each request."""

    def __init__(self, access: Access) -> None:
        """Read nothing before the first request."""
        self._access = access

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the headers.

        Raises:
            AccessError: a file cannot be read.
        """
        access = self._access
        if access.headers_folder is not None:
            for file in _files(access.headers_folder):
                request.headers[file.name] = _content(file)
        if access.bearer_token_file is not None:
            request.headers["Authorization"] = f"Bearer {_content(access.bearer_token_file)}"
        elif access.username:
            password = _content(access.password_file) if access.password_file is not None else ""
            return HTTPBasicAuth(access.username.encode(), password.encode())(request)
        return request


def refuse(access: Access, response: requests.Response) -> None:
    """Raise where the answer is a refusal, or sends us elsewhere with our credentials.

    Raises:
        AccessError: it is one.
    """
    if response.is_redirect:
        place = response.headers.get("Location", "")[:100]
        msg = (
            f"prometheus sends the query on to {place}: a login page wants credentials, else set"
            f" {access.settings.url} to where it leads"
        )
        raise AccessError(msg)
    if response.status_code in REFUSALS:
        status = HTTPStatus(response.status_code)
        msg = f"prometheus refused the query (HTTP {status}, {status.phrase}): {_remedy(access)}"
        raise AccessError(msg)


def untrusted(error: Exception, access: Access) -> AccessError:
    """Say what to do about a failed TLS handshake, or a certificate file that cannot be read."""
    text, settings = str(error), access.settings
    if "CERTIFICATE_VERIFY_FAILED" in text:
        said = text.partition("certificate verify failed: ")[2].partition(" (_ssl")[0]
        remedy = (
            f"its certificate is not trusted ({said[:100]}); set {settings.ca} to its"
            f" authority, and {settings.url} to a name that the certificate holds"
        )
    elif "CERTIFICATE" in text.upper() and "ALERT" in text.upper():
        remedy = f"it wants a client certificate that it trusts; set {settings.client}"
    elif "WRONG_VERSION_NUMBER" in text:
        remedy = f"what answers speaks no TLS; does {settings.url} begin with http://?"
    else:
        remedy = f"{_reason(text)}; look at {settings.url} and {settings.tls}"
    return AccessError(f"no TLS connection to prometheus: {remedy}")


def _reason(text: str) -> str:
    """Return what OpenSSL says, without the libraries around it: `[X509: NAME] what is wrong`."""
    found = _OPENSSL.search(text)
    return found[1] if found else text[-160:]


def _remedy(access: Access) -> str:
    settings = access.settings
    if access.bearer_token_file is not None:
        return f"correct the token in {access.bearer_token_file} ({settings.token})"
    if access.username:
        return f"correct the password of user {access.username} ({settings.basic})"
    return (
        f"it wants credentials; set {settings.token} or {settings.basic}, and"
        f" {settings.headers} where it has tenants"
    )


def _files(folder: Path) -> list[Path]:
    # A mounted Secret holds its keys as links beside hidden folders of its own.
    try:
        return sorted(file for file in folder.iterdir() if not file.name.startswith("."))
    except OSError as error:
        raise _unreadable(folder, error) from error


def _content(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(file, error) from error


def _unreadable(path: Path, error: Any) -> AccessError:
    return AccessError(f"{path} cannot be read: {getattr(error, 'strerror', '') or 'not text'}")
