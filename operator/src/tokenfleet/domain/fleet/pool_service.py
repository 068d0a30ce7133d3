"""The Service of a pool: whether it is the pool's, which port is meant, and what is wrong."""

from collections.abc import Mapping, Sequence
from typing import Any

from tokenfleet.api.conditions import ACCEPTED
from tokenfleet.api.v1alpha1.external import External
from tokenfleet.api.v1alpha1.servingpool import ServiceReference, ServingPool
from tokenfleet.domain.fleet.ownership import controls, is_ours
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.pools import checks
from tokenfleet.domain.routing.backing import ENGINE_PORT_NAME, Backing, Use, service_name
from tokenfleet.domain.routing.providers import bundle_problem

Body = Mapping[str, Any]


def pool_backing(
    pool: ServingPool, body: Body, service: Body | None, loop: Sequence[str] = ()
) -> Backing:
    """Judge what stands behind a pool.

    Args:
        pool: the pool.
        body: the same, as stored.
        service: the Service that it names, or whose name is its own; None where there is none.
        loop: routers from the one behind an Existing pool's Service back to one that uses the pool;
            empty where there is no way back.
    """
    if pool.spec.external is not None:
        return _external(pool.metadata.name, pool.spec.external)
    existing = pool.spec.existing
    bundle = existing.tls.ca_bundle if existing is not None and existing.tls is not None else None
    unusable = bundle_problem(bundle, "existing.tls.caBundle")
    if unusable is not None:
        return Backing(service=service_name(pool), use=Use.UNRESOLVED, problem=unusable)
    if existing is not None and existing.service_ref is not None:
        return _existing(pool, existing.service_ref, service, loop)
    name = pool.metadata.name
    if service is not None and not is_ours(service, body):
        problem = _problem(
            "ServiceNameTaken",
            f"Service {name} exists and belongs to somebody else: rename the ServingPool or remove"
            " that Service",
        )
        return Backing(service=name, service_uid="", use=Use.BARRED, problem=problem)
    mine = service is not None and controls(body, service)
    uid = service["metadata"].get("uid", "") if service is not None and mine else ""
    problems = checks.problems(pool) if pool.spec.managed is not None else ()
    return Backing(
        service=name,
        service_uid=uid,
        port_name=ENGINE_PORT_NAME,
        family=_family(service),
        **({"problem": problems[0]} if problems else _looping(name, loop)),
    )


def _external(name: str, external: External) -> Backing:
    problem = bundle_problem(external.ca_bundle, "external.caBundle")
    use = Use.ALLOWED if problem is None else Use.UNRESOLVED
    return Backing(service=name, service_uid="", use=use, problem=problem)


def _existing(
    pool: ServingPool, reference: ServiceReference, service: Body | None, loop: Sequence[str]
) -> Backing:
    if service is None:
        problem = _problem(
            "ServiceNotFound",
            f"Service {reference.name} does not exist in namespace {pool.metadata.namespace};"
            " create it or correct existing.serviceRef.name",
        )
        return Backing(service=reference.name, use=Use.UNRESOLVED, problem=problem)
    spec = service.get("spec", {})
    if spec.get("type") == "ExternalName":
        problem = _problem(
            "ServiceWithoutEndpoints",
            f"Service {reference.name} is of type ExternalName, which has no endpoints; name one"
            " with EndpointSlices in existing.serviceRef.name",
        )
        return Backing(service=reference.name, use=Use.UNRESOLVED, problem=problem)
    ports = [port for port in spec.get("ports", ()) if port.get("protocol", "TCP") == "TCP"]
    port = next((port for port in ports if port["port"] == reference.port), None)
    if port is None:
        known = ", ".join(str(port["port"]) for port in ports) or "none"
        problem = _problem(
            "PortNotFound",
            f"Service {reference.name} has no TCP port {reference.port}, only {known};"
            " correct existing.serviceRef.port",
        )
        return Backing(service=reference.name, use=Use.UNRESOLVED, problem=problem)
    return Backing(
        service=reference.name,
        port_name=port.get("name", ""),
        family=_family(service),
        **_looping(reference.name, loop),
    )


def _looping(service: str, loop: Sequence[str]) -> dict[str, Any]:
    if not loop:
        return {}
    # Around one router there is nothing worth keeping; a longer way may be closed by an edit of
    # somebody else, and what runs should not end because of that.
    use = Use.BARRED if len(loop) == 1 else Use.UNRESOLVED
    way = " -> ".join([*loop, loop[0]] if len(loop) > 1 else loop)
    problem = _problem(
        "RoutesToItself",
        f"Service {service} leads back to where requests come from (ModelRouter {way}); name the"
        " pods of an engine in spec.existing",
    )
    return {"use": use, "problem": problem}


def _family(service: Body | None) -> str:
    families = service.get("spec", {}).get("ipFamilies", ()) if service is not None else ()
    return str(next(iter(families), "IPv4"))


def _problem(reason: str, message: str) -> Problem:
    return Problem(condition=ACCEPTED, reason=reason, message=message)
