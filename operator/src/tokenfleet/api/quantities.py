"""Numbers with units: durations, fractions and byte counts, as strings on the wire.

The API has no floats (api-conventions.md, "Primitive types"): a duration is a Gateway API duration
(GEP-2257: `500ms`, `10m`, `1h30m`), a fraction is a decimal string, a size is a Kubernetes
quantity. Inside they are `timedelta`, `Decimal` and `int`.
"""

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final

from pydantic import (
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic_core import core_schema

from tokenfleet.api.conventions import CEL, VALIDATIONS
from tokenfleet.api.units import (
    DURATION_PATTERN,
    QUANTITY_PATTERN,
    format_duration,
    parse_duration,
    parse_quantity,
)

FRACTION_PATTERN: Final = r"^(0(\.[0-9]{1,6})?|1(\.0{1,6})?)$"
DECIMAL_PATTERN: Final = r"^[0-9]{1,9}(\.[0-9]{1,6})?$"

DURATION_FORM: Final = CEL(
    rule=f"self.matches('{DURATION_PATTERN}')",
    message="must be a duration such as 500ms, 90s, 10m or 1h30m: whole numbers with the units"
    " h, m, s and ms; write 720h for 30 days and 1500ms for 1.5 s",
)
_FRACTION_CEL: Final = FRACTION_PATTERN.replace("\\", "\\\\")
"""As CEL writes it within quotes."""
FRACTION_FORM: Final = CEL(
    rule=f"self.matches('{_FRACTION_CEL}')",
    message="must be a fraction such as 0.95, with at most 6 digits; write 0.95 for 95 %",
)


@dataclass(frozen=True, slots=True)
class Duration:
    """Marks a `timedelta` field as a Gateway API duration within an inclusive range."""

    minimum: str
    maximum: str

    @property
    def cel(self) -> CEL:
        """Return the range as a rule for the API server; what is no duration has broken another."""
        return CEL(
            rule=f"!self.matches('{DURATION_PATTERN}')"
            f" || (duration(self) >= duration('{self.minimum}')"
            f" && duration(self) <= duration('{self.maximum}'))",
            message=f"must be between {self.minimum} and {self.maximum}",
        )

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> Any:
        """Read the string form, check the range, write the shortest form."""
        return core_schema.no_info_before_validator_function(
            _duration_from_wire,
            core_schema.timedelta_schema(
                ge=parse_duration(self.minimum), le=parse_duration(self.maximum)
            ),
            serialization=core_schema.plain_serializer_function_ser_schema(format_duration),
        )

    def __get_pydantic_json_schema__(self, _schema: Any, _handler: Any) -> dict[str, Any]:
        """Describe the wire form."""
        return {
            "type": "string",
            "maxLength": 24,
            VALIDATIONS: [DURATION_FORM.entry(), self.cel.entry()],
        }


@dataclass(frozen=True, slots=True)
class Fraction:
    """Marks a `Decimal` field as a fraction, a decimal string within an inclusive range."""

    minimum: str = "0"
    maximum: str = "1"

    @property
    def cel(self) -> CEL:
        """Return the range as a rule for the API server; what is no fraction has broken another."""
        return CEL(
            rule=f"!self.matches('{_FRACTION_CEL}') || (double(self) >= double('{self.minimum}')"
            f" && double(self) <= double('{self.maximum}'))",
            message=f"must be between {self.minimum} and {self.maximum}",
        )

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> Any:
        """Read the string form, check the range, write plain decimals."""
        return core_schema.no_info_before_validator_function(
            _fraction_from_wire,
            core_schema.decimal_schema(ge=Decimal(self.minimum), le=Decimal(self.maximum)),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )

    def __get_pydantic_json_schema__(self, _schema: Any, _handler: Any) -> dict[str, Any]:
        """Describe the wire form."""
        return {
            "type": "string",
            "maxLength": 8,
            VALIDATIONS: [FRACTION_FORM.entry(), self.cel.entry()],
        }


def _duration_from_wire(value: Any) -> Any:
    return parse_duration(value) if isinstance(value, str) else value


def _fraction_from_wire(value: Any) -> Any:
    """Read a fraction.

    Raises:
        ValueError: it is written as a percentage.
    """
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,3}(\.[0-9]+)?%", value):
        msg = f"{value!r} is not a fraction: write {Decimal(value.removesuffix('%')) / 100}"
        raise ValueError(msg)
    return value


def _decimal_from_wire(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return Decimal(value)
    except InvalidOperation as error:
        msg = f"{value!r} is not a decimal number such as 0.5"
        raise ValueError(msg) from error


PositiveDecimal = Annotated[
    Decimal,
    BeforeValidator(_decimal_from_wire),
    Field(gt=Decimal(0), lt=Decimal(10**9)),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "maxLength": 16, "pattern": DECIMAL_PATTERN}),
    CEL(rule="double(self) > 0.0", message="must be more than 0"),
]
"""A number above 0, written as a decimal string, for example a rate."""


Price = Annotated[
    Decimal,
    BeforeValidator(_decimal_from_wire),
    Field(ge=Decimal(0), lt=Decimal(10**9)),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "maxLength": 16, "pattern": DECIMAL_PATTERN}),
]
"""An amount of money of at least 0, written as a decimal string; one currency per install."""


def _quantity_from_wire(value: Any) -> Any:
    text = str(value)
    parse_quantity(text)
    return text


Quantity = Annotated[
    str,
    BeforeValidator(_quantity_from_wire),
    WithJsonSchema(
        {"x-kubernetes-int-or-string": True, "maxLength": 24, "pattern": QUANTITY_PATTERN}
    ),
]
"""A Kubernetes quantity, kept as the user wrote it."""


@dataclass(frozen=True, slots=True)
class QuantityRange:
    """Narrows a `Quantity` to an inclusive range."""

    minimum: str
    maximum: str

    @property
    def cel(self) -> CEL:
        """Return the range as a rule for the API server."""
        return CEL(
            rule=f"quantity(string(self)).compareTo(quantity('{self.minimum}')) >= 0"
            f" && quantity(string(self)).compareTo(quantity('{self.maximum}')) <= 0",
            message=f"must be between {self.minimum} and {self.maximum}",
        )

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        """Check the range after the quantity itself."""
        return core_schema.no_info_after_validator_function(self._within, handler(source))

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        """Add the rule."""
        return {**handler(core), VALIDATIONS: [self.cel.entry()]}

    def _within(self, value: str) -> str:
        if (
            not parse_quantity(self.minimum)
            <= parse_quantity(value)
            <= parse_quantity(self.maximum)
        ):
            raise ValueError(self.cel.message)
        return value
