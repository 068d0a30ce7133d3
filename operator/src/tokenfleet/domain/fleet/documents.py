"""Kubernetes objects from text: YAML documents, JSON, and lists as `kubectl get` writes them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

import yaml

from tokenfleet.api.conventions import Model
from tokenfleet.domain.fleet.parsing import parsed
from tokenfleet.domain.fleet.problems import Problem
from tokenfleet.domain.fleet.typos import unknown_fields

M = TypeVar("M", bound=Model)

Body = dict[str, Any]

SHOWN: Final = 40
"""Characters of something unexpected that a message repeats."""


class UnfitError(ValueError):
    """The input cannot be used; the message is one sentence for its user."""


def documents(text: str) -> list[Body]:
    """Return the objects of a text, those of lists one by one.

    Every object has a `kind`, and `metadata` with a name; that they are right says nobody.

    Raises:
        UnfitError: it is no YAML, or holds something that is no object.
    """
    try:
        found = [body for body in yaml.safe_load_all(text) if body is not None]
    except yaml.YAMLError as error:
        msg = f"the file is no YAML: {' '.join(str(error).split())}"
        raise UnfitError(msg) from error
    except RecursionError as error:
        msg = "the file is nested too deeply to be YAML of Kubernetes objects"
        raise UnfitError(msg) from error
    except ValueError as error:  # such as a date that the calendar does not have
        msg = f"the file is no YAML of Kubernetes objects: {error}; quote what is a text"
        raise UnfitError(msg) from error
    return [_checked(one) for body in found for one in _flat(body)]


def read(model: type[M], bodies: Iterable[Mapping[str, Any]]) -> list[M]:
    """Return the objects of one kind.

    Raises:
        UnfitError: one cannot be read, or has a field that nobody reads.
    """
    found = []
    for body in bodies:
        if body.get("kind") != model.__name__:
            continue
        item = parsed(model, body)
        wrong = [item.message] if isinstance(item, Problem) else unknown_fields(item, body)
        if isinstance(item, Problem) or wrong:
            msg = f"{model.__name__} {body['metadata']['name']}: {wrong[0]}"
            raise UnfitError(msg)
        found.append(item)
    return found


def _flat(body: Any) -> Iterator[Any]:
    """Return the objects of a list; `items` of anything else are its own affair."""
    if isinstance(body, dict) and str(body.get("kind", "")).endswith("List"):
        items = body.get("items")
        yield from items if isinstance(items, list) else []
    else:
        yield body


def _checked(body: Any) -> Body:
    if not isinstance(body, dict):
        msg = f"the file holds {_shown(body)}, which is no Kubernetes object"
        raise UnfitError(msg)
    kind, metadata = body.get("kind"), body.get("metadata")
    if not isinstance(kind, str) or not kind:
        msg = "the file holds an object without `kind`"
        raise UnfitError(msg)
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        msg = f"the file holds a {kind} without `metadata.name`, or with one that is no text"
        raise UnfitError(msg)
    if not isinstance(metadata.get("namespace", ""), str | None):
        msg = f"{kind} {metadata['name']}: `metadata.namespace` is no text"
        raise UnfitError(msg)
    return body


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
