"""The command line: `python -m e2e.cluster <command>`."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from e2e.cluster import dockerfiles, images, lifecycle, paths, sbom, software
from e2e.cluster.build import binaries, ensure_built
from e2e.cluster.errors import ClusterError
from e2e.cluster.packages import ensure_packages


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int | None] = options.run
    try:
        return run(options) or 0
    except ClusterError as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("cluster: interrupted; 'up' goes on from here, 'down' removes all", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m e2e.cluster",
        description="A real one-node Kubernetes on this machine, from package registries alone.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], int | None], text: str):
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    up = add("up", _up, "Bring the cluster up, or heal it; publishes the images as they are now.")
    up.add_argument("--no-vllm", action="store_true", help="leave the vLLM image (6 GiB) out")
    add("down", lambda _: lifecycle.down(), "End the cluster and remove every trace of it.")
    add("status", _status, "Say whether the cluster is healthy; exit status 1 when it is not.")
    add("kubeconfig", lambda _: print(paths.KUBECONFIG), "Print the path of the kubeconfig.")
    add("env", _env, 'Print shell exports: eval "$(python -m e2e.cluster env)".')
    add("build", lambda _: print(ensure_built()), "Build the programs and print their folder.")
    install = add(
        "install", _install, "Install what 'up' needs besides them: Debian's packages, Envoy, vLLM."
    )
    install.add_argument("--no-vllm", action="store_true", help="leave vLLM (6 GiB) out")
    load = add("load", _load, "Publish the operator's and the router's images from a working tree.")
    load.add_argument("--source", type=Path, default=paths.REPOSITORY, help="default: this one")
    load.add_argument("--tag", help="default: the version in its pyproject.toml")
    built = add("images", _images, "Build the real images from their Dockerfiles and import them.")
    built.add_argument("--tag", help="default: the version in pyproject.toml, then '-built'")
    image = add("load-image", _load_image, "Import a docker-archive, so that pods can use it.")
    image.add_argument("archive", type=Path, help="a tar made by 'docker save' or buildah")
    return parser


def _up(options: argparse.Namespace) -> None:
    lifecycle.up(with_vllm=not options.no_vllm)


def _install(options: argparse.Namespace) -> None:
    ensure_packages()
    images.prepare(with_vllm=not options.no_vllm)


def _status(_: argparse.Namespace) -> int:
    found = lifecycle.problems()
    print("healthy" if not found else f"not healthy: {'; '.join(found)}")
    return 1 if found else 0


def _env(_: argparse.Namespace) -> None:
    print(f"export KUBECONFIG={shlex.quote(str(paths.KUBECONFIG))}")
    print(f'export PATH={shlex.quote(str(binaries()))}:"$PATH"')


def _load(options: argparse.Namespace) -> None:
    _need_node()
    source = options.source.resolve()
    tag = options.tag or software.version(source)
    images.publish([images.operator(source, tag)])
    images.publish([images.router(source, tag)])
    images.publish([images.simulator(source, tag)])


def _images(options: argparse.Namespace) -> None:
    _need_node()
    for name in dockerfiles.build_images(options.tag or dockerfiles.default_tag()):
        print(name)
        print(f"  {sbom.path_of(name)}")


def _load_image(options: argparse.Namespace) -> None:
    _need_node()
    if not options.archive.is_file():
        raise ClusterError(f"{options.archive}: no such file")
    images.publish_archive(options.archive.read_bytes(), str(options.archive.resolve()))


def _need_node() -> None:
    found = lifecycle.problems()
    if found:
        raise ClusterError(f"{found[0]}: run 'python -m e2e.cluster up' first")
