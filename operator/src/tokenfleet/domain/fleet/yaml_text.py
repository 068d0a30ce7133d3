"""YAML documents from text as kubectl reads them: a key that stands twice is an error."""

from collections.abc import Hashable
from typing import Any, Final

import yaml

MERGE: Final = "tag:yaml.org,2002:merge"


class UnreadableError(ValueError):
    """A text is no YAML; the message says what is wrong, and at which line."""


def loaded(text: str) -> list[Any]:
    """Return the documents of a text, empty ones left out.

    Raises:
        UnreadableError: it is no YAML.
    """
    try:
        return [body for body in yaml.load_all(text, _Loader) if body is not None]
    except yaml.YAMLError as error:
        raise UnreadableError(_said(error, text)) from error
    except RecursionError as error:
        msg = "is nested too deeply to be YAML of Kubernetes objects"
        raise UnreadableError(msg) from error
    except ValueError as error:  # such as a date that the calendar does not have
        msg = f"is no YAML of Kubernetes objects: {error}; quote what is a text"
        raise UnreadableError(msg) from error


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which would take the last of two equal keys without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's own signature
        """Construct a mapping.

        Raises:
            yaml.constructor.ConstructorError: a key stands twice.
        """
        seen: set[str] = set()
        keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if key.tag != MERGE and key.value in seen:
                problem = f"key {key.value} stands there twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        # Keys of JSON are texts: `1: x` is "1", as for kubectl.
        return {
            key if isinstance(key, str) else str(key): value
            for key, value in super().construct_mapping(node, deep=deep).items()
        }


def _said(error: yaml.YAMLError, text: str) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None)
    if mark is None or not problem:
        return f"is no YAML: {' '.join(str(error).split())}"
    line = text.splitlines()[mark.line : mark.line + 1]
    return f"is no YAML: line {mark.line + 1}, column {mark.column + 1}: {problem}{_hint(line)}"


def _hint(line: list[str]) -> str:
    """Say what to do about the errors that newcomers make most."""
    text = "".join(line)
    if "{{" in text:
        return "; a Helm template must be rendered first, by `helm template`"
    if text[: len(text) - len(text.lstrip())].count("\t"):
        return "; indent with spaces instead of tabs"
    return ""
