"""The golden cases: objects in, a router's problems, configuration and Envoy resources out."""

from pathlib import Path
from typing import Any

import yaml

from tokenfleet.cli.render import Rendered, rendered
from tokenfleet.domain.fleet.documents import documents

TESTDATA = Path(__file__).parent / "testdata"
CASES = sorted(folder.name for folder in TESTDATA.iterdir())
PARTS = ("problems", "config", "plan", "routes", "clusters")
WITH_LISTENERS = "many-matches"
"""The listener depends on little; one case, with other headers and another limit, shows it."""


def case(name: str) -> Rendered:
    """Render the only router of a case."""
    (router,) = rendered(documents((TESTDATA / name / "in.yaml").read_text())).values()
    return router


class Dumper(yaml.SafeDumper):
    """Writes scripts as blocks, and the same list twice as it is."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


Dumper.add_representer(str, _text)


def parts(name: str) -> tuple[str, ...]:
    return (*PARTS, "listeners") if name == WITH_LISTENERS else PARTS


def written(value: Any) -> str:
    """Write one golden file."""
    return yaml.dump(value, Dumper=Dumper, sort_keys=False, width=100)
