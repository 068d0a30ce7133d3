"""Structural CRDs from the pydantic models, or an error that names the field.

pydantic writes JSON Schema 2020-12; the API server wants a structural OpenAPI v3 schema, and this
project wants more: every field described, every list, string, map and number bounded, no floats, no
nulls, no unions (api-conventions.md), no word that kubectl reads as a boolean. What the models say
otherwise is refused here, at generation time, so that it can never reach a cluster.

    pydantic                              CRD
    $defs, $ref                           inlined; recursion is an error
    anyOf [X, null], default null         X, absent instead of null
    const                                 an enum of one
    exclusiveMinimum 0 (integers)         minimum 1
    default [], {} or null in a default   left out: absent means empty
    defaults under status                 none: the operator writes status, the API server must not
    anyOf otherwise, oneOf, tuple, float  error
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from inspect import cleandoc
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema

from tokenfleet.api.conventions import (
    CATEGORY,
    GROUP,
    LIST_TYPE,
    VALIDATIONS,
    VERSION,
    Kind,
    Model,
)
from tokenfleet.api.quantities import DECIMAL_PATTERN, FRACTION_FORM
from tokenfleet.api.units import format_duration
from tokenfleet.api.yaml_scalars import read_as

INT_OR_STRING: Final = "x-kubernetes-int-or-string"
INT32_MAX: Final = 2**31 - 1

_ORDER: Final = (
    "description", "type", "format", "enum", "default", "minimum", "maximum", "minLength",
    "maxLength", "pattern", "minItems", "maxItems", "maxProperties", "required", "properties",
    "additionalProperties", "items",
)  # fmt: skip
_DROPPED: Final = frozenset({"title", "$defs", "examples"})


class UnstructuralError(ValueError):
    """A model says what a CRD of this project must not; the message begins with the field."""


class _WireDefaults(GenerateJsonSchema):
    """pydantic's generator, with defaults as they stand on the wire."""

    def encode_default(self, dft: Any) -> Any:
        """Write a duration as Gateway API duration instead of ISO 8601."""
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def schema_of(model: type[Model]) -> dict[str, Any]:
    """Return the structural schema of a kind: apiVersion, kind, metadata, spec and status.

    Raises:
        UnstructuralError: a field breaks one of the rules above.
    """
    raw = model.model_json_schema(by_alias=True, schema_generator=_WireDefaults)
    definitions = raw.get("$defs", {})
    fields = raw["properties"]
    properties = {
        "apiVersion": {
            "type": "string",
            "description": f"Group and version of the schema: `{GROUP}/{VERSION}`.",
        },
        "kind": {"type": "string", "description": f"`{model.__name__}`."},
        "metadata": {"type": "object"},  # its schema is the API server's own
        **{
            name: _structural(fields[name], definitions, (f".{name}",), defaults=name == "spec")
            for name in ("spec", "status")
            if name in fields
        },
    }
    required = [name for name in raw.get("required", ()) if name != "metadata"]
    return _ordered(
        {
            "description": _prose(raw.get("description", "")),
            "type": "object",
            "properties": properties,
            **({"required": required} if required else {}),
            **({VALIDATIONS: raw[VALIDATIONS]} if VALIDATIONS in raw else {}),
        }
    )


def definition(kind: Kind, model: type[Model]) -> dict[str, Any]:
    """Return the CustomResourceDefinition of one kind."""
    subresources: dict[str, Any] = {"status": {}}
    if kind.scale is not None:
        subresources["scale"] = {
            "specReplicasPath": kind.scale.spec,
            "statusReplicasPath": kind.scale.status,
            "labelSelectorPath": ".status.selector",
        }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.singular,
                "shortNames": [kind.short_name],
                "categories": [CATEGORY],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "additionalPrinterColumns": [
                        {
                            "name": column.name,
                            "type": column.type,
                            "jsonPath": column.json_path,
                            **({"priority": column.priority} if column.priority else {}),
                        }
                        for column in kind.columns
                    ],
                    "subresources": subresources,
                    "schema": {"openAPIV3Schema": schema_of(model)},
                }
            ],
        },
    }


