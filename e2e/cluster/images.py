"""The stand-in images: public names, the node's software, no registry.

A stand-in has the name, entrypoint, user and paths of the image a user's cluster would pull, but
its software is mounted read-only from the node when a container is made (`runtime`). So the same
manifests run here and there, and nothing of several gigabytes is packed or unpacked.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from e2e.cluster import llama, module, namespaces, paths, software
from e2e.cluster.archive import Image, archive
from e2e.cluster.build import binaries
from e2e.cluster.components import PAUSE_IMAGE
from e2e.cluster.errors import ClusterError
from e2e.cluster.packages import install_missing
from e2e.cluster.progress import say, wait_for
from e2e.cluster.runtime import MARKER

VLLM_VERSION: Final = "v0.32.0"
PROMETHEUS_VERSION: Final = "v3.16.0"
NONROOT: Final = 65532
NOBODY: Final = 65534
SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

SHARED: Final = "/opt/software"
"""Where containers see the node's software: a path of their own, since the node's may lie where pods
mount something else, as a cache below /tmp does."""

ENGINE_ENVIRONMENT: Final = {
    # Several engines share the node's few cores: one thread each, none nailed to a core.
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    # Some requests, such as those for log probabilities, make torch compile a kernel in the middle of
    # serving. The public image brings the compiler for it; the host's may be missing or unfit, and
    # the engine ends by it.
    "TORCHDYNAMO_DISABLE": "1",
}
"""What an engine needs to know about this node."""

Mount = tuple[Path, str]
"""What on the node, where in the container."""


def pause() -> Image:
    """Return the image that holds a pod's namespaces."""
    mounts = [(binaries() / "pause", "/pause")]
    return stand_in([PAUSE_IMAGE], mounts, entrypoint=("/pause",), user=f"{NOBODY}:{NOBODY}")


def prometheus() -> Image:
    """Return Prometheus, with the paths and the user of its public image."""
    return stand_in(
        [f"docker.io/prom/prometheus:{PROMETHEUS_VERSION}",
         f"quay.io/prometheus/prometheus:{PROMETHEUS_VERSION}"],
        [(binaries() / "prometheus", "/bin/prometheus")],
        entrypoint=("/bin/prometheus",),
        command=("--config.file=/etc/prometheus/prometheus.yml",
                 "--storage.tsdb.path=/prometheus"),
        user=str(NOBODY),
        working_directory="/prometheus",
        folders={"bin": 0o755, "prometheus": 0o777, "etc/prometheus": 0o755},
    )  # fmt: skip


def operator(source: Path, tag: str) -> Image:
    """Return the operator as it is in the working tree `source`."""
    runtime = software.operator_runtime()
    package = software.package(source)
    return _python_image(
        [f"ghcr.io/tokenfleet/operator:{tag}"],
        [_shared(runtime), _shared(package)],
        runtime,
        scripts={"tokenfleet": "from tokenfleet.cli.main import main"},
        command=("tokenfleet", "run"),
        environment=(f"PYTHONPATH={_place(package)}", "PYTHONUNBUFFERED=1"),
        user=f"{NONROOT}:{NONROOT}",
    )


def router(source: Path, tag: str) -> Image:
    """Return the router's image: Envoy with its native module, and the agent."""
    runtime = software.operator_runtime()
    package = software.package(source)
    native = module.router_module(source)
    return _python_image(
        [f"ghcr.io/tokenfleet/router:{tag}"],
        [
            _shared(runtime),
            _shared(package),
            _shared(native),
            (software.envoy(), "/usr/local/bin/envoy"),
        ],
        runtime,
        scripts={"tokenfleet": "from tokenfleet.cli.main import main"},
        command=("tokenfleet", "agent"),
        environment=(
            f"PYTHONPATH={_place(package)}",
            "PYTHONUNBUFFERED=1",
            f"{module.SEARCH_PATH}={_place(native)}",
        ),
        user=f"{NONROOT}:{NONROOT}",
    )


