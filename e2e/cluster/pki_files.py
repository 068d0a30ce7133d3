"""Where the keys, certificates and kubeconfigs of `pki` lie, for those who only read them."""

from __future__ import annotations

from pathlib import Path

from e2e.cluster import paths


def certificate(name: str) -> Path:
    """Return the path of a certificate."""
    return paths.PKI / f"{name}.crt"


def key(name: str) -> Path:
    """Return the path of a private key."""
    return paths.PKI / f"{name}.key"


def kubeconfig(user: str) -> Path:
    """Return the path of a user's kubeconfig."""
    return paths.PKI / f"{user}.kubeconfig"
