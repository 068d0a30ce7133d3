"""What containerd calls in place of `runc create`: gives stand-in containers the node's software.

A stand-in image carries a list of folders in `/.stand-in.json`; each is mounted read-only at the
same path. Every other image is left exactly as it is. Runs with no site-packages (python -I -S),
once per container.
"""

import json
import os
import sys

MARKER = ".stand-in.json"


def add_mounts(bundle: str) -> None:
    """Add the stand-in's mounts to the bundle's configuration, before all others."""
    path = os.path.join(bundle, "config.json")
    with open(path, encoding="utf-8") as file:
        configuration = json.load(file)
    marker = os.path.join(bundle, configuration["root"]["path"], MARKER)
    if not os.path.exists(marker):
        return
    with open(marker, encoding="utf-8") as file:
        wanted = json.load(file)["mounts"]
    configuration["mounts"][:0] = [
        {"destination": mount["destination"], "source": mount["source"], "type": "bind",
         "options": ["rbind", "ro", "nosuid"]}
        for mount in wanted
    ]  # fmt: skip
    with open(path, "w", encoding="utf-8") as file:
        json.dump(configuration, file)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    add_mounts(arguments[arguments.index("--bundle") + 1])
    os.execvp("runc", ["runc", *arguments])
