"""Pools that follow an InferencePool: a Service of the pool's own over the pods that it selects.

An InferencePool (inference.networking.k8s.io/v1 of the Gateway API Inference Extension) names pods
by labels, as a Service does, and by port numbers. With a Service over the same labels the cluster
itself lists the pods, with their readiness, and routers and operator read them as those of every
other pool.
"""

from collections.abc import Mapping
from typing import Any

from tokenfleet.api.conditions import ACCEPTED
from tokenfleet.api.v1alpha1.servingpool import InferencePoolReference, ServingPool
from tokenfleet.domain.fleet.platform import Platform
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.pools.workloads import Workload, object_of, service_port

Body = Mapping[str, Any]


def followed(
    pool: ServingPool, reference: InferencePoolReference, found: Body | None, platform: Platform
) -> Workload:
    """Return the Service over an InferencePool's pods.

    Args:
        pool: the pool.
        reference: the InferencePool that it names.
        found: the same as stored; None where there is none.
        platform: what the cluster is like.
    """
    if not platform.inference_pools:
        return _refused(
            "InferencePoolsNotServed",
            "the cluster does not serve InferencePool (inference.networking.k8s.io/v1); install its"
            " definition, which the operator finds within a minute",
        )
    if found is None:
        return _refused(
            "InferencePoolNotFound",
            f"InferencePool {reference.name} does not exist in namespace"
            f" {pool.metadata.namespace}; create it or correct existing.inferencePoolRef.name",
        )
    spec = found.get("spec", {})
    selector = spec.get("selector", {}).get("matchLabels") or {}
    ports = [int(port["number"]) for port in spec.get("targetPorts", ())]
    problem = _unfit(reference, selector, ports, spec.get("appProtocol", "http"))
    if problem is not None:
        return problem
    port = reference.port or ports[0]
    service = {
        **object_of("v1", "Service", pool),
        "spec": {"selector": dict(selector), "ports": [service_port(port)]},
    }
    return Workload(objects=(service,), problems=())


def _unfit(
    reference: InferencePoolReference, selector: Body, ports: list[int], protocol: str
) -> Workload | None:
    """Return why an InferencePool cannot be followed, or None."""
    name = reference.name
    if protocol != "http":
        return _refused(
            "ProtocolUnsupported",
            f"InferencePool {name} speaks {protocol}; routers speak HTTP/1.1 to engines",
        )
    if not selector:
        return _refused(
            "SelectorEmpty",
            f"InferencePool {name} has an empty selector; set spec.selector.matchLabels",
        )
    listed = ", ".join(map(str, ports)) or "none"
    if reference.port is not None and reference.port not in ports:
        return _refused(
            "PortNotFound",
            f"InferencePool {name} has no target port {reference.port}, only {listed};"
            " correct existing.inferencePoolRef.port",
        )
    if reference.port is None and len(ports) != 1:
        return _refused(
            "PortAmbiguous",
            f"InferencePool {name} has the target ports {listed}; name one of them in"
            " existing.inferencePoolRef.port, and make a pool for each of the others",
        )
    return None


def _refused(reason: str, message: str) -> Workload:
    problem = Problem(condition=ACCEPTED, reason=reason, message=message)
    return Workload(objects=(), problems=(problem,))
