"""Which plain scalars are strings for every reader."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tokenfleet.api.yaml_scalars import read_as
from tokenfleet.cli.plain_yaml import plain_yaml


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        *((word, "a boolean") for word in ("On", "off", "YES", "no", "y", "N", "True", "false")),
        *((word, "null") for word in ("", "~", "null", "Null")),
        *((word, "a number") for word in ("1", "-0.5", "1e3", "12e5", "0x1F", "0o17", "1_000")),
        *((word, "a number") for word in ("+.5", "1.", "12:30:45", ".inf", "-.Inf", ".NaN")),
        *((word, "a date") for word in ("2030-01-01", "2030-01-01T00:00:00Z")),
        ("<<", "a merge key"),
        ("=", "a default key"),
    ],
)
def test_a_word_that_some_reader_takes_for_something_else(text: str, kind: str) -> None:
    assert read_as(text) == kind


@pytest.mark.parametrize(
    "text",
    [
        "None", "Enabled", "Disabled", "Auto", "All", "oN", "nope", "8Mi", "10m", "1.2.3", "v1",
        "e3", ".", "-", "192.168.0.1", "0.5%",
    ],
)  # fmt: skip
def test_a_word_that_is_a_string_for_every_reader(text: str) -> None:
    assert read_as(text) == ""
    assert yaml.safe_load(text) == text or text == "-"


@given(st.text(alphabet="yYnNoOfFeEsStTrRuUaAlL~01279.:+-_xeEiI", max_size=8))
def test_nothing_passes_that_pyyaml_reads_as_no_string(text: str) -> None:
    try:
        read = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return
    if not isinstance(read, str | list | dict):
        assert read_as(text), f"{text!r} is {read!r}"


@pytest.mark.parametrize("text", ["y", "N", "1e3", "On", "0o17"])
def test_what_is_printed_for_kubectl_is_quoted(text: str) -> None:
    assert plain_yaml({"name": text, text: 1}) == f"name: '{text}'\n'{text}': 1\n"
