"""What earlier versions have stored is read by this one, field by field (made by `stored_by`)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.earlier_words import RENAMED, in_todays_words
from tokenfleet.api.units import parse_duration
from tokenfleet.api.v1alpha1.kinds import KINDS
from tokenfleet.domain.fleet import router_config

RELEASES = sorted((Path(__file__).parent / "testdata").glob("stored-*.yaml"))
MODELS = {kind.kind: model for kind, model in KINDS}
BODIES = [
    pytest.param(body, id=f"{path.stem} {body['kind']} {body['metadata']['name']}")
    for path in RELEASES
    for body in yaml.safe_load_all(path.read_text(encoding="utf-8"))
]
STORED = [one for one in BODIES if one.values[0]["kind"] in MODELS]
CONFIGURATIONS = [one for one in BODIES if one.values[0]["kind"] == "ConfigMap"]


def leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value with its place; empty lists and maps say nothing."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{place}.{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from leaves(item, f"{place}[{number}]")
    else:
        yield place, value


def same(stored: Any, read: Any) -> bool:
    """Compare by meaning: 60s is 1m, and a quantity may be a number."""
    if str(stored) == str(read):
        return True
    try:
        return parse_duration(str(stored)) == parse_duration(str(read))
    except ValueError:
        return False


def test_every_kind_is_among_them() -> None:
    assert RELEASES
    assert {param.values[0]["kind"] for param in STORED} == set(MODELS)


@pytest.mark.parametrize("body", STORED)
def test_nothing_of_a_stored_spec_is_lost(body: dict[str, Any]) -> None:
    read = MODELS[body["kind"]].model_validate(body)
    told = dict(leaves(read.model_dump(mode="json", by_alias=True)["spec"]))

    lost = {
        place: (value, told.get(place))
        for place, value in leaves(in_todays_words(body)["spec"])
        if not same(value, told.get(place))
    }
    assert lost == {}


@pytest.mark.parametrize("body", STORED)
def test_a_stored_status_stands_in_nobody_s_way(body: dict[str, Any]) -> None:
    assert MODELS[body["kind"]].model_validate(body)


def test_every_word_that_was_renamed_is_among_them() -> None:
    stored = {
        (body["kind"], f".spec{place}", value)
        for body in (param.values[0] for param in STORED)
        for place, value in leaves(body["spec"])  # type: ignore[index]
    }
    earlier = {(kind, place, word) for (kind, place), words in RENAMED.items() for word in words}

    assert earlier <= stored


def test_every_version_has_left_a_configuration() -> None:
    assert len(CONFIGURATIONS) == len(RELEASES) > 1


@pytest.mark.parametrize("body", CONFIGURATIONS)
def test_a_stored_configuration_goes_on(body: dict[str, Any]) -> None:
    """The agent runs it, and the control loop remembers: nothing is rebuilt."""
    held = router_config.read(body["data"])

    assert held.document is not None
    assert [route.name for route in held.document.config.routes] == ["chat"]
    assert held.claims == {"chat": "chat"}
    assert router_config.read(router_config.write(held)) == held
