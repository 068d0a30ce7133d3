"""Write a docker-archive of a small image: one layer of folders, links and a few text files."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

ARCHITECTURE: Final = {"x86_64": "amd64", "aarch64": "arm64"}.get(
    platform.machine(), platform.machine()
)
"""The machine's name as images spell it."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image as its users know it."""

    names: tuple[str, ...]
    """Full references, registry included; all name the same content."""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    user: str = ""
    """Numeric user[:group]; empty means root, as in a Dockerfile without USER."""
    working_directory: str = "/"
    folders: dict[str, int] = field(default_factory=dict)
    """Path without the leading slash -> mode."""
    links: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    """Path without the leading slash -> content and mode."""


def archive(images: Sequence[Image]) -> bytes:
    """Return one docker-archive of all images; the same images give the same bytes."""
    manifest: list[dict[str, Any]] = []
    members: dict[str, bytes] = {}
    for image in images:
        layer = _layer(image)
        digest = hashlib.sha256(layer).hexdigest()
        config = _config(image, digest)
        config_name = f"{hashlib.sha256(config).hexdigest()}.json"
        members[f"{digest}.tar"] = layer
        members[config_name] = config
        manifest.append(
            {"Config": config_name, "RepoTags": list(image.names), "Layers": [f"{digest}.tar"]}
        )
    members["manifest.json"] = json.dumps(manifest).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in members.items():
            _add_file(tar, name, data, 0o644)
    return buffer.getvalue()


def _layer(image: Image) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, mode in sorted(image.folders.items()):
            member = tarfile.TarInfo(path)
            member.type, member.mode = tarfile.DIRTYPE, mode
            tar.addfile(member)
        for path, target in sorted(image.links.items()):
            member = tarfile.TarInfo(path)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
        for path, (data, mode) in sorted(image.files.items()):
            _add_file(tar, path, data, mode)
    return buffer.getvalue()


def _config(image: Image, digest: str) -> bytes:
    return json.dumps(
        {
            "architecture": ARCHITECTURE,
            "os": "linux",
            "config": {
                "Entrypoint": list(image.entrypoint) or None,
                "Cmd": list(image.command) or None,
                "Env": list(image.environment),
                "User": image.user,
                "WorkingDir": image.working_directory,
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            "history": [{"created_by": "e2e.cluster"}],
        }
    ).encode()


def _add_file(tar: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), mode
    tar.addfile(member, io.BytesIO(data))
