"""Which words YAML reads as something else than a string where they stand without quotes.

The readers that matter are kubectl's and Helm's (sigs.k8s.io/yaml over go-yaml 2: YAML 1.1 as in
yaml.org/type, with a few forms of 1.2) and PyYAML's (YAML 1.1, without `y`, `n` and `1e3`). A word
counts as soon as one of them reads it otherwise.
"""

import re
from typing import Final

_WORDS: Final = {
    "a boolean": "y yes true on n no false off",
    "null": "~ null",
    "a merge key": "<<",
    "a default key": "=",
}
_CASED: Final = {
    form: kind
    for kind, words in _WORDS.items()
    for word in words.split()
    for form in (word, word.capitalize(), word.upper())
} | {"": "null"}

_FORMS: Final = {
    "a number": re.compile(
        r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"
        r"|([0-9][0-9_]*(\.[0-9_]*)?|\.[0-9][0-9_]*)([eE][-+]?[0-9]+)?|\.(inf|Inf|INF))"
        r"|\.(nan|NaN|NAN)"
    ),
    "a date": re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?"),
}


def read_as(text: str) -> str:
    """Return what a plain scalar is read as: `a boolean`, `a number`; empty for a string."""
    if text in _CASED:
        return _CASED[text]
    return next((kind for kind, form in _FORMS.items() if form.fullmatch(text)), "")
