"""The part of the Common Expression Language in which the rules of our CRDs are written.

The API server judges objects by these rules (cel.dev, the language definition; the Kubernetes
libraries of k8s.io/apiserver). A file that is read without a cluster is judged by the same text, so
that nothing is tried out that could never be stored. The grammar, loosest first:

    expr     = or ["?" or ":" expr]
    or       = and {"||" and}            and  = rel {"&&" rel}
    rel      = sum {("=="|"!="|"<"|"<="|">"|">="|"in") sum}
    sum      = prod {("+"|"-") prod}     prod = unary {("*"|"/"|"%") unary}
    unary    = {"!"|"-"} postfix
    postfix  = atom {"." name ["(" args ")"] | "[" expr "]"}
    atom     = number | string | name ["(" args ")"] | "(" expr ")" | "[" args "]"

Not here, because no rule uses it: maps, bytes, timestamps, optional values, conversions of types
that JSON does not have. A test holds every rule of every kind to what the API server says.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Final, NoReturn
from urllib.parse import SplitResult, urlsplit

from tokenfleet.api.quantities import parse_quantity

Scope = Mapping[str, Any]
Evaluate = Callable[[Scope], Any]

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<string>'(?:[^'\\]|\\.)*')|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign>\|\||&&|[=!<>]=|[-+*/%<>!?:.,()\[\]]))"
)
_ESCAPED_NAME: Final = re.compile(r"__(\w+)__")
"""How Kubernetes writes a field whose name is a word of the language."""

_LEVELS: Final[Sequence[Mapping[str, Callable[[Any, Any], Any]]]] = (
    {
        "==": operator.eq,
        "!=": operator.ne,
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
        "in": lambda one, many: one in many,
    },
    {"+": operator.add, "-": operator.sub},
    {"*": operator.mul, "/": operator.floordiv, "%": operator.mod},
)
"""Operators that evaluate both sides, loosest first."""


class CelError(ValueError):
    """An expression cannot be read, or has no value for what it was asked about."""


@cache
def compiled(expression: str) -> Evaluate:
    """Return an expression as a function of what its names stand for.

    Raises:
        CelError: it is none, or uses what this part of the language does not have. The function
            raises it too, where a field is absent or a value has another type.
    """
    evaluate = _Parser(expression).whole()

    def guarded(scope: Scope) -> Any:
        try:
            return evaluate(scope)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise CelError(str(error)) from error

    return guarded


@dataclass(frozen=True, slots=True)
class _Node:
    """A part of an expression; the last field that it selects is what `has` asks for."""

    evaluate: Evaluate
    operand: Evaluate | None = None
    field: str = ""


class _Parser:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, expression: str) -> None:
        self._tokens = _tokens(expression)
        self._at = 0

    def whole(self) -> Evaluate:
        evaluate = self._expression()
        if self._at < len(self._tokens):
            _refuse(f"{self._tokens[self._at]} does not belong there")
        return evaluate

    def _expression(self) -> Evaluate:
        condition = self._either()
        if not self._takes("?"):
            return condition
        yes = self._either()
        self._expect(":")
        no = self._expression()
        return lambda scope: yes(scope) if condition(scope) else no(scope)

    def _either(self) -> Evaluate:
        left = self._both()
        while self._takes("||"):
            left = _either(left, self._both())
        return left

    def _both(self) -> Evaluate:
        left = self._binary(0)
        while self._takes("&&"):
            left = _both(left, self._binary(0))
        return left

    def _binary(self, level: int) -> Evaluate:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while (sign := self._peek()) in _LEVELS[level]:
            self._at += 1
            left = _applied(_LEVELS[level][sign], left, self._binary(level + 1))
        return left

    def _unary(self) -> Evaluate:
        if self._takes("!"):
            operand = self._unary()
            return lambda scope: not operand(scope)
        if self._takes("-"):
            operand = self._unary()
            return lambda scope: -operand(scope)
        return self._postfix().evaluate

    def _postfix(self) -> _Node:
        node = self._atom()
        while self._peek() in {".", "["}:
            if self._takes("["):
                index = self._expression()
                self._expect("]")
                node = _Node(_applied(operator.getitem, node.evaluate, index))
                continue
            self._expect(".")
            name = self._name()
            node = (
                self._method(node.evaluate, name)
                if self._takes("(")
                else _selected(node.evaluate, name)
            )
        return node

    def _atom(self) -> _Node:
        word = self._next()
        if word == "(":
            inner = self._expression()
            self._expect(")")
            return _Node(inner)
        if word == "[":
            items = self._arguments("]")
            return _Node(lambda scope: [item(scope) for item in items])
        if word[0] == "'":
            text = re.sub(r"\\(.)", r"\1", word[1:-1])
            return _Node(lambda _: text)
        if word[0].isdigit():
            number = float(word) if "." in word else int(word)
            return _Node(lambda _: number)
        return self._named(word)

    def _named(self, name: str) -> _Node:
        if self._takes("("):
            return self._has() if name == "has" else self._function(name)
        if name in _NAMES:
            return _Node(lambda _: _NAMES[name])
        return _Node(lambda scope: scope[name])

    def _has(self) -> _Node:
        asked = self._postfix()
        self._expect(")")
        operand, field = asked.operand, asked.field
        if operand is None:
            _refuse("has() takes a field")
        return _Node(lambda scope: field in operand(scope))

    def _function(self, name: str) -> _Node:
        call = _FUNCTIONS.get(name) or _refuse(f"there is no function {name}")
        arguments = self._arguments(")")
        return _Node(lambda scope: call(*(one(scope) for one in arguments)))

    def _method(self, target: Evaluate, name: str) -> _Node:
        if name in _MACROS:
            variable = self._name()
            self._expect(",")
            body = self._expression()
            self._expect(")")
            return _Node(_over(_MACROS[name], target, variable, body))
        call = _METHODS.get(name) or _refuse(f"there is no method {name}")
        arguments = self._arguments(")")
        return _Node(lambda scope: call(target(scope), *(one(scope) for one in arguments)))

    def _arguments(self, end: str) -> list[Evaluate]:
        found: list[Evaluate] = []
        while not self._takes(end):
            if found:
                self._expect(",")
            found.append(self._expression())
        return found

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek() or _refuse("it ends too early")
        self._at += 1
        return token

    def _takes(self, token: str) -> bool:
        found = self._peek() == token
        self._at += found
        return found

    def _expect(self, token: str) -> None:
        if not self._takes(token):
            _refuse(f"{token} is expected where {self._peek() or 'it ends'}")

    def _name(self) -> str:
        name = self._next()
        escaped = _ESCAPED_NAME.fullmatch(name)
        return escaped[1] if escaped else name


def _tokens(expression: str) -> list[str]:
    text, at, found = expression.rstrip(), 0, []
    while at < len(text):
        token = _TOKEN.match(text, at) or _refuse(f"{text[at:][:20]!r} cannot be read")
        found.append(token[0].strip())
        at = token.end()
    return found


def _refuse(why: str) -> NoReturn:
    raise CelError(why)


def _either(left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda scope: left(scope) or right(scope)


def _both(left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda scope: left(scope) and right(scope)


def _applied(call: Callable[[Any, Any], Any], left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda scope: call(left(scope), right(scope))


def _selected(operand: Evaluate, field: str) -> _Node:
    return _Node(lambda scope: operand(scope)[field], operand, field)


def _over(
    macro: Callable[[Iterable[tuple[Any, Any]]], Any],
    many: Evaluate,
    variable: str,
    body: Evaluate,
) -> Evaluate:
    """Give a macro each member with the value that the body has for it; keys, of a map."""
    return lambda scope: macro((one, body({**scope, variable: one})) for one in list(many(scope)))


def _duration(text: str) -> timedelta:
    """Read a duration of Go, of whole numbers: wider than the API's own form, `600000ms`."""
    parts = re.findall(r"([0-9]+)(ms|h|m|s)", text)
    if "".join(map("".join, parts)) != text or not text:
        msg = f"{text!r} is no duration"
        raise ValueError(msg)
    return sum((int(count) * _UNITS[unit] for count, unit in parts), timedelta())


