"""What stands behind a pool: a Service, one of its ports, and whether requests may go there."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.routing import providers
from tokenfleet.domain.routing.ir import Credential, Family, Pool, Site, Tls

ENGINE_PORT_NAME: Final = "http"
"""Name of the port of every managed pool's Service."""


class Use(Enum):
    """What a router may do with a pool."""

    ALLOWED = "allowed"
    UNRESOLVED = "unresolved"
    """Nothing new may name it; what runs goes on."""
    BARRED = "barred"
    """What answers there is not this pool: what runs must let go of it, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backing:
    """Where the replicas of a pool are listed, and what is wrong with it."""

    service: str
    service_uid: str | None = None
    """As in `ir.Pool`."""
    port_name: str = ENGINE_PORT_NAME
    family: Family = "IPv4"
    use: Use = Use.ALLOWED
    problem: Problem | None = None
    """Why the pool is not accepted; None: it is."""


def backing_of(pool: ServingPool, backings: Mapping[str, Backing]) -> Backing:
    """Return what stands behind a pool.

    Where nothing is known of the cluster - offline, mostly - its Service is taken to be there, and
    to have one port called `http`.
    """
    return backings.get(pool.metadata.name, Backing(service=service_name(pool)))


def service_name(pool: ServingPool) -> str:
    """Return the name of the Service that lists a pool's replicas: adopted, else its own."""
    reference = pool.spec.existing.service_ref if pool.spec.existing is not None else None
    return reference.name if reference is not None else pool.metadata.name


def destination(pool: ServingPool, backing: Backing) -> Pool:
    """Return a pool as routers of its namespace know it."""
    served = pool.spec.served
    site, tls, credential = _outside(pool)
    return Pool(
        name=pool.metadata.name,
        model_name=served.model_name,
        aliases=tuple(served.aliases),
        window=served.window_tokens,
        service=backing.service,
        service_uid=backing.service_uid,
        port_name=backing.port_name,
        family=backing.family,
        site=site,
        tls=tls,
        credential=credential,
    )


def _outside(pool: ServingPool) -> tuple[Site | None, Tls | None, Credential | None]:
    external, existing = pool.spec.external, pool.spec.existing
    if external is not None:
        tls, credential = providers.site_tls(external), providers.site_credential(external)
        return providers.site(external, pool.spec.served.model_name), tls, credential
    if existing is not None:
        tls = providers.replicas_tls(existing, service_name(pool), pool.metadata.namespace)
        return None, tls, providers.replicas_credential(existing)
    return None, None, None
