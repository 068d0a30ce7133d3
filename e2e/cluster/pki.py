"""The cluster's certificates: one authority, one more for the aggregation layer, small and real.

    cluster authority ---- API server, kubelet (both serving and client), every component, the admin
    front proxy authority - the API server towards aggregated API servers (metrics adapters)
    service account key --- signs pods' tokens; a bare key

Made once for the life of the cluster. Elliptic curve keys: made in a millisecond.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from e2e.cluster import paths

LIFETIME: Final = dt.timedelta(days=3650)
"""Longer than any development cluster lives: there is nothing that renews them."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a certificate speaks for."""

    file: str
    """Name of the .crt and .key files."""
    common_name: str
    """The user name, as RBAC sees it."""
    group: str = ""
    """The group, as RBAC sees it; empty for none."""
    names: tuple[str, ...] = ()
    """DNS names and addresses it serves under; empty for a client."""


IDENTITIES: Final = (
    Identity(
        "apiserver",
        "kube-apiserver",
        names=(
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            "localhost",
            "127.0.0.1",
            paths.NODE_ADDRESS,
            paths.API_SERVICE_ADDRESS,
        ),
    ),
    Identity("apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters"),
    Identity("kubelet-serving", f"system:node:{paths.NODE_NAME}", "system:nodes",
             (paths.NODE_NAME, paths.NODE_ADDRESS)),
    Identity("kubelet", f"system:node:{paths.NODE_NAME}", "system:nodes"),
    Identity("controller-manager", "system:kube-controller-manager"),
    Identity("scheduler", "system:kube-scheduler"),
    Identity("kube-proxy", "system:kube-proxy"),
    Identity("coredns", "tokenfleet:coredns"),
    Identity("caretaker", "tokenfleet:caretaker"),
    Identity("admin", "tokenfleet:admin", "system:masters"),
)  # fmt: skip


def make_pki() -> None:
    """Make every key, certificate and kubeconfig that is missing; idempotent.

    The admin's kubeconfig is written last: where it exists, all the others do.
    """
    if (paths.PKI / "admin.kubeconfig").exists():
        return
    authority = _authority("ca", "tokenfleet")
    front_proxy = _authority("front-proxy-ca", "tokenfleet-front-proxy")
    for identity in IDENTITIES:
        _certificate(identity, authority)
    _certificate(Identity("front-proxy-client", "front-proxy-client"), front_proxy)
    _write_key("service-account", ec.generate_private_key(ec.SECP256R1()))
    for user in ("kubelet", "controller-manager", "scheduler", "kube-proxy", "coredns",
                 "caretaker", "admin"):  # fmt: skip
        paths.write_atomically(paths.PKI / f"{user}.kubeconfig", _kubeconfig(user), 0o600)


Authority = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _authority(file: str, name: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        _builder(subject, subject, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_key(file, key)
    _write_certificate(file, certificate)
    return certificate, key


def _certificate(identity: Identity, authority: Authority) -> None:
    issuer, issuer_key = authority
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, identity.common_name)]
    if identity.group:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, identity.group))
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = _builder(x509.Name(attributes), issuer.subject, key).add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
        critical=False,
    )
    if identity.names:
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
        names = [_general_name(name) for name in identity.names]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    _write_key(identity.file, key)
    _write_certificate(identity.file, builder.sign(issuer_key, hashes.SHA256()))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    # A day of grace backwards: a clock that is set right after boot must not refuse them.
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + LIFETIME)
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write_key(file: str, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,  # all that Kubernetes reads for tokens
        serialization.NoEncryption(),
    )
    paths.write_atomically(paths.PKI / f"{file}.key", pem, 0o600)


def _write_certificate(file: str, certificate: x509.Certificate) -> None:
    paths.write_atomically(
        paths.PKI / f"{file}.crt", certificate.public_bytes(serialization.Encoding.PEM)
    )


def _kubeconfig(user: str) -> str:
    def data(path: Path) -> str:
        return b64encode(path.read_bytes()).decode()

    # JSON is YAML: no library needed, and kubectl writes it back as YAML when it changes it.
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "tokenfleet",
                    "cluster": {
                        "server": paths.API_URL,
                        "certificate-authority-data": data(paths.PKI / "ca.crt"),
                    },
                }
            ],
            "users": [
                {
                    "name": user,
                    "user": {
                        "client-certificate-data": data(paths.PKI / f"{user}.crt"),
                        "client-key-data": data(paths.PKI / f"{user}.key"),
                    },
                }
            ],
            "contexts": [
                {"name": "tokenfleet", "context": {"cluster": "tokenfleet", "user": user}}
            ],
            "current-context": "tokenfleet",
        },
        indent=1,
    )
