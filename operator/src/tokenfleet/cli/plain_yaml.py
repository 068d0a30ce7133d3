"""YAML for people and for kubectl: in the order in which it was made, without anchors."""

from typing import Any

import yaml

from tokenfleet.api.yaml_scalars import read_as


class _PlainDumper(yaml.SafeDumper):
    """Writes equal parts out each time."""

    def ignore_aliases(self, _data: Any) -> bool:
        """Write no anchors."""
        return True

    def represent_text(self, text: str) -> yaml.ScalarNode:
        """Quote what another reader than PyYAML takes for no string: `y`, `1e3`."""
        style = "'" if read_as(text) else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_PlainDumper.add_representer(str, _PlainDumper.represent_text)


def plain_yaml(document: Any) -> str:
    """Return a document as block YAML."""
    return yaml.dump(document, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=100)
