"""A registry of OCI artifacts on the loopback: Debian's `docker-registry`, storing into a folder."""

import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from e2e.kit.processes import process
from e2e.kit.waiting import NotYet, wait_for

PACKAGE = "docker-registry"
ADDRESS = "localhost:5000"
"""As the pages name it."""


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """Run it, installed where it is missing; yield its address. One that answers already is used."""
    if _answers() is True:
        yield ADDRESS
        return
    if not shutil.which(PACKAGE):
        from e2e.cluster.packages import install_missing  # noqa: PLC0415  Linux only

        install_missing([PACKAGE])
    settings = folder / "registry.yml"
    storage = {"filesystem": {"rootdirectory": str(folder / "registry")}}
    text = {"version": 0.1, "storage": storage, "http": {"addr": ADDRESS}}
    settings.write_text(yaml.safe_dump(text), encoding="utf-8")
    with (
        (folder / "registry.log").open("w") as log,
        process([PACKAGE, "serve", str(settings)], log=log),
    ):
        wait_for("the registry", _answers, timeout=120, every=0.2)
        yield ADDRESS


def _answers() -> bool | NotYet:
    try:
        urllib.request.urlopen(f"http://{ADDRESS}/v2/", timeout=5).close()
    except OSError as error:
        return NotYet(str(error))
    return True
