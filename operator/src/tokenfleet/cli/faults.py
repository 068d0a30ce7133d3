"""What went wrong between a command and a cluster, in one sentence for a person."""

import re
from collections.abc import Iterable
from typing import Final

from tokenfleet.adapters.kubernetes.kubeconfig import UnconfiguredError
from tokenfleet.cli.terminal import Refused, harmless
from tokenfleet.domain.console.traffic_control import UnfitChangeError
from tokenfleet.ports import ConflictError, PortError, RefusedError


class NothingThereError(Exception):
    """What was asked for is not there; the message says what is."""


class NotInstalledError(NothingThereError):
    """The API server does not know a kind of ours."""

    def __init__(self, plural: str) -> None:
        """Name the kind, and the two ways to bring the definitions in."""
        super().__init__(
            f"the CRDs are not installed: the cluster knows no {plural}.tokenfleet.dev"
            " (helm install, or kubectl apply -f crds/)"
        )


FORESEEN: Final = (
    NothingThereError,
    UnconfiguredError,
    UnfitChangeError,
    Refused,
    PortError,
    ValueError,
    OverflowError,
)
"""What a command may end by; everything else is a fault of ours."""

_CALL: Final = re.compile(r"(?:GET|PUT|POST|PATCH|DELETE) /\S*: ")
"""How messages about calls of the API server begin."""

_FORBIDDEN: Final = re.compile(
    r'(?P<user>User "[^"]*") cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)"'
    r' in API group "(?P<group>[^"]*)" (?P<place>in the namespace "[^"]+"|at the cluster scope)'
)
"""How Kubernetes' authorizer answers (`k8s.io/apiserver`, `ForbiddenErrorMessage`)."""

UNAUTHORIZED: Final = (
    "the cluster does not know you (401 Unauthorized): renew your credentials, or choose another"
    " --context"
)


UNTRUSTED: Final = (
    "the API server's certificate is not trusted ({}): set certificate-authority of the cluster in"
    " the kubeconfig to its authority, and server to a name that the certificate holds"
)


def said(error: Exception) -> str:
    """Return what a person is told of an error, one line."""
    text = str(error)
    call = _CALL.match(text)
    if isinstance(error, ConflictError):
        return "somebody else has just changed the object: run the command again"
    if call is None or not isinstance(error, PortError):
        return _line(text)
    reason = text[call.end() :]
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        why = reason.partition("certificate verify failed: ")[2].partition(" (_ssl")[0]
        return _line(UNTRUSTED.format(why or "it cannot be verified"))
    if isinstance(error, RefusedError):
        return _line(forbidden([error]) or f"the cluster refuses: {reason}")
    if reason == "Unauthorized":
        return UNAUTHORIZED
    return _line(f"the API server does not answer: {reason}")


def forbidden(errors: Iterable[Exception]) -> str:
    """Return which rights are missing, in one sentence; empty where none of the errors says so."""
    missing: dict[tuple[str, str, str], set[str]] = {}
    for error in errors:
        if found := _FORBIDDEN.search(str(error)):
            group = f".{found['group']}" if found["group"] else ""
            key = (found["user"], found["verb"], found["place"])
            missing.setdefault(key, set()).add(found["resource"] + group)
    return "; ".join(
        f"no permission: {user} may not {verb} {', '.join(sorted(resources))} {place}"
        + ("; -n NAMESPACE asks for one namespace" if place.endswith("scope") else "")
        for (user, verb, place), resources in missing.items()
    )


def _line(text: str) -> str:
    return harmless(" ".join(text.split()))
