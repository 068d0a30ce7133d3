"""Numbers with units: the wire form in, the value out, and back."""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from tokenfleet.api.quantities import Duration, Fraction, PositiveDecimal, Quantity, QuantityRange
from tokenfleet.api.units import format_duration, parse_duration, parse_quantity


class Sample(BaseModel):
    duration: Annotated[timedelta, Duration("1s", "1h")] = timedelta(minutes=1)
    fraction: Annotated[Decimal, Fraction("0.1", "0.5")] = Decimal("0.2")
    rate: PositiveDecimal = Decimal(1)
    size: Annotated[Quantity, QuantityRange("1Ki", "1Gi")] = "1Mi"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30), ("10m", 600), ("1h30m", 5400), ("672h", 2_419_200), ("0s", 0)],
)
def test_a_gateway_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "10", "1d", "1.5s", "-1s", "1 s", "1m1m1m1m1m", "10m\n"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=99_999 * 3_600_000))
def test_a_written_duration_reads_back(milliseconds: int) -> None:
    """Within five digits, which the wire form allows for each unit."""
    value = timedelta(milliseconds=milliseconds)
    written = format_duration(value)
    if len(written.rstrip("hms")) <= 5:
        assert parse_duration(written) == value


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.5, "500ms"), (90, "90s"), (600, "10m"), (7200, "2h"), (0, "0ms")]
)
def test_a_duration_is_written_with_one_unit(seconds: float, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("500m", Decimal("0.5")),
        ("16", Decimal(16)),
        ("1k", Decimal(1000)),
        ("1Ki", Decimal(1024)),
        ("8Mi", Decimal(8 * 1024**2)),
        ("1.5Gi", Decimal("1.5") * 1024**3),
        ("2T", Decimal(2 * 10**12)),
        ("3Pi", Decimal(3 * 1024**5)),
    ],
)
def test_a_quantity_is_read_in_its_base_unit(text: str, value: Decimal) -> None:
    assert parse_quantity(text) == value


@pytest.mark.parametrize("text", ["", "1KiB", "4GB", "-1", "1e3", "Mi", "1K", "16\n"])
def test_other_quantities_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        parse_quantity(text)


def test_values_go_back_to_the_wire_as_they_came() -> None:
    wire = {"duration": "30m", "fraction": "0.25", "rate": "2.5", "size": "512Mi"}

    assert Sample.model_validate(wire).model_dump(mode="json") == wire


def test_a_plain_number_is_a_quantity() -> None:
    assert Sample.model_validate({"size": 4096}).size == "4096"


@pytest.mark.parametrize(
    "wire",
    [
        {"duration": "999ms"},
        {"duration": "61m"},
        {"duration": "soon"},
        {"fraction": "0.09"},
        {"fraction": "0.6"},
        {"rate": "0"},
        {"size": "1023"},
        {"size": "2Gi"},
        {"size": "big"},
    ],
    ids=str,
)
def test_a_value_outside_its_range_is_refused(wire: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Sample.model_validate(wire)


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("30d", "write 720h"),
        ("1.5s", "write 1500ms"),
        ("0.5h", "write 30m"),
        ("1.5d", "write 36h"),
        ("90", "give it a unit, as in 90s"),
    ],
)
def test_who_writes_another_form_is_told_what_to_write(text: str, instead: str) -> None:
    with pytest.raises(ValueError, match=f"is not a duration .*: {instead}$"):
        parse_duration(text)


def test_who_writes_a_percentage_is_told_the_fraction() -> None:
    with pytest.raises(ValueError, match=r"'95%' is not a fraction: write 0\.95"):
        TypeAdapter(Annotated[Decimal, Fraction()]).validate_python("95%")


@pytest.mark.parametrize("text", ["", "x", "NaN", "1,5", "0x1"])
def test_what_is_no_decimal_number_is_refused_and_does_not_end_the_reader(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(PositiveDecimal).validate_python(text)
