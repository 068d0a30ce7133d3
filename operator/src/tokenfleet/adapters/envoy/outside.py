"""Clusters of pools that are reached by a name, over TLS, or with a key.

The key comes by SDS from a file of its own, so that it stands in no other: not in the configuration
and not in what Envoy's admin interface shows. Envoy's credential injector puts it into a header of
ours, and the module's filter after it moves it to where the pool wants it: an attempt's headers are
those of the whole request, and the next attempt must not find it there.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address
from types import MappingProxyType
from typing import Final

from tokenfleet.adapters.envoy.wire import Json, extension, typed
from tokenfleet.domain.routing.ir import Credential, Pool, Tls

KEY_HEADER: Final = "x-tokenfleet-credential"
"""Inside only: from Envoy's filter that knows the key to the module's."""
ROOTS: Final = "/etc/ssl/certs/ca-certificates.crt"
"""Authorities that the image trusts (Debian's `ca-certificates`)."""
CONNECT: Final = "3s"
"""Time for TCP and TLS; a handshake over an ocean takes 0.5 s."""
IDLE: Final = "30s"
"""Idle connections to providers are closed after this; load balancers in front of them keep them
for a minute or more, and each new one costs a handshake."""
EJECTED: Final = 50
"""Percent of a name's addresses and the tripwire that may be ejected: all addresses of a name that
has one or two, and never the tripwire."""

_LOOKUP: Final = MappingProxyType({"Any": "V4_PREFERRED", "IPv4": "V4_ONLY", "IPv6": "V6_ONLY"})
_TLS: Final = "envoy.extensions.transport_sockets.tls.v3"
_INJECTED: Final = "envoy.extensions.http.injected_credentials.generic.v3.Generic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The keys that Envoy can read."""

    folder: str = ""
    """Where their files are."""
    known: AbstractSet[str] = frozenset()
    """Names of those that are there, as `key_name` has them."""


NO_KEYS: Final = Keys()
KEY: Final = "key-"
"""How the names of keys begin."""


def key_name(credential: Credential) -> str:
    """Return what a key's file and secret are called: short, and free of slashes."""
    place = f"{credential.secret}\n{credential.key}".encode()
    return f"{KEY}{sha256(place).hexdigest()[:32]}"


def key_file(name: str) -> str:
    """Return the file of a key, inside the folder of keys."""
    return f"{name}.json"


def key_resource(name: str, key: str) -> Json:
    """Return the SDS resource of a key."""
    secret = {"name": name, "generic_secret": {"secret": {"inline_string": key}}}
    return typed(f"{_TLS}.Secret", **secret)


def lacks_key(pool: Pool, keys: Keys) -> bool:
    """Tell whether a pool's key is not there: nothing may be sent to it then."""
    return pool.credential is not None and key_name(pool.credential) not in keys.known


def injector(credential: Credential, keys: Keys) -> Json:
    """Return Envoy's filter that adds the key to an attempt."""
    name = key_name(credential)
    path = f"{keys.folder}/{key_file(name)}"
    source = {"path_config_source": {"path": path}, "resource_api_version": "V3"}
    secret = {"name": name, "sds_config": source}
    return extension(
        "envoy.filters.http.credential_injector",
        "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector",
        overwrite=True,
        credential=extension(
            "envoy.http.injected_credentials.generic",
            _INJECTED,
            credential=secret,
            header=KEY_HEADER,
        ),
    )


def transport(tls: Tls) -> Json:
    """Return the socket that verifies the other side."""
    address = _is_address(tls.server_name)
    # A name in a certificate may be a wildcard: Envoy matches DNS names as RFC 6125 has it.
    name = {
        "san_type": "IP_ADDRESS" if address else "DNS",
        "matcher": {"exact": tls.server_name},
    }
    authorities = {"filename": ROOTS} if tls.ca is None else {"inline_string": tls.ca}
    return extension(
        "envoy.transport_sockets.tls",
        f"{_TLS}.UpstreamTlsContext",
        **({} if address else {"sni": tls.server_name}),
        common_tls_context={
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
            "alpn_protocols": ["http/1.1"],
            "validation_context": {
                "trusted_ca": authorities,
                "match_typed_subject_alt_names": [name],
            },
        },
    )


def resolution(family: str) -> Json:
    """Return how a cluster's name is resolved.

    A lookup that fails leaves the addresses of before; where there are none, the tripwire answers.
    """
    return {
        "type": "STRICT_DNS",
        "dns_lookup_family": _LOOKUP[family],
        "respect_dns_ttl": True,
        "dns_failure_refresh_rate": {"base_interval": "1s", "max_interval": "10s"},
        "typed_dns_resolver_config": extension(
            "envoy.network.dns_resolver.cares",
            "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
            # Envoy starts, and a cluster is used, when the first lookup is over.
            query_timeout_seconds=2,
            query_tries=2,
        ),
    }


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
