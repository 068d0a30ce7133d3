"""Which cluster and namespace a person means."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import yaml
from kubernetes.aio import config

_OWN_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class UnconfiguredError(Exception):
    """There is no kubeconfig, or it cannot be used; the message says which, and why."""


@contextmanager
def usable(kubeconfig: str | None) -> Iterator[None]:
    """Turn whatever a kubeconfig makes its reader stumble over into one kind of error.

    Raises:
        UnconfiguredError: there is no kubeconfig, or it cannot be used.
    """
    try:
        yield
    except yaml.YAMLError as error:
        msg = f"{_named(kubeconfig)} is no YAML"
        raise UnconfiguredError(msg) from error
    except (config.ConfigException, OSError, ValueError) as error:
        msg = f"{_named(kubeconfig)} cannot be used: {' '.join(str(error).split())}"
        raise UnconfiguredError(msg) from error
    except (AttributeError, KeyError, TypeError) as error:
        msg = f"{_named(kubeconfig)} is not of the form of a kubeconfig"
        raise UnconfiguredError(msg) from error


def namespace_of(kubeconfig: str | None, context: str | None = None) -> str:
    """Return the namespace of a context (None: the current one), of the pod, or `default`.

    Raises:
        UnconfiguredError: there is no kubeconfig, or it cannot be used.
    """
    if (
        not (kubeconfig or context)
        and "KUBERNETES_SERVICE_HOST" in os.environ
        and _OWN_NAMESPACE.exists()
    ):
        return _OWN_NAMESPACE.read_text(encoding="utf-8").strip()
    with usable(kubeconfig):
        must_exist(kubeconfig)
        known, current = config.list_kube_config_contexts(kubeconfig)
        named = (one for one in known if one["name"] == context)
        chosen = next(named, None) if context else current
        if chosen is None:
            msg = f"there is no context {context}, but {', '.join(one['name'] for one in known)}"
            raise ValueError(msg)
        return str(chosen["context"].get("namespace") or "default")


def must_exist(kubeconfig: str | None) -> None:
    """Raise ValueError where no file of a kubeconfig exists (None: of KUBECONFIG, or the default).

    The library skips files that do not exist, as kubectl does in a list, and then misses a context.
    """
    files = _named(kubeconfig).split(os.pathsep)
    if not any(Path(file).expanduser().exists() for file in files if file):
        msg = "there is no such file"
        raise ValueError(msg)


def _named(kubeconfig: str | None) -> str:
    return kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
