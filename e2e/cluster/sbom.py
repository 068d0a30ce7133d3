"""A bill of materials (CycloneDX) for each image that is built from the Dockerfiles.

Python packages come from the hashed requirement files, which the build installs and nothing else,
by the tool that OWASP keeps; the base's packages from its own database. Envoy is the wheel that the
node has; users build on its public image.
"""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any, Final

from e2e.cluster import paths, software
from e2e.cluster.errors import ClusterError

REQUIREMENTS: Final = {
    "operator": ("operator/requirements.txt",),
    "router": ("operator/requirements.txt", "e2e/cluster/requirements-envoy.txt"),
}
"""Part -> what its image is given."""
DATABASE: Final = "var/lib/dpkg/status"


def path_of(image: str) -> Path:
    """Return where the bill of an image lies."""
    name = image.rpartition("/")[2].replace(":", "-")
    return paths.STATE / "images" / f"{name}.cdx.json"


def bill(image: str, part: str, *, base: Path) -> dict[str, Any]:
    """Return the bill of an image.

    Args:
        image: name and tag.
        part: `operator` or `router`.
        base: archive of the base that it was built on.
    """
    bills = [_python(paths.REPOSITORY / name) for name in REQUIREMENTS[part]]
    document = bills[0]
    document["components"] = sorted(
        [
            *(one for bill in bills for one in bill["components"]),
            *_packages(base),
        ],
        key=lambda one: one["bom-ref"],
    )
    number = software.version(paths.REPOSITORY)
    document["metadata"]["component"] = {
        "type": "container",
        "bom-ref": image,
        "name": image.rpartition(":")[0],
        "version": image.rpartition(":")[2],
        "components": [
            {
                "type": "application",
                "bom-ref": "tokenfleet",
                "name": "tokenfleet",
                "version": number,
            }
        ],
    }
    # Told of requirement lines; here are more components than those.
    document.pop("dependencies", None)
    return document


def _python(requirements: Path) -> dict[str, Any]:
    tool = software.sbom_tool()
    command = [str(tool), "requirements", str(requirements), "--output-reproducible"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"no bill of {requirements.name}: {done.stderr.strip()[-400:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    for one in found["components"]:
        one["bom-ref"] = one["purl"]
    return found


def _packages(base: Path) -> list[dict[str, Any]]:
    """Return the Debian packages of the base."""
    with tarfile.open(base) as tar:
        file = tar.extractfile(DATABASE)
        assert file is not None
        paragraphs = file.read().decode(errors="replace").split("\n\n")
    found = []
    for paragraph in paragraphs:
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line[:40])
        if "Package" in fields and fields.get("Status", "").endswith(" installed"):
            name, number, machine = (fields[key] for key in ("Package", "Version", "Architecture"))
            purl = f"pkg:deb/debian/{name}@{number}?arch={machine}"
            found.append(
                {
                    "type": "library",
                    "bom-ref": purl,
                    "name": name,
                    "version": number,
                    "purl": purl,
                }
            )
    return found
