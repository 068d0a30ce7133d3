"""Stand-in images: the same input gives the same bytes, and only stand-ins get mounts."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

from e2e.cluster.archive import Image, archive
from e2e.cluster.runtime import MARKER, add_mounts

IMAGE = Image(
    ("docker.io/some/thing:v1",),
    entrypoint=("/thing",),
    user="65532",
    folders={"tmp": 0o1777},
    files={"etc/passwd": (b"root:x:0:0::/:/bin/sh\n", 0o644)},
)


def test_equal_images_give_equal_bytes() -> None:
    assert archive([IMAGE]) == archive([IMAGE])


def test_the_manifest_names_layers_and_configuration_that_are_there() -> None:
    with tarfile.open(fileobj=io.BytesIO(archive([IMAGE]))) as tar:
        names = set(tar.getnames())
        manifest = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]

    assert manifest[0]["RepoTags"] == ["docker.io/some/thing:v1"]
    assert {manifest[0]["Config"], *manifest[0]["Layers"]} <= names


def _bundle(folder: Path, marker: str | None) -> Path:
    (folder / "rootfs").mkdir()
    configuration = {"root": {"path": "rootfs"}, "mounts": [{"destination": "/proc"}]}
    (folder / "config.json").write_text(json.dumps(configuration))
    if marker:
        (folder / "rootfs" / MARKER).write_text(marker)
    return folder / "config.json"


def test_a_stand_in_gets_its_mounts_first_and_read_only(tmp_path: Path) -> None:
    mounts = {"mounts": [{"source": "/usr/lib", "destination": "/usr/lib"}]}
    configuration = _bundle(tmp_path, json.dumps(mounts))
    add_mounts(str(tmp_path))

    first, *rest = json.loads(configuration.read_text())["mounts"]
    assert (first["source"], "ro" in first["options"]) == ("/usr/lib", True)
    assert rest == [{"destination": "/proc"}]


def test_a_real_image_is_left_as_it_is(tmp_path: Path) -> None:
    configuration = _bundle(tmp_path, None)
    before = configuration.read_text()
    add_mounts(str(tmp_path))

    assert configuration.read_text() == before
