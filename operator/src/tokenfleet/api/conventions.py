"""What all kinds share: the base model and the markers that become CRD extensions.

A marker says in Python what the CRD must say to the API server: `CEL` becomes an entry of
`x-kubernetes-validations`, `ListMap`, `ListSet` and `ListAtomic` become `x-kubernetes-list-type`.
Each writes itself into pydantic's JSON schema, at the place where it stands; `crdgen` makes that
schema structural. Terms follow the Kubernetes API conventions (api-conventions.md of
sig-architecture).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from tokenfleet.api.names import DNS_LABEL, DNS_LABEL_MAX

GROUP: Final = "tokenfleet.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
CATEGORY: Final = "tokenfleet"

MANAGED_BY: Final = "tokenfleet"
"""Value of `app.kubernetes.io/managed-by` on every object the operator owns."""

VALIDATIONS: Final = "x-kubernetes-validations"
LIST_TYPE: Final = "x-kubernetes-list-type"
LIST_MAP_KEYS: Final = "x-kubernetes-list-map-keys"
MAP_TYPE: Final = "x-kubernetes-map-type"

OPERATOR_VERSION_LABEL: Final = f"{GROUP}/version"
POOL_LABEL: Final = f"{GROUP}/pool"
ROUTER_LABEL: Final = f"{GROUP}/router"
PREFETCH_LABEL: Final = f"{GROUP}/prefetch"
"""On pods that fill a pool's cache: they must not look like its replicas."""
WEIGHTS_LABEL: Final = f"{GROUP}/weights"
"""On what downloads or runs weights: which ones they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CEL:
    """One validation rule in the Common Expression Language, run by the API server."""

    rule: str
    message: str
    """What the user reads when the rule is false: lower case, names the field and the limit."""
    field_path: str = ""
    """JSON path below the marked place, for example `.spec.type`; empty means the place itself."""

    def entry(self) -> dict[str, str]:
        """Return the entry of `x-kubernetes-validations`."""
        path = {"fieldPath": self.field_path} if self.field_path else {}
        return {"rule": self.rule, "message": self.message, **path}

    def __get_pydantic_json_schema__(
        self, core: Any, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Add the rule after those of the markers before it."""
        schema = handler(core)
        return {**schema, VALIDATIONS: [*schema.get(VALIDATIONS, ()), self.entry()]}


