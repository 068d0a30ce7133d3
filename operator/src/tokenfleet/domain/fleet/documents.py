"""Kubernetes objects from text: YAML documents, JSON, and lists as `kubectl get` writes them."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final, TypeVar

from tokenfleet.api.conventions import API_VERSION, GROUP, Model
from tokenfleet.api.names import DNS_LABEL_MAX, DNS_LABEL_WORDS, is_dns_label
from tokenfleet.api.refusals import refusals
from tokenfleet.api.v1alpha1.kinds import KINDS
from tokenfleet.api.yaml_scalars import read_as
from tokenfleet.domain.fleet.parsing import REMEDY, parsed
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.fleet.typos import unknown_fields
from tokenfleet.domain.fleet.yaml_text import UnreadableError, loaded

M = TypeVar("M", bound=Model)

Body = dict[str, Any]

KIND_NAMES: Final = tuple(kind.kind for kind, _ in KINDS)

SHOWN: Final = 40
"""Characters of something unexpected that a message repeats."""


class UnfitError(ValueError):
    """The input cannot be used; the message is one sentence for its user."""


def documents(text: str, source: str = "the file") -> list[Body]:
    """Return the objects of a text, those of lists one by one.

    Every object has a `kind`, and `metadata` with a name; that they are right says nobody.

    Args:
        text: YAML documents.
        source: what a message calls the text.

    Raises:
        UnfitError: it is no YAML, or holds something that is no object, or an object that was meant
            to be one of ours and is of no kind or version of ours.
    """
    try:
        found = loaded(text)
    except UnreadableError as error:
        msg = f"{source} {error}"
        raise UnfitError(msg) from error
    return [_checked(one, source) for body in found for one in _flat(body)]


def read(model: type[M], bodies: Iterable[Mapping[str, Any]]) -> list[M]:
    """Return the objects of one kind.

    Raises:
        UnfitError: one cannot be read, has a field that nobody reads, is there twice, or is one
            that the API server would refuse.
    """
    found: dict[tuple[str, str], M] = {}
    for body in bodies:
        if not is_a(model.__name__, body):
            continue
        name = body["metadata"]["name"]
        place = str(body["metadata"].get("namespace") or ""), name
        item = parsed(model, body)
        wrong = _wrong(item, body, model)
        if isinstance(item, Problem) or wrong:
            msg = f"{model.__name__} {name}: {wrong[0]}"
            raise UnfitError(msg)
        if place in found:
            msg = f"{model.__name__} {name} is in the file twice"
            raise UnfitError(msg)
        found[place] = item
    return list(found.values())


def is_a(kind: str, body: Mapping[str, Any]) -> bool:
    """Tell whether an object is of a kind of ours: others have a ModelRoute, too."""
    return body.get("kind") == kind and str(body.get("apiVersion")) == API_VERSION


def _wrong(item: Model | Problem, body: Mapping[str, Any], model: type[M]) -> list[str]:
    """Say what is wrong with an object; the rules of the CRD say best what to write instead."""
    refused = list(refusals(model, body))
    if isinstance(item, Problem):
        return [*refused, item.message.removesuffix(REMEDY)]
    return unknown_fields(item, body) or refused


def _flat(body: Any) -> Iterator[Any]:
    """Return the objects of a list; `items` of anything else are its own affair."""
    if isinstance(body, dict) and str(body.get("kind", "")).endswith("List"):
        items = body.get("items")
        yield from items if isinstance(items, list) else [body]  # refused where it is checked
    else:
        yield body


def _checked(body: Any, source: str) -> Body:
    if not isinstance(body, dict):
        msg = f"{source} holds {_shown(body)}, which is no Kubernetes object"
        raise UnfitError(msg)
    kind, metadata = body.get("kind"), body.get("metadata")
    if not isinstance(kind, str) or not kind:
        msg = f"{source} holds an object without `kind`"
        raise UnfitError(msg)
    if kind == "List":
        msg = f"{source} holds a List whose `items` is no list"
        raise UnfitError(msg)
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str):
        msg = f"{source} holds a {kind} without `metadata.name`"
        raise UnfitError(msg if name is None else f"{source} holds a {kind} {_no_text(name)}")
    namespace = body["metadata"].get("namespace")
    if not isinstance(namespace, str | None):
        msg = f"{kind} {name} in {source}: `metadata.namespace` is no text"
        raise UnfitError(msg)
    if namespace and not is_dns_label(namespace):
        msg = (
            f"{kind} {name} in {source}: `metadata.namespace` must be 1 to {DNS_LABEL_MAX}"
            f" {DNS_LABEL_WORDS}, not {namespace[:SHOWN]}"
        )
        raise UnfitError(msg)
    if meant := _meant(kind, str(body.get("apiVersion") or "")):
        msg = f"{source} holds {kind} {name}: {meant}"
        raise UnfitError(msg)
    return body


def _meant(kind: str, version: str) -> str:
    """Say what is wrong with an object that was meant to be ours; empty for every other."""
    group = version.partition("/")[0]
    if kind in KIND_NAMES:
        ours = group.startswith("tokenfleet") or not version
        wrong = f"`apiVersion` must be {API_VERSION}, " + (
            f"not {version}" if version else "not left out"
        )
        return wrong if ours and version != API_VERSION else ""
    lower = {name.lower(): name for name in KIND_NAMES}
    close = get_close_matches(kind.lower(), lower, n=1, cutoff=0.8)
    if group != GROUP and not (close and not version):
        return ""
    hint = f"write {lower[close[0]]}" if close else f"there are {', '.join(KIND_NAMES)}"
    return f"there is no such kind in {GROUP}; {hint}"


def _no_text(name: Any) -> str:
    kind = read_as(str(name))
    what = f"{str(name)[:SHOWN]}" if not isinstance(name, dict | list) else "no text"
    return f"whose `metadata.name` is {what}" + (
        f", which YAML reads as {kind}: write it in quotes" if kind else ", which is no text"
    )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
