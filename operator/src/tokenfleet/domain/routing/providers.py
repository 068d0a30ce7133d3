"""Where providers are, and how they are asked: from a pool's spec to the router's words.

The defaults are the providers' published base URLs, as their own SDKs for OpenAI's API take them.
"""

import ssl
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from tokenfleet.api.conditions import ACCEPTED
from tokenfleet.api.v1alpha1.external import External, Provider
from tokenfleet.api.v1alpha1.servingpool import Existing
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.routing.ir import Credential, Site, Tls

BASE_URLS: Final[Mapping[Provider, str]] = MappingProxyType(
    {
        "OpenAI": "https://api.openai.com/v1",
        "Anthropic": "https://api.anthropic.com/v1",
        "Fireworks": "https://api.fireworks.ai/inference/v1",
    }
)
PORTS: Final = MappingProxyType({"https": 443, "http": 80})
CACHED_FROM: Final = MappingProxyType(
    {
        "haiku-4-5": 4096,
        "haiku": 2048,
        "opus-4-5": 4096,
        "opus-4-6": 4096,
        "opus-4-7": 2048,
        "opus-5": 512,
        "opus": 1024,
        "sonnet": 1024,
        "fable-5": 512,
        "mythos-5": 512,
        "mythos": 2048,
    }
)
"""Part of a model's name -> tokens; the first that fits. From platform.claude.com, "Prompt
caching", section "Cache limitations", as it was in November 2026."""
CAUTIOUS: Final = 4096
"""For models of other names."""
BYTES_PER_TOKEN: Final = 4
AUTHORIZATION: Final = "authorization"
BEARER: Final = "Bearer "


def base_url(external: External) -> str:
    """Return where a provider's API is, without a slash at its end."""
    return (external.base_url or BASE_URLS.get(external.provider, "")).rstrip("/")


def cache_least(model: str) -> int:
    """Return the bytes of a prompt below which Anthropic caches nothing of a model.

    A token is taken for four bytes. A mark below is ignored there without an error, so a guess that
    is too low costs nothing but the mark.
    """
    tokens = next((least for name, least in CACHED_FROM.items() if name in model), CAUTIOUS)
    return tokens * BYTES_PER_TOKEN


def site(external: External, model: str) -> Site:
    """Return where a provider is.

    Args:
        external: the provider.
        model: what it is asked for.
    """
    url = urlsplit(base_url(external))
    marked = external.prompt_caching is not None and external.prompt_caching.type == "Auto"
    return Site(
        provider=external.provider,
        host=url.hostname or "",
        port=url.port or PORTS[url.scheme],
        authority=url.netloc,
        path=url.path,
        family=external.address_family,
        organization=external.organization,
        cache_least=cache_least(model) if marked else None,
    )


def site_tls(external: External) -> Tls | None:
    """Return how a provider proves who it is; None: it speaks plain HTTP."""
    url = urlsplit(base_url(external))
    if url.scheme != "https":
        return None
    return Tls(server_name=external.server_name or url.hostname or "", ca=external.ca_bundle)


def replicas_tls(existing: Existing, service: str, namespace: str) -> Tls | None:
    """Return how the replicas of an Existing pool prove who they are; None: plain HTTP."""
    if existing.tls is None:
        return None
    name = existing.tls.server_name or f"{service}.{namespace}.svc"
    return Tls(server_name=name, ca=existing.tls.ca_bundle)


def site_credential(external: External) -> Credential | None:
    """Return the key of a provider, by the name of the Secret in its own namespace."""
    reference = external.credential_secret_ref
    if reference is None:
        return None
    return Credential(secret=reference.name, key=reference.key, header=AUTHORIZATION, prefix=BEARER)


def replicas_credential(existing: Existing) -> Credential | None:
    """Return the key that replicas ask for, by the name of the Secret in their namespace."""
    reference = existing.credential_secret_ref
    if reference is None:
        return None
    return Credential(
        secret=reference.name,
        key=reference.key,
        header=reference.header or AUTHORIZATION,
        prefix="" if reference.header else BEARER,
    )


def bundle_problem(bundle: str | None, place: str) -> Problem | None:
    """Return why certificates cannot be used: Envoy would refuse everything with them.

    Args:
        bundle: certificates in PEM.
        place: the field that holds them, for the message.
    """
    if bundle is None:
        return None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=bundle)
    except (ssl.SSLError, ValueError) as error:
        text = f"{place} holds what is no certificate in PEM ({error}); correct it"
        return Problem(condition=ACCEPTED, reason="UnusableCertificates", message=text)
    return None