@dataclass(frozen=True, slots=True)
class ListMap:
    """A list whose items are known by these keys (`x-kubernetes-list-type: map`)."""

    keys: tuple[str, ...]

    def __get_pydantic_json_schema__(
        self, core: Any, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Say so in the schema."""
        return {**handler(core), LIST_TYPE: "map", LIST_MAP_KEYS: list(self.keys)}


@dataclass(frozen=True, slots=True)
class ListSet:
    """A list of scalars without duplicates (`x-kubernetes-list-type: set`)."""

    def __get_pydantic_json_schema__(
        self, core: Any, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Say so in the schema."""
        return {**handler(core), LIST_TYPE: "set"}


@dataclass(frozen=True, slots=True)
class ListAtomic:
    """A list that has one owner as a whole (`x-kubernetes-list-type: atomic`)."""

    def __get_pydantic_json_schema__(
        self, core: Any, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Say so in the schema."""
        return {**handler(core), LIST_TYPE: "atomic"}


@dataclass(frozen=True, slots=True)
class Earlier:
    """Words that earlier releases stored in a field, each with today's word for it.

    They are read and not written: the schema does not have them, so the API server refuses them in
    a new object and keeps them in one that is stored (its ratcheting of values that stay).
    """

    words: Mapping[str, str] = field(hash=False)
    """Earlier word -> today's."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Read an earlier word as today's."""
        return core_schema.no_info_before_validator_function(self._today, handler(source))

    def _today(self, value: Any) -> Any:
        return self.words.get(value, value) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class PrinterColumn:
    """One column of `kubectl get`."""

    name: str
    json_path: str
    type: str = "string"
    priority: int = 0
    """0 shows always, 1 only with `-o wide`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Where the `scale` subresource finds its numbers; the selector is `.status.selector`."""

    spec: str = ".spec.replicas"
    """Wanted replicas."""
    status: str = ".status.replicas"
    """Replicas that exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """The names of one custom resource, and what `kubectl get` prints of it."""

    kind: str
    plural: str
    singular: str
    short_name: str
    columns: tuple[PrinterColumn, ...]
    scale: Scale | None = None
    """Adds the `scale` subresource; None leaves it out."""


class Model(BaseModel):
    """Base of every API type: camelCase on the wire, immutable here, tolerant of newer fields.

    Unknown fields are ignored so that an older operator can read objects of a newer CRD; the API
    server prunes and, with strict validation, refuses them for users.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    validations: ClassVar[tuple[CEL, ...]] = ()
    """Rules over the whole object, with `self` bound to it."""
    atomic: ClassVar[bool] = False
    """Whether it has one owner as a whole (`x-kubernetes-map-type: atomic`): who applies it takes
    all of it over, and who leaves it out removes all of it. Otherwise each field has its owners,
    and what one of them leaves behind may lack what is required."""

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return the object itself: it never changes.

        Pydantic copies each default that it fills in, and that was most of the cost of reading.
        """
        del memo
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: Any, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Add the rules to the object's schema."""
        schema = handler.resolve_ref_schema(handler(core))
        if cls.validations:
            schema[VALIDATIONS] = [rule.entry() for rule in cls.validations]
        if cls.atomic:
            schema[MAP_TYPE] = "atomic"
        return schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member of a union: the values that choose it, and whether it may be absent then."""

    chosen_by: tuple[str, ...]
    optional: bool = False
    """Absent means its defaults."""


class Union(Model):
    """An object in which one field chooses which of the others counts.

    The rule has one direction: the chosen member must be set, and what is left over of another
    choice is accepted and ignored. So one field changes the choice, by a patch and by a tool that
    applies only the fields that it knows: `type: Auto` over somebody's pin, for example. What is
    left over is dropped when an object is read, so no code can look at it by mistake.
    """

    discriminator: ClassVar[str] = "type"
    """The field that chooses, by its JSON name."""
    members: ClassVar[Mapping[str, Member]] = {}
    """Member, by its JSON name."""

    @classmethod
    def choice(cls) -> tuple[str, FieldInfo]:
        """Return the field that chooses, with its name here."""
        named = ((field.alias or name, name) for name, field in cls.model_fields.items())
        name = next(name for alias, name in named if alias == cls.discriminator)
        return name, cls.model_fields[name]

    @classmethod
    def rules(cls) -> tuple[CEL, ...]:
        """Return the rules that the API server checks: chosen members are there."""
        return tuple(
            CEL(
                rule=" && ".join(f"self.{cls.discriminator} != '{v}'" for v in member.chosen_by)
                + f" || has(self.{name})",
                message=f"{name} must be set when {cls.discriminator} is"
                f" {' or '.join(member.chosen_by)}",
                field_path=f".{name}",
            )
            for name, member in cls.members.items()
            if not member.optional
        )

    @model_validator(mode="before")
    @classmethod
    def _drop_what_is_left_over(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        name, field = cls.choice()
        chosen = data.get(cls.discriminator, data.get(name, field.default))
        gone = {name for name, member in cls.members.items() if chosen not in member.chosen_by}
        return {key: value for key, value in data.items() if to_camel(key) not in gone}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: Any, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Add the rules of the union before those of the object."""
        schema = handler.resolve_ref_schema(handler(core))
        if rules := (*cls.rules(), *cls.validations):
            schema[VALIDATIONS] = [rule.entry() for rule in rules]
        return schema


def named(longest: int, reason: str) -> CEL:
    """State what an object's own name must be, for the root of a kind.

    Args:
        longest: most characters.
        reason: why, for the message.
    """
    return CEL(
        rule=f"size(self.metadata.name) <= {longest}"
        f" && self.metadata.name.matches('{SERVICE_NAME}')",
        message=f"metadata.name must be at most {longest} lower-case letters, digits and dashes,"
        f" and begin with a letter: {reason}",
    )


def named_once(what: str, *, namespaced: bool = False) -> CEL:
    """State that a list of references names nothing twice.

    The lists themselves are atomic, as in the Gateway API: a key could never be added to them, and
    `sectionName` may have to become part of it.

    Args:
        what: what is named, for the message.
        namespaced: the references have an optional `namespace`. One that gives the object's own is
            not recognised as a repetition: rules do not see the namespace of an object.
    """
    # `namespace` is a reserved word of CEL; the API server escapes it.
    place = (
        " && (has(one.__namespace__) ? one.__namespace__ : '')"
        " == (has(other.__namespace__) ? other.__namespace__ : '')"
    )
    same = f"other.name == one.name{place if namespaced else ''}"
    return CEL(
        rule=f"self.all(one, self.exists_one(other, {same}))",
        message=f"must not name a {what} twice",
    )


SERVICE_NAME: Final = "^[a-z]([-a-z0-9]*[a-z0-9])?$"
"""RFC 1035 label, the form of a Service's name."""
LABEL_VALUE: Final = r"^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
HEADER_NAME: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"

ObjectName = Annotated[str, Field(min_length=1, max_length=DNS_LABEL_MAX, pattern=DNS_LABEL)]
"""Name of an object in the same namespace."""

DNS_SUBDOMAIN: Final = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
"""RFC 1123 subdomain, the form of names of Secrets, claims and classes."""

SubdomainName = Annotated[str, Field(min_length=1, max_length=253, pattern=DNS_SUBDOMAIN)]
"""Name of an object of a kind whose names may hold dots."""

MetricLabel = Annotated[str, Field(min_length=1, max_length=63, pattern=LABEL_VALUE)]
"""A value that becomes a metric label: a feature or a request type."""

HeaderName = Annotated[str, Field(min_length=1, max_length=63, pattern=HEADER_NAME)]
"""Name of an HTTP header, lower case (RFC 9113 section 8.2.1)."""

Count = Annotated[int, Field(ge=0, le=9_007_199_254_740_991)]
"""A number that only grows; at most 2^53 - 1, the largest integer that every JSON reader keeps."""

PublicModelName = Annotated[
    str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$")
]
"""What clients write in the field `model` of an OpenAI request, and what engines answer to."""


class LocalReference(Model):
    """Reference to an object in the same namespace."""

    name: ObjectName
    """Name of the referent."""


class NamespacedReference(LocalReference):
    """Reference to an object that may be in another namespace."""

    namespace: ObjectName | None = None
    """Namespace of the referent; absent means the same."""
