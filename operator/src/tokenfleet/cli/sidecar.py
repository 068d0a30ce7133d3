"""`tokenfleet sidecar ROUTER`: print what a pod template needs to carry a router.

For manifests in git, and for clusters without MutatingAdmissionPolicies. The router is read from
the cluster, or from a manifest.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenfleet.api.v1alpha1.modelrouter import ModelRouter
from tokenfleet.cli.examples import examples
from tokenfleet.cli.faults import NothingThereError
from tokenfleet.cli.inputs import read_one
from tokenfleet.cli.names import alike, listed
from tokenfleet.cli.plain_yaml import plain_yaml
from tokenfleet.cli.run import DEFAULT_ROUTER_IMAGE
from tokenfleet.cli.target import add_target_flags, answered, namespace, opened
from tokenfleet.domain.fleet.documents import documents
from tokenfleet.domain.fleet.keys import ROUTER
from tokenfleet.domain.fleet.parsing import parsed
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.routing.sidecar import pod_template
from tokenfleet.ports import Body
from tokenfleet.reconcilers.resources import ROUTERS


class NoSidecarError(NothingThereError):
    """There is nothing to print; the message says why."""


def add_parser(subparsers: Any) -> None:
    """Add the sub-command."""
    parser = subparsers.add_parser(
        "sidecar",
        help="print the sidecar of a router for a pod template",
        description=__doc__,
        **examples(
            ("default -n team-a", "of a router in the cluster"),
            ("default -f router.yaml", "of a manifest; no cluster is asked"),
        ),
    )
    parser.set_defaults(run=run)
    parser.add_argument("router", help="name of a ModelRouter of type Sidecar")
    add_target_flags(parser)
    parser.add_argument(
        "-f", "--filename", type=Path, help="manifest with the router; no cluster is asked"
    )
    parser.add_argument("--image", default=DEFAULT_ROUTER_IMAGE, help="router image")
    parser.add_argument(
        "--ids-by-cluster",
        action="store_true",
        help="leave users and groups to the cluster, as OpenShift asks",
    )


def run(args: argparse.Namespace) -> int:
    """Print the snippet; 1 where there is none."""
    return answered("sidecar", lambda: _printed(args))


async def _printed(args: argparse.Namespace) -> int:
    body = _read(args) if args.filename else await _fetched(args)
    print(snippet(body, args.image, fixed_ids=not args.ids_by_cluster), end="")
    return 0


def snippet(body: Body, image: str, *, fixed_ids: bool) -> str:
    """Return the addition to a pod template as YAML.

    Raises:
        NoSidecarError: the router is not one that applications carry.
    """
    router = parsed(ModelRouter, body)
    if isinstance(router, Problem):
        raise NoSidecarError(router.message)
    name, wanted = router.metadata.name, router.spec.sidecar
    if router.spec.type != "Sidecar" or wanted is None:
        msg = f"ModelRouter {name} is of type {router.spec.type}: only Sidecar is carried by pods"
        raise NoSidecarError(msg)
    accounts = ", ".join(wanted.service_accounts)
    head = (
        f"# Sidecar of ModelRouter {name}: merge it into the pod template (spec.template), before\n"
        f"# init containers of yours. The pod runs as one of: {accounts}.\n"
        f"# The application asks http://127.0.0.1:{wanted.port}/v1.\n"
    )
    template = pod_template(name, wanted, image, fixed_ids=fixed_ids)
    return head + plain_yaml(template)


def _read(args: argparse.Namespace) -> Body:
    return _named(args.router, documents(read_one(args.filename)), str(args.filename))


async def _fetched(args: argparse.Namespace) -> Body:
    where = namespace(args)
    async with opened(args) as cluster:
        (routers,) = await listed(cluster, ROUTERS)
    return _named(args.router, routers, f"namespace {where}")


def _named(name: str, bodies: Sequence[Body], where: str) -> Body:
    routers = {body["metadata"]["name"]: body for body in bodies if body.get("kind") == ROUTER}
    if name not in routers:
        msg = f"there is no ModelRouter {name} in {where}; {alike(name, sorted(routers))}"
        raise NoSidecarError(msg)
    return routers[name]