def simulator(source: Path, tag: str) -> Image:
    """Return the engine simulator: a program called `vllm`, as pod templates expect it."""
    runtime = software.operator_runtime()
    package = software.simulator_files(source)
    # Not PYTHONPATH: a pool may set it for its engine.
    code = f"sys.path.insert(0, {_place(package)!r})\nfrom e2e.simulator.__main__ import main"
    return _python_image(
        [f"ghcr.io/tokenfleet/engine-simulator:{tag}"],
        [_shared(runtime), _shared(package)],
        runtime,
        scripts={"vllm": code},
        entrypoint=("vllm", "serve"),
        user=f"{NONROOT}:{NONROOT}",
    )


def vllm() -> Image:
    """Return vLLM under its CPU name and its GPU name: here both serve on CPUs."""
    runtime = software.vllm()
    return _python_image(
        [f"docker.io/vllm/{name}:{VLLM_VERSION}" for name in ("vllm-openai-cpu", "vllm-openai")],
        [_shared(runtime)],
        runtime,
        # Its own script names the node's path of its Python.
        scripts={"vllm": "from vllm.entrypoints.cli.main import main"},
        entrypoint=("vllm", "serve"),
        working_directory="/vllm-workspace",
        folders={"vllm-workspace": 0o777},
        environment=(
            # The node's software cannot be written to: compiled kernels and caches go elsewhere.
            "PYTHONDONTWRITEBYTECODE=1",
            "VLLM_NO_USAGE_STATS=1",
            "DO_NOT_TRACK=1",
            # As the public CPU image does: without Intel's OpenMP speculation is slow on CPUs.
            f"LD_PRELOAD={_place(runtime)}/lib/libiomp5.so",
            *(f"{name}={value}" for name, value in ENGINE_ENVIRONMENT.items()),
        ),  # fmt: skip
    )


def llama_cpp() -> Image:
    """Return llama.cpp's server under the name of its public image for CPUs.

    Only for those who use it: where it is not built yet, that takes minutes.
    """
    install_missing([] if Path("/usr/bin/curl").exists() else ["curl"])
    program = f"app/{llama.PROGRAM}"
    return _host_image(
        ["ghcr.io/ggml-org/llama.cpp:server"],
        [(llama.server(), f"/{program}")],
        entrypoint=(f"/{program}",),
        working_directory="/app",
        folders={"app": 0o755},
        environment=(f"PATH={SYSTEM_PATH}",),
    )


def _python_image(
    names: Sequence[str],
    mounts: Sequence[Mount],
    runtime: Path,
    *,
    scripts: dict[str, str] | None = None,
    environment: Sequence[str] = (),
    **image: object,
) -> Image:
    """Return an image on the host's own Python, libraries and shell, with programs in Python."""
    programs = f"{_place(runtime)}/bin"
    files = {
        f"opt/tokenfleet/bin/{name}": (
            # The guard: processes that vLLM spawns import the script again.
            f"#!{programs}/python\nimport sys\n{code}\n"
            f"if __name__ == '__main__':\n    sys.exit(main())\n".encode(),
            0o755,
        )
        for name, code in (scripts or {}).items()
    }
    return _host_image(
        names,
        mounts,
        files=files,
        environment=(
            f"PATH=/opt/tokenfleet/bin:/usr/local/bin:{programs}:{SYSTEM_PATH}",
            *environment,
        ),
        **image,
    )


def _host_image(names: Sequence[str], mounts: Sequence[Mount], **image: object) -> Image:
    """Return an image on the host's libraries and shell."""
    # Where the host's /bin is a link into /usr the container's is too; else it is mounted.
    links = {name: f"usr/{name}" for name in ("bin", "sbin", "lib", "lib64")
             if Path("/", name).is_symlink()}  # fmt: skip
    linked = {Path("/", name) for name in links}
    shared = [(path, str(path)) for path in _host_folders()
              if path.exists() and path not in linked]  # fmt: skip
    return stand_in(names, [*shared, *mounts], links=links, **image)


def _place(software_folder: Path) -> str:
    """Return where containers see a folder of installed software."""
    return f"{SHARED}/{software_folder.name}"


def _shared(software_folder: Path) -> Mount:
    return software_folder, _place(software_folder)