def _structural(
    node: Mapping[str, Any],
    definitions: Mapping[str, Any],
    path: tuple[str, ...],
    *,
    defaults: bool,
    described: bool = True,
) -> dict[str, Any]:
    """Rewrite one place of the schema and everything below it.

    Args:
        node: the schema as pydantic wrote it.
        definitions: the named schemas it may refer to.
        path: the way from the root: field names, and `>Name` for each named schema entered.
        defaults: whether defaults are kept.
        described: whether the place must have a description; items of lists and maps need none.
    """
    out, path = _resolved(node, definitions, path)
    where = _place(path)
    if not defaults or out.get("default", ...) is None:
        out.pop("default", None)
    if "const" in out:
        out["enum"] = [out.pop("const")]
    for exclusive, inclusive, step in (
        ("exclusiveMinimum", "minimum", 1),
        ("exclusiveMaximum", "maximum", -1),
    ):
        if exclusive in out:
            out[inclusive] = out.pop(exclusive) + step
    if "description" in out:
        out["description"] = _prose(out["description"])
    elif described:
        _refuse(where, "has no description: write a docstring under the field")
    _check(out, where)
    if defaults:  # a place that people write
        _check_words(out, where)
    _descend(out, definitions, path, defaults=defaults)
    _shorten_default(out)
    return _ordered({key: value for key, value in out.items() if key not in _DROPPED})


