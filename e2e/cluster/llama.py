"""llama-server, built once from the source inside a hashed source distribution.

    python -m e2e.cluster.llama    build it now, if it is not built

The build takes six minutes of one core. `TOKENFLEET_LLAMA_CPP=off` leaves it out; what needs
it is then skipped, with that reason.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from e2e.cluster import once, paths, software
from e2e.cluster.errors import ClusterError
from e2e.cluster.packages import install_missing
from e2e.cluster.progress import step

SWITCH: Final = "TOKENFLEET_LLAMA_CPP"
PROGRAM: Final = "llama-server"
SOURCE: Final = paths.HERE / "requirements-llama-source.txt"
TOOLS: Final = paths.HERE / "requirements-llama-tools.txt"
OPTIONS: Final = (
    "-DCMAKE_BUILD_TYPE=Release",
    # Behaviour is tried, not speed: a program for any x86-64, and no time for an optimizer.
    "-DCMAKE_C_FLAGS_RELEASE=-O0",
    "-DCMAKE_CXX_FLAGS_RELEASE=-O0",
    "-DCMAKE_UNITY_BUILD=ON",
    "-DCMAKE_UNITY_BUILD_BATCH_SIZE=32",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DGGML_NATIVE=OFF",
    "-DGGML_AVX=OFF",
    "-DGGML_AVX2=OFF",
    "-DGGML_BMI2=OFF",
    "-DGGML_F16C=OFF",
    "-DGGML_FMA=OFF",
    "-DGGML_SSE42=OFF",
    "-DGGML_OPENMP=OFF",
    "-DGGML_CCACHE=OFF",
    "-DGGML_LLAMAFILE=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_APP=OFF",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
    "-DLLAMA_OPENSSL=OFF",
    "-DLLAMA_SUBPROCESS=OFF",
)
"""What cmake is told: the server, its engine for CPUs, and nothing else."""
APART: Final = paths.HERE / "llama.cmake"
"""Names the sources that are not compiled together with others."""
NEEDED_SPACE: Final = 2 << 30
"""Bytes: the unpacked source 0.3 GiB, objects 0.5 GiB, and room."""


def switched_off() -> bool:
    """Say whether the build is left out."""
    return os.environ.get(SWITCH, "").lower() == "off"


def tools() -> Path:
    """Return the environment with cmake, and with `gguf` for those who write a model."""
    return software.environment("llama-tools", TOOLS, space=NEEDED_SPACE)


def folder() -> Path:
    """Return where the program lies once it is built."""
    digest = hashlib.sha256("\0".join(OPTIONS).encode())
    for file in (SOURCE, APART):
        digest.update(file.read_bytes())
    return paths.SOFTWARE / f"llama-{digest.hexdigest()[:16]}"


def server() -> Path:
    """Return the program; wait for a build under way, or build it."""
    target = folder()
    if (target / PROGRAM).exists():
        return target / PROGRAM
    with once.alone("llama", "llama-server"):
        if not (target / PROGRAM).exists():
            with step("building llama-server (about 4 minutes on 2 cores, once)"):
                _build(target)
    return target / PROGRAM


def missing() -> bool:
    """Say whether it is wanted and not built."""
    return not switched_off() and not (folder() / PROGRAM).exists()


def _build(target: Path) -> None:
    programs = tools() / "bin"
    if not shutil.which("g++"):
        install_missing(["g++"])
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o755)
    source = _unpack(programs, part / "source")
    _run([str(programs / "cmake"), "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={programs / 'ninja'}",
          "-S", str(source), "-B", str(part / "objects"),
          f"-DCMAKE_PROJECT_TOP_LEVEL_INCLUDES={APART}", *OPTIONS])  # fmt: skip
    _run([str(programs / "cmake"), "--build", str(part / "objects"), "--target", PROGRAM])
    shutil.copyfile(part / "objects" / "bin" / PROGRAM, part / PROGRAM)
    _run(["strip", str(part / PROGRAM)])
    (part / PROGRAM).chmod(0o755)
    for heavy in ("source", "objects"):
        shutil.rmtree(part / heavy)
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)


def _unpack(programs: Path, place: Path) -> Path:
    """Return the folder of llama.cpp's source; pip checks the archive against its hash."""
    # pip asks the source's own backend for metadata: the one of the hashed environment.
    _run([str(programs / "python"), "-m", "pip", "download", "--quiet", "--no-deps",
          "--disable-pip-version-check", "--require-hashes", "--no-binary=:all:",
          "--no-build-isolation", "--dest", str(place), "--requirement", str(SOURCE)])  # fmt: skip
    # The program, not Python's module: that of Debian 12 (3.11.2) has no filters.
    _run(["tar", "-xzf", str(next(place.glob("*.tar.gz"))), "-C", str(place)])
    return next(place.glob("*/vendor/llama.cpp"))


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, umask=0o022)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise ClusterError(f"building llama-server: '{' '.join(command[:4])} ...' failed: {said}")


if __name__ == "__main__":
    try:
        server()
    except ClusterError as error:
        sys.exit(f"tokenfleet: {error}")