def _host_folders() -> list[Path]:
    """Return what a Python program needs of the host; /usr/local stays the image's own."""
    folders = [path for path in sorted(Path("/usr").iterdir())
               if path.name in {"bin", "sbin", "share"} or path.name.startswith("lib")]  # fmt: skip
    folders += [Path("/", name) for name in ("bin", "sbin", "lib", "lib64")]
    folders += [Path("/etc/ld.so.cache"), Path("/etc/ssl/certs")]
    prefix = Path(sys.base_prefix).resolve()
    if prefix == Path("/usr/local"):
        folders += [prefix / "lib", Path(os.path.realpath(sys.executable))]
    elif prefix != Path("/usr"):
        folders.append(prefix)
    return folders


def stand_in(
    names: Sequence[str],
    mounts: Sequence[Mount],
    *,
    files: dict[str, tuple[bytes, int]] | None = None,
    folders: dict[str, int] | None = None,
    **image: object,
) -> Image:
    listed = [{"source": str(source), "destination": target} for source, target in mounts]
    users = "".join(
        f"{name}:x:{number}:{number}::{home}:/sbin/nologin\n"
        for name, number, home in (
            ("root", 0, "/root"), ("nonroot", NONROOT, "/home/nonroot"), ("nobody", NOBODY, "/"),
        )
    )  # fmt: skip
    return Image(
        tuple(names),
        folders={"etc": 0o755, "tmp": 0o1777, "root": 0o755, "home": 0o755,
                 "home/nonroot": 0o777, "usr": 0o755, "usr/local": 0o755, "usr/local/bin": 0o755, "var": 0o755,
                 "var/tmp": 0o1777, **(folders or {})},
        files={
            MARKER: (json.dumps({"mounts": listed}).encode(), 0o644),
            "etc/passwd": (users.encode(), 0o644),
            "etc/group": (f"root:x:0:\nnonroot:x:{NONROOT}:\nnogroup:x:{NOBODY}:\n".encode(), 0o644),
            "etc/nsswitch.conf": (b"hosts: files dns\n", 0o644),
            **(files or {}),
        },
        **image,  # type: ignore[arg-type]
    )  # fmt: skip


def publish(images: Sequence[Image]) -> bool:
    """Make the images known to the running node; return False when it knew exactly these."""
    return publish_archive(archive(images), "-".join(image.names[0] for image in images))


def publish_archive(data: bytes, name: str) -> bool:
    """Import a docker-archive; `name` says which earlier import it replaces."""
    remembered = paths.STATE / "images" / hashlib.sha256(name.encode()).hexdigest()[:16]
    digest = hashlib.sha256(data).hexdigest()
    if remembered.exists() and remembered.read_text() == digest:
        return False
    done = subprocess.run(
        namespaces.enter("ctr", "--address", str(paths.CONTAINERD_SOCKET), "--namespace", "k8s.io",
                         "images", "import", "-"),
        input=data, capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise ClusterError(f"importing images: {done.stderr.decode().strip()}")
    for line in done.stdout.decode().splitlines():
        say(f"image {line.split()[1] if line.startswith('unpacking') else line}")
    paths.write_atomically(remembered, digest)
    return True


def publish_pause() -> None:
    """Import the image without which no pod starts, as soon as containerd answers."""
    command = namespaces.enter("ctr", "--address", str(paths.CONTAINERD_SOCKET), "version")
    wait_for("containerd",
             lambda: subprocess.run(command, capture_output=True, check=False).returncode == 0,
             timeout=120)  # fmt: skip
    publish([pause()])


def prepare(*, with_vllm: bool = True) -> None:
    """Install and build what the stand-ins hold; needs no node."""
    software.operator_runtime()
    software.envoy()
    if with_vllm:
        software.vllm()
    module.router_module(paths.REPOSITORY)


def unprepared(*, with_vllm: bool = True) -> bool:
    """Say whether something of that is not there."""
    return software.missing(with_vllm=with_vllm) or module.missing(paths.REPOSITORY)


def publish_all(*, with_vllm: bool = True) -> None:
    """Import every stand-in whose content is new to the node."""
    publish([pause()])
    publish([prometheus()])
    tag = software.version(paths.REPOSITORY)
    publish([operator(paths.REPOSITORY, tag)])
    publish([router(paths.REPOSITORY, tag)])
    publish([simulator(paths.REPOSITORY, tag)])
    if with_vllm:
        publish([vllm()])