def _resolved(
    node: Mapping[str, Any], definitions: Mapping[str, Any], path: tuple[str, ...]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Follow references and drop null alternatives; what the field says wins over the type."""
    out = dict(node)
    while "$ref" in out or "anyOf" in out:
        if "$ref" in out:
            name = out.pop("$ref").rsplit("/", 1)[-1]
            if f">{name}" in path:
                _refuse(_place(path), f"is recursive: {name} holds itself")
            path = (*path, f">{name}")
            out = _merged(definitions[name], out)
        else:
            alternatives = [one for one in out.pop("anyOf") if one.get("type") != "null"]
            if len(alternatives) != 1:
                _refuse(_place(path), "is a union: use a discriminator and members")
            out = _merged(alternatives[0], out)
    return out, path


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    rules = [*below.get(VALIDATIONS, ()), *above.get(VALIDATIONS, ())]
    return {**below, **above, **({VALIDATIONS: rules} if rules else {})}


def _check(node: Mapping[str, Any], where: str) -> None:
    """Refuse what an API server cannot bound, and what this project does not want.

    Raises:
        UnstructuralError: with the field and the remedy.
    """
    for broken, why in _REFUSALS:
        if broken(node):
            _refuse(where, why)
    for name in node.get("properties", ()):
        if kind := read_as(name):
            _refuse(f"{where}.{name}", f"is a word that YAML reads as {kind}")


def _check_words(node: Mapping[str, Any], where: str) -> None:
    """Refuse words that kubectl and Helm read as something else: they cannot be written plainly.

    Only decimal strings may look like numbers: JSON's own would be floats.

    Raises:
        UnstructuralError: with the field and the word.
    """
    words = [*node.get("enum", ()), *_words(node.get("default"))]
    for word in (one for one in words if isinstance(one, str)):
        kind = read_as(word)
        if kind and not (kind == "a number" and _is_decimal(node)):
            _refuse(where, f"has the value {word}, which YAML reads as {kind}")


def _words(default: Any) -> Iterator[Any]:
    """Yield a default, or of an object its keys: its values are defaults of fields below."""
    if isinstance(default, Mapping):
        for key, value in default.items():
            yield key
            if isinstance(value, Mapping):
                yield from _words(value)
    elif isinstance(default, list):
        yield from default
    else:
        yield default


def _is_decimal(node: Mapping[str, Any]) -> bool:
    """Hold for a string that can be nothing but a number."""
    fraction = FRACTION_FORM.entry() in node.get(VALIDATIONS, ())
    return fraction or node.get("pattern") == DECIMAL_PATTERN


def _is(kind: str, *needs: str) -> Callable[[Mapping[str, Any]], bool]:
    """Hold for nodes of this type that lack one of the keys; without keys, for all of them."""
    return lambda node: node.get("type") == kind and not (needs and node.keys() >= {*needs})


_REFUSALS: Final[tuple[tuple[Callable[[Mapping[str, Any]], bool], str], ...]] = (
    (lambda node: bool(node.keys() & {"oneOf", "allOf"}), "is a union: use a discriminator"),
    (lambda node: "prefixItems" in node, "is a tuple: use an object with named fields"),
    (lambda node: not ({"type", INT_OR_STRING} & node.keys()), "has no type"),
    (_is("number"), "is a float: use an integer or a decimal string"),
    (_is("integer", "minimum", "maximum"), "is a number without minimum and maximum"),
    (
        lambda node: (
            node.get("type") == "string" and not node.keys() & {"maxLength", "enum", "format"}
        ),
        "is a string without maxLength",
    ),
    (_is("array", LIST_TYPE), "is a list without ListMap, ListSet or ListAtomic"),
    (_is("array", "maxItems"), "is a list without maxItems"),
    (
        lambda node: (
            _is("object", "properties")(node)
            and not isinstance(node.get("additionalProperties"), Mapping)
        ),
        "is an object of any shape",
    ),
    (
        lambda node: (
            "additionalProperties" in node and not node.keys() & {"properties", "maxProperties"}
        ),
        "is a map without maxProperties",
    ),
)


def _descend(
    node: dict[str, Any],
    definitions: Mapping[str, Any],
    path: tuple[str, ...],
    *,
    defaults: bool,
) -> None:
    """Rewrite what lies below an object, a map or a list."""
    if "properties" in node:
        # Mutually exclusive with properties in a structural schema; the API server prunes instead.
        node.pop("additionalProperties", None)
        node["properties"] = {
            name: _structural(value, definitions, (*path, f".{name}"), defaults=defaults)
            for name, value in node["properties"].items()
        }
    elif "additionalProperties" in node:
        node["additionalProperties"] = _structural(
            node["additionalProperties"],
            definitions,
            (*path, "[*]"),
            defaults=defaults,
            described=False,
        )
    if "items" in node:
        node["items"] = _structural(
            node["items"], definitions, (*path, "[]"), defaults=defaults, described=False
        )
    if node.get("type") == "integer":
        node["format"] = "int32" if node["maximum"] <= INT32_MAX else "int64"


def _shorten_default(node: dict[str, Any]) -> None:
    """Leave the empty parts out of a default: absent means empty.

    The rest stays in full, though the API server would fill it in: it checks a default against the
    object's rules as it stands.
    """
    default = node.get("default")
    if isinstance(default, Mapping):
        default = node["default"] = _without_empty(default)
    if default in ([], {}):
        del node["default"]


def _without_empty(value: Mapping[str, Any]) -> dict[str, Any]:
    """Drop nulls, and lists and maps without content, at every depth."""
    inner = {
        key: _without_empty(one) if isinstance(one, Mapping) else one for key, one in value.items()
    }
    return {key: one for key, one in inner.items() if one not in (None, [], {})}


def _ordered(node: dict[str, Any]) -> dict[str, Any]:
    """Put keys in the order in which people read a schema; extensions come last."""
    known = [key for key in _ORDER if key in node]
    return {key: node[key] for key in (*known, *(key for key in node if key not in _ORDER))}


def _prose(text: str) -> str:
    """Join a docstring's lines; an empty line stays a paragraph."""
    paragraphs = cleandoc(text).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _place(path: tuple[str, ...]) -> str:
    """Return the way from the root as users know it, without the names of schemas."""
    return "".join(step for step in path if not step.startswith(">"))


def _refuse(where: str, why: str) -> None:
    msg = f"{where or '.'} {why}"
    raise UnstructuralError(msg)
