"""The folder that Envoy and the agent share: xDS files, bootstrap, and what was published last."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tokenfleet.adapters.envoy.clusters import Endpoint
from tokenfleet.adapters.envoy.outside import KEY, key_file

BOOTSTRAP = "bootstrap.json"
LISTENERS = "lds.json"
CLUSTERS = "cds.json"
ROUTES = "rds.json"
CANDIDATE = "candidate.json"
LAST_GOOD = "last-good.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class LastGood:
    """What was published last: enough to go on without the API server."""

    data: Mapping[str, str]
    """The data of `<router>-config`."""
    endpoints: Mapping[str, tuple[Endpoint, ...]]
    generation: int
    """Count of publications; part of the versions that Envoy reports."""


class Folder:
    """Reads and writes the folder; every file is replaced as a whole."""

    def __init__(self, path: Path) -> None:
        """Use an existing folder."""
        self.path = path

    def file(self, name: str) -> Path:
        """Return the path of one file."""
        return self.path / name

    def write(self, name: str, text: str, *, mode: int = 0o644) -> None:
        """Replace a file; a reader sees the old or the new one, and Envoy one rename.

        Raises:
            OSError: the old one is still there; the error names it.
        """
        part = self.path / f".{name}.part"
        try:
            part.touch(mode=mode)
            part.write_text(text, encoding="utf-8")
            part.rename(self.path / name)
        except OSError as error:
            # What a full disk says names no file.
            raise OSError(error.errno, error.strerror, str(self.path / name)) from error

    def has(self, name: str) -> bool:
        """Tell whether there is a file of this name."""
        return self.file(name).exists()

    def keys(self) -> set[str]:
        """Return the names of the files that hold keys."""
        return {path.name for path in self.path.glob(key_file(f"{KEY}*"))}

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        self.file(name).unlink(missing_ok=True)

    def remember(self, last: LastGood) -> None:
        """Keep what has just been published."""
        endpoints = {pool: [list(e) for e in replicas] for pool, replicas in last.endpoints.items()}
        document = {
            "data": dict(last.data),
            "endpoints": endpoints,
            "generation": last.generation,
        }
        self.write(LAST_GOOD, json.dumps(document))

    def recall(self) -> LastGood | None:
        """Return what was published last; None where nothing was, or it cannot be read."""
        try:
            raw = json.loads(self.file(LAST_GOOD).read_text(encoding="utf-8"))
            return LastGood(
                data=raw["data"],
                endpoints={
                    pool: tuple((address, port) for address, port in replicas)
                    for pool, replicas in raw["endpoints"].items()
                },
                generation=raw["generation"],
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None
