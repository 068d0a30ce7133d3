"""The manifests that readers copy, and those of the stories, hold only fields that exist."""

from pathlib import Path

import pytest
import yaml

from e2e.demo.__main__ import empty_timeline
from e2e.demo.story import FAST, MANIFESTS, SLOW
from e2e.kit import repository
from e2e.kit.yamls import load
from e2e.stories import fleet
from tokenfleet.api.units import parse_duration
from tokenfleet.api.v1alpha1.kinds import KINDS

SCHEMAS = {
    crd["spec"]["names"]["kind"]: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for path in sorted((repository() / "crds").glob("tokenfleet.dev_*.yaml"))
    for crd in yaml.safe_load_all(path.read_text(encoding="utf-8"))
}
MODELS = {kind.kind: model for kind, model in KINDS}


def unknown(value: object, schema: dict, path: str = "") -> list[str]:
    """Return the paths of fields that a schema does not know."""
    if isinstance(value, dict) and "properties" in schema:
        found = []
        for name, inner in value.items():
            below = schema["properties"].get(name)
            found += (
                [f"{path}.{name}"] if below is None else unknown(inner, below, f"{path}.{name}")
            )
        return found
    if isinstance(value, list) and "items" in schema:
        return [
            p
            for n, item in enumerate(value)
            for p in unknown(item, schema["items"], f"{path}[{n}]")
        ]
    return []


def documents() -> list:
    """Return every document that the demo and the stories apply."""
    written = [*load(MANIFESTS), *load(MANIFESTS / "later")]
    written += [fleet.pool("p"), fleet.router(), fleet.route(), fleet.slo(), fleet.slo(shift=False)]
    return [
        pytest.param(d, id=f"{n}-{d['kind']}-{d['metadata']['name']}")
        for n, d in enumerate(written)
    ]


@pytest.mark.parametrize("document", documents())
def test_a_document_is_valid_and_has_no_unknown_field(document: dict) -> None:
    spec = SCHEMAS[document["kind"]]["properties"]["spec"]

    assert unknown(document["spec"], spec) == []
    MODELS[document["kind"]].model_validate(document)


def test_the_second_objective_differs_only_in_what_happens_on_breach() -> None:
    (alert,), (shift,) = load(MANIFESTS / "40-slo.yaml"), load(MANIFESTS / "later")

    assert alert["spec"].pop("onBreach")["type"] == "Alert"
    assert shift["spec"].pop("onBreach")["type"] == "ShiftTraffic"
    assert alert == shift


def test_the_timeline_takes_its_objective_from_the_manifest() -> None:
    promise = empty_timeline().objective
    (written,) = load(Path(MANIFESTS) / "40-slo.yaml")

    assert str(promise.target) == written["spec"]["objective"]["latency"]["target"]
    written_threshold = written["spec"]["objective"]["latency"]["threshold"]
    assert promise.threshold == parse_duration(written_threshold).total_seconds()


def test_the_loads_features_are_those_of_the_route() -> None:
    (route,) = load(MANIFESTS / "30-route.yaml")

    assert set(route["spec"]["features"]) == {FAST, SLOW}
