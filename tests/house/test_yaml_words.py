"""Nothing that people write in manifests and values is a word that YAML reads otherwise.

The generator refuses such words in the models; what is written by hand is looked at here.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.house.repository import ROOT
from tokenfleet.api.yaml_scalars import read_as

CRDS = sorted((ROOT / "crds").glob("tokenfleet.dev_*.yaml"))


def _words(node: Any) -> Iterator[str]:
    """Yield the names of fields and the values of enums of a schema, as far as they are words."""
    if isinstance(node, dict):
        yield from node["properties"] if isinstance(node.get("properties"), dict) else ()
        yield from (one for one in node.get("enum", ()) if isinstance(one, str))
    for below in node.values() if isinstance(node, dict) else node:
        if isinstance(below, dict | list):
            yield from _words(below)


def _odd(schema: dict[str, Any]) -> list[str]:
    return [word for word in _words(schema) if read_as(word)]


@pytest.mark.parametrize("path", CRDS, ids=lambda path: path.stem)
def test_every_word_of_a_spec_can_be_written_without_quotes(path: Any) -> None:
    (version,) = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]

    assert len(list(_words(spec))) > 10
    assert _odd(spec) == []


def test_every_word_of_the_chart_s_values_can_be_written_without_quotes() -> None:
    schema = json.loads((ROOT / "charts/tokenfleet/values.schema.json").read_text(encoding="utf-8"))

    assert len(list(_words(schema))) > 10
    assert _odd(schema) == []
