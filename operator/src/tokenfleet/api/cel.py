"""The rules of our CRDs, evaluated as the API server evaluates them.

The language is the Common Expression Language (cel.dev), and the library of that name evaluates it.
Here are the functions of the Kubernetes libraries (k8s.io/apiserver, pkg/cel/library) that our
rules use. A test holds every rule of every kind to what the API server says.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

from tokenfleet.api.units import parse_quantity

Evaluate = Callable[[Any], Any]

_ESCAPED_NAME: Final = re.compile(r"\b__(\w+?)__\b")
"""How Kubernetes writes a field whose name is a word of the language."""


class CelError(ValueError):
    """An expression cannot be read, or has no value for what it was asked about."""


@cache
def compiled(expression: str) -> Evaluate:
    """Return an expression as a function of what `self` stands for.

    Raises:
        CelError: it is none. The function raises it where another function is not known, a field
            is absent, or a value has another type.
    """
    import cel  # noqa: PLC0415  half a second, which only commands that read files need

    try:
        program = cel.compile(_ESCAPED_NAME.sub(r"\1", expression))
    except ValueError as error:
        raise CelError(str(error)) from error
    context = cel.Context(functions=dict(_FUNCTIONS))

    def evaluate(value: Any) -> Any:
        context.add_variable("self", value)
        try:
            return program.execute(context)
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise CelError(str(error)) from error

    return evaluate


def _quantity(text: str) -> float:
    return float(parse_quantity(text))


def _compared(one: float, other: float) -> int:
    return int(one > other) - int(one < other)


def _is_url(text: str) -> bool:
    try:
        return bool(urlsplit(text).scheme)
    except ValueError:
        return False


def _url(text: str) -> dict[str, str]:
    port = urlsplit(text).port
    return {"port": "" if port is None else str(port)}


def _sum(spans: Sequence[timedelta]) -> timedelta:
    return sum(spans, start=timedelta())


_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "compareTo": _compared,
    "getPort": lambda address: address["port"],
    "isURL": _is_url,
    "lowerAscii": str.lower,
    "quantity": _quantity,
    "split": str.split,
    "sum": _sum,
    "upperAscii": str.upper,
    "url": _url,
}
"""By name; a method's first argument is what it is called on."""
