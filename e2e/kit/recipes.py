"""Objects of the autoscaling page, as they stand there."""

import re
from pathlib import Path
from typing import Any, Final

import yaml

from e2e.kit import repository

PAGE: Final = Path("operator/docs/autoscaling.md")
_YAML: Final = re.compile(r"```yaml\n(.*?)```", re.DOTALL)


def shown() -> list[dict[str, Any]]:
    """Return every block of YAML on the page: objects, and parts of objects."""
    text = (repository() / PAGE).read_text(encoding="utf-8")
    return [yaml.safe_load(block) for block in _YAML.findall(text)]


def scaler(kind: str, name: str) -> dict[str, Any]:
    """Return the one autoscaler of that kind and name."""
    (found,) = [
        one for one in shown() if (one.get("kind"), one.get("metadata")) == (kind, {"name": name})
    ]
    return found
