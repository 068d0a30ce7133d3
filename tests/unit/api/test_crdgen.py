"""The generator: what becomes of a model, and what it refuses with which words."""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self

import pytest
from pydantic import Field, create_model

from tokenfleet.api.conventions import CEL, Kind, ListAtomic, ListMap, ListSet, Model, Scale
from tokenfleet.api.crdgen import UnstructuralError, definition, schema_of
from tokenfleet.api.quantities import DURATION_FORM, Duration, Fraction, PositiveDecimal, Quantity

Text = Annotated[str, Field(max_length=10)]
Number = Annotated[int, Field(ge=0, le=10)]


class Named(Model):
    """One item."""

    name: Text
    """Name."""


class Tree(Model):
    """A recursive object."""

    name: Text
    """Name."""
    children: Annotated[list[Self], Field(max_length=2), ListMap(("name",))] = []
    """Children."""


class Inner(Model):
    """An object with a rule and defaults."""

    validations: ClassVar[tuple[CEL, ...]] = (CEL(rule="self.low <= 5", message="low is too high"),)

    low: Number = 1
    """Lower bound."""
    words: Annotated[list[Text], Field(max_length=3), ListSet()] = []
    """Words."""


class Spec(Model):
    """The spec."""

    required: Text
    """A required
    string.

    With a second paragraph."""
    optional: Number | None = None
    """An optional number."""
    inner: Inner = Inner()
    """An object."""
    again: Inner = Inner(low=2)
    """The same object with another default."""
    only: Literal["Here"] = "Here"
    """A choice of one."""
    items: Annotated[list[Named], Field(max_length=3), ListMap(("name",))] = []
    """A list map."""
    whole: Annotated[list[Text], Field(max_length=3), ListAtomic()] = []
    """An atomic list."""
    labels: Annotated[dict[str, Text], Field(max_length=4)] = {}
    """A map."""
    size: Quantity = "8Mi"
    """A quantity."""
    wait: Annotated[timedelta, Duration("1s", "1h")] | None = None
    """A duration that may be absent."""
    pause: Annotated[timedelta, Duration("1s", "1h")] = timedelta(minutes=90) / 2
    """A duration."""
    part: Annotated[Decimal, Fraction("0", "1")] = Decimal("0.5")
    """A fraction."""
    rate: PositiveDecimal | None = None
    """A rate."""


class Status(Model):
    """The status."""

    count: Annotated[int, Field(ge=0, le=2**40)] = 0
    """A large number."""


class _Odd(Model):
    """A status as conditions have it."""

    state: Literal["True"] = "True"
    """State."""


class Sample(Model):
    """A kind."""

    validations: ClassVar[tuple[CEL, ...]] = (CEL(rule="has(self.spec)", message="spec"),)

    spec: Spec
    """The spec."""
    status: Status = Status()
    """The status."""


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    schema: dict[str, Any] = schema_of(Sample)["properties"]["spec"]["properties"]
    return schema


def test_a_docstring_becomes_prose(spec: dict[str, Any]) -> None:
    assert spec["required"] == {
        "description": "A required string.\n\nWith a second paragraph.",
        "type": "string",
        "maxLength": 10,
    }


def test_an_optional_field_is_absent_instead_of_null(spec: dict[str, Any]) -> None:
    assert spec["optional"] == {
        "description": "An optional number.",
        "type": "integer",
        "format": "int32",
        "minimum": 0,
        "maximum": 10,
    }


def test_an_object_keeps_its_own_rule_and_the_fields_description(spec: dict[str, Any]) -> None:
    assert spec["inner"]["description"] == "An object."
    assert spec["inner"]["x-kubernetes-validations"] == [
        {"rule": "self.low <= 5", "message": "low is too high"}
    ]


def test_a_default_is_whole_without_what_is_empty(spec: dict[str, Any]) -> None:
    assert spec["inner"]["default"] == {"low": 1}
    assert spec["again"]["default"] == {"low": 2}
    assert spec["pause"]["default"] == "45m"
    assert spec["part"]["default"] == "0.5"
    assert not any("default" in spec[name] for name in ("items", "whole", "labels", "wait"))


def test_lists_say_how_they_merge(spec: dict[str, Any]) -> None:
    assert spec["items"]["x-kubernetes-list-type"] == "map"
    assert spec["items"]["x-kubernetes-list-map-keys"] == ["name"]
    assert spec["whole"]["x-kubernetes-list-type"] == "atomic"
    assert spec["inner"]["properties"]["words"]["x-kubernetes-list-type"] == "set"


def test_a_range_becomes_a_rule_also_inside_an_optional_field(spec: dict[str, Any]) -> None:
    assert [rule["message"] for rule in spec["wait"]["x-kubernetes-validations"]] == [
        DURATION_FORM.message,
        "must be between 1s and 1h",
    ]
    assert [rule["message"] for rule in spec["rate"]["x-kubernetes-validations"]] == [
        "must be more than 0"
    ]


def test_a_choice_of_one_is_an_enum(spec: dict[str, Any]) -> None:
    assert spec["only"]["enum"] == ["Here"]
    assert "const" not in spec["only"]