def _matches(text: str, pattern: str) -> bool:
    # RE2's `$` is the end of the text; Python's would also stand before a last line's end.
    return re.search(re.sub(r"(?<!\\)\$", r"\\Z", pattern), text) is not None


def _compared(one: Any, other: Any) -> int:
    return int(one > other) - int(one < other)


def _port(address: SplitResult) -> str:
    return "" if address.port is None else str(address.port)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme)


def _sum(values: Sequence[Any]) -> Any:
    return sum(values[1:], start=values[0]) if values else 0


_UNITS: Final[Mapping[str, timedelta]] = {
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_NAMES: Final[Mapping[str, Any]] = {
    "true": True,
    "false": False,
    "int": int,
    "string": str,
    "bool": bool,
}
_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "size": len,
    "type": type,
    "string": str,
    "int": int,
    "double": float,
    "duration": _duration,
    "quantity": parse_quantity,
    "url": urlsplit,
    "isURL": _is_url,
}
_METHODS: Final[Mapping[str, Callable[..., Any]]] = {
    "size": len,
    "matches": _matches,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "split": str.split,
    "upperAscii": str.upper,
    "lowerAscii": str.lower,
    "sum": _sum,
    "compareTo": _compared,
    "getPort": _port,
}
_MACROS: Final[Mapping[str, Callable[[Iterable[tuple[Any, Any]]], Any]]] = {
    "all": lambda found: all(value for _, value in found),
    "exists": lambda found: any(value for _, value in found),
    "exists_one": lambda found: sum(bool(value) for _, value in found) == 1,
    "filter": lambda found: [one for one, value in found if value],
    "map": lambda found: [value for _, value in found],
}
