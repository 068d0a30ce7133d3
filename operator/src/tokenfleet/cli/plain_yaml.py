"""YAML for people: in the order in which it was made, and without anchors."""

from typing import Any

import yaml


class _PlainDumper(yaml.SafeDumper):
    """Writes equal parts out each time."""

    def ignore_aliases(self, _data: Any) -> bool:
        """Write no anchors."""
        return True


def plain_yaml(document: Any) -> str:
    """Return a document as block YAML."""
    return yaml.dump(document, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=100)