def test_status_has_no_defaults_and_wide_numbers_say_so() -> None:
    schema = schema_of(Sample)["properties"]["status"]

    assert "default" not in schema
    assert schema["properties"]["count"] == {
        "description": "A large number.",
        "type": "integer",
        "format": "int64",
        "minimum": 0,
        "maximum": 2**40,
    }


def test_rules_of_a_kind_stand_at_the_root_and_metadata_stays_the_servers() -> None:
    schema = schema_of(Sample)

    assert schema["x-kubernetes-validations"] == [{"rule": "has(self.spec)", "message": "spec"}]
    assert schema["properties"]["metadata"] == {"type": "object"}
    assert schema["required"] == ["spec"]


def test_scale_is_offered_where_the_kind_says_so() -> None:
    kind = Kind(kind="Sample", plural="samples", singular="sample", short_name="sm", columns=())
    scaled = Kind(
        kind="Sample",
        plural="samples",
        singular="sample",
        short_name="sm",
        columns=(),
        scale=Scale(),
    )

    assert definition(kind, Sample)["spec"]["versions"][0]["subresources"] == {"status": {}}
    assert "scale" in definition(scaled, Sample)["spec"]["versions"][0]["subresources"]


Described = "Something."


def _with(annotation: Any, name: str = "field", description: str | None = Described) -> type[Model]:
    """Make a kind whose spec has one field of this type."""
    spec = create_model("S", __base__=Model, **{name: (annotation, Field(description=description))})
    return create_model("K", __base__=Model, spec=(spec, Field(description=Described)))


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        pytest.param(str, "is a string without maxLength", id="an unbounded string"),
        pytest.param(int, "is a number without minimum and maximum", id="an unbounded number"),
        pytest.param(
            Annotated[int, Field(ge=0)],
            "is a number without minimum and maximum",
            id="half bounded",
        ),
        pytest.param(Annotated[float, Field(ge=0, le=1)], "is a float", id="a float"),
        pytest.param(Text | Number, "is a union", id="a union"),
        pytest.param(Named | Inner, "is a union", id="a union of objects"),
        pytest.param(
            Annotated[list[Text], Field(max_length=2)], "without ListMap", id="a list of no type"
        ),
        pytest.param(Annotated[list[Text], ListSet()], "list without maxItems", id="a long list"),
        pytest.param(
            Annotated[list[str], Field(max_length=2), ListSet()],
            "field[] is a string without maxLength",
            id="unbounded items",
        ),
        pytest.param(tuple[Text, Text], "is a tuple", id="a tuple"),
        pytest.param(dict[str, Text], "is a map without maxProperties", id="a large map"),
        pytest.param(
            Annotated[dict[str, str], Field(max_length=2)],
            "field[*] is a string without maxLength",
            id="a map with unbounded values",
        ),
        pytest.param(dict[str, object], "is an object of any shape", id="any object"),
        pytest.param(Any, "has no type", id="anything"),
        pytest.param(Tree, "is recursive", id="a tree"),
    ],
)
def test_a_field_is_refused_by_name(annotation: Any, words: str) -> None:
    with pytest.raises(UnstructuralError) as refused:
        schema_of(_with(annotation))

    assert str(refused.value).startswith(".spec.field")
    assert words in str(refused.value)


def test_a_field_without_a_description_is_refused() -> None:
    with pytest.raises(UnstructuralError, match=r"^\.spec\.field has no description"):
        schema_of(_with(Text, description=None))


@pytest.mark.parametrize("name", ["on", "off", "yes", "no", "null", "y"])
def test_a_word_that_yaml_reads_otherwise_is_refused(name: str) -> None:
    with pytest.raises(UnstructuralError, match=rf"^\.spec\.{name} is a word that YAML reads"):
        schema_of(_with(Text, name=name))


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        pytest.param(Literal["Errors", "Off"], "has the value Off", id="a switch"),
        pytest.param(Literal["~", "Any"], "has the value ~", id="null"),
        pytest.param(Literal["1", "2"], "has the value 1", id="a number"),
        pytest.param(
            Annotated[list[Literal["Y", "Z"]], Field(max_length=2), ListSet()],
            "[] has the value Y",
            id="an item",
        ),
    ],
)
def test_a_value_that_yaml_reads_otherwise_is_refused(annotation: Any, words: str) -> None:
    with pytest.raises(UnstructuralError) as refused:
        schema_of(_with(annotation))

    assert f".spec.field{words if words[0] == '[' else f' {words}'}" in str(refused.value)
    assert ", which YAML reads as " in str(refused.value)


@pytest.mark.parametrize("default", ["No", "12e5", "2030-01-01"])
def test_a_default_that_yaml_reads_otherwise_is_refused(default: str) -> None:
    with pytest.raises(UnstructuralError, match=rf"^\.spec\.field has the value {default}, which"):
        schema_of(_with(Annotated[Text, Field(default=default)]))


def test_the_operator_may_write_any_word_into_status() -> None:
    model = create_model("Odd", __base__=Sample, status=(_Odd, _Odd()))

    assert schema_of(model)["properties"]["status"]["properties"]["state"]["enum"] == ["True"]


def test_an_exclusive_bound_of_an_integer_becomes_inclusive() -> None:
    field = schema_of(_with(Annotated[int, Field(gt=0, lt=10)]))["properties"]["spec"]
    assert field["properties"]["field"]["minimum"] == 1
    assert field["properties"]["field"]["maximum"] == 9
