"""YAML documents: reading manifests and filling in the few places where a story differs."""

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml


def load(path: Path) -> list[dict[str, Any]]:
    """Return the documents of a file, or of every .yaml file of a folder, by name."""
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    found = [d for file in files for d in yaml.safe_load_all(file.read_text(encoding="utf-8"))]
    return [document for document in found if document]


def dump(documents: Iterable[dict[str, Any] | Path]) -> str:
    """Write objects and the contents of files as one stream of documents."""
    flat: list[dict[str, Any]] = []
    for document in documents:
        flat += load(document) if isinstance(document, Path) else [document]
    return yaml.safe_dump_all(flat, sort_keys=False)


def merged(document: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Return a copy with a JSON merge patch applied (RFC 7386): None removes, lists replace."""
    result = copy.deepcopy(document)
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result
