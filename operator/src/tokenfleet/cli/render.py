"""`tokenfleet render`: what a router would run, from objects in files, without a cluster.

The debugging tool and the driver of the golden tests are this one code path:
API objects -> `compile_router` -> Envoy's files.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

import yaml

from tokenfleet.adapters.envoy.bootstrap import Limits
from tokenfleet.adapters.envoy.outside import Keys, key_name
from tokenfleet.adapters.envoy.plan import plan
from tokenfleet.adapters.envoy.render import render, standalone
from tokenfleet.adapters.envoy.wire import Json, Ports
from tokenfleet.agent.endpoints import endpoints
from tokenfleet.api.v1alpha1.modelroute import ModelRoute
from tokenfleet.api.v1alpha1.modelrouter import ModelRouter
from tokenfleet.api.v1alpha1.servingpool import ServingPool
from tokenfleet.api.v1alpha1.tokenslo import TokenSLO
from tokenfleet.cli.examples import examples
from tokenfleet.cli.inputs import STDIN, InputError, read_objects
from tokenfleet.cli.terminal import harmless
from tokenfleet.domain.fleet.documents import UnfitError, is_a, read
from tokenfleet.domain.fleet.pool_service import pool_backing
from tokenfleet.domain.fleet.slo_problems import slo_problems
from tokenfleet.domain.routing.admission import allows
from tokenfleet.domain.routing.backing import Backing, service_name
from tokenfleet.domain.routing.compile import Compiled, compile_router
from tokenfleet.domain.routing.containers import CONFIG_FOLDER
from tokenfleet.domain.routing.ir import RouterConfig
from tokenfleet.domain.routing.naming import Place, local_name, place_of

PARTS: Final = ("problems", "config", "plan", "routes", "clusters", "listeners", "bootstrap")
"""What can be printed; `bootstrap` is everything in one file that `envoy --config-path` takes."""

RDS_PATH: Final = f"{CONFIG_FOLDER}/rds.json"


@dataclass(frozen=True, slots=True)
class Rendered:
    """One router, rendered."""

    compiled: Compiled
    parts: Mapping[str, Any]
    """`PARTS` -> JSON."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = commands.add_parser(
        "render",
        help="print what a router would run, offline",
        description="Print what a router would run, from objects in files, without a cluster. Exit"
        " status: 0; 1 where an object has a problem; 2 where the input cannot be used.",
        **examples(
            ("-f fleet/", "every file of a folder"),
            ("-f fleet.yaml --router default --part bootstrap > envoy.yaml", "for Envoy itself"),
        ),
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "-f",
        "--file",
        action="append",
        help="a YAML file or a folder of them; repeatable (default: standard input)",
    )
    parser.add_argument("--router", default="", help="only this ModelRouter")
    parser.add_argument(
        "--part", action="append", choices=PARTS, help="default: problems, config, plan"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command; 1 when an object has a problem, 2 when the input cannot be used."""
    try:
        bodies = read_objects(args.file or [STDIN])
        routers = rendered(bodies)
    except (InputError, UnfitError) as error:
        return _refused(str(error))
    parts = args.part or PARTS[:3]
    wanted = {name: r for name, r in routers.items() if args.router in ("", name)}
    if not wanted:
        there = f"there are {', '.join(routers)}" if routers else "add its file, by another -f"
        named = f"there is no ModelRouter {args.router}".rstrip()
        return _refused(f"{named} in the input; {there}")
    print(
        yaml.safe_dump_all(
            (
                {"router": name, **{part: r.parts[part] for part in parts}}
                for name, r in wanted.items()
            ),
            sort_keys=False,
            width=100,
        ),
        end="",
    )
    said = [*_of_objectives(bodies, wanted.values())]
    for sentence in said:
        print(f"tokenfleet render: {harmless(sentence)}", file=sys.stderr)
    return 1 if said or any(r.compiled.problems for r in wanted.values()) else 0


def _of_objectives(bodies: Sequence[Json], routers: Iterable[Rendered]) -> Iterator[str]:
    """Say what keeps objectives from meaning what they say, as their conditions would.

    Those of routes that no rendered router carries are left out, where the route is there.
    """
    routes = {_key(body): body for body in bodies if is_a("ModelRoute", body)}
    carried = {
        place_of(route.name, at=one.compiled.config.namespace)
        for one in routers
        for route in one.compiled.config.routes
    }
    refused = {name: why for one in routers for name, why in one.compiled.refused.items()}
    for slo in read(TokenSLO, bodies):
        home, name = slo.metadata.namespace, slo.metadata.name
        route = routes.get(Place(home, slo.spec.target_ref.name))
        if route is not None and _key(route) not in carried:
            continue
        words = [problem.message for problem in slo_problems(slo, route)]
        if not words and (why := refused.get(f"{home}/{name}")):
            words = [why.message]
        yield from (f"TokenSLO {home}/{name}: {one}" for one in words)


def _refused(said: str) -> int:
    print(f"tokenfleet render: {harmless(said)}", file=sys.stderr)
    return 2


def rendered(bodies: Sequence[Json]) -> dict[str, Rendered]:
    """Render every ModelRouter among objects, as `documents` returns them.

    Namespaces give the labels by which a router takes routes of others. EndpointSlices give the
    pools' replicas, and Services the ports of Existing pools; one that is
    not there is taken to have a port called `http`.

    Raises:
        UnfitError: an object cannot be read.
    """
    routers, routes = read(ModelRouter, bodies), read(ModelRoute, bodies)
    pools, slos = read(ServingPool, bodies), read(TokenSLO, bodies)
    labels = {
        body["metadata"]["name"]: body["metadata"].get("labels", {})
        for body in _of(bodies, "Namespace")
    }
    known = {(_place(body), body["metadata"]["name"]): body for body in _of(bodies, "Service")}
    with _as_kubernetes_writes("Service"):
        backings = {
            (pool.metadata.namespace, pool.metadata.name): pool_backing(pool, {}, service)
            for pool in pools
            for service in [known.get((pool.metadata.namespace, service_name(pool)))]
            if pool.spec.type == "External" or (pool.spec.type == "Existing" and service)
        }
    slices = _of(bodies, "EndpointSlice")
    return {
        router.metadata.name: _rendered(
            router,
            [route for route in routes if _takes(router, route.metadata.namespace, labels)],
            pools,
            slos,
            {
                local_name(namespace, name, at=router.metadata.namespace): backing
                for (namespace, name), backing in backings.items()
            },
            slices,
        )
        for router in routers
    }


def _takes(router: ModelRouter, namespace: str, labels: Mapping[str, Mapping[str, str]]) -> bool:
    if namespace == router.metadata.namespace:
        return True
    return allows(router.spec.allowed_routes.namespaces, namespace, labels.get(namespace))


def _rendered(
    router: ModelRouter,
    routes: Sequence[ModelRoute],
    pools: Sequence[ServingPool],
    slos: Sequence[TokenSLO],
    backings: Mapping[str, Backing],
    slices: Sequence[Json],
) -> Rendered:
    home = router.metadata.namespace
    compiled = compile_router(
        router,
        routes,
        {local_name(pool.metadata.namespace, pool.metadata.name, at=home): pool for pool in pools},
        {},
        backings,
        slos=slos,
    )
    with _as_kubernetes_writes("EndpointSlice"):
        replicas = endpoints(compiled.config.pools, slices, at=home)
    resources = render(
        compiled.config, replicas, rds_path=RDS_PATH, ports=Ports(), keys=_keys(compiled.config)
    )
    config = asdict(compiled.config)
    return Rendered(
        compiled,
        {
            "problems": {
                route: [asdict(problem) for problem in found]
                for route, found in compiled.problems.items()
            },
            "config": _plain(config),
            "plan": plan(compiled.config, replicas),
            "routes": list(resources.routes),
            "clusters": list(resources.clusters),
            "listeners": list(resources.listeners),
            "bootstrap": standalone(compiled.config, replicas, ports=Ports(), limits=Limits()),
        },
    )


def _keys(config: RouterConfig) -> Keys:
    """Take every key to be there: nobody here can read one."""
    keys = (pool.credential for pool in config.pools if pool.credential is not None)
    return Keys(folder=CONFIG_FOLDER, known=frozenset(map(key_name, keys)))


@contextmanager
def _as_kubernetes_writes(kind: str) -> Iterator[None]:
    """Refuse objects of other APIs that are not of their form: they have no models of ours."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        msg = f"a {kind} in the input is not of the form that Kubernetes gives it"
        raise UnfitError(msg) from error


def _key(body: Json) -> Place:
    return Place(_place(body), str(body["metadata"]["name"]))


def _place(body: Json) -> str:
    return str(body["metadata"].get("namespace") or "default")


def _of(bodies: Sequence[Json], kind: str) -> list[Json]:
    return [body for body in bodies if body.get("kind") == kind]


def _plain(value: Any) -> Any:
    """Return tuples as lists, for YAML."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
