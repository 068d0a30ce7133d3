"""Reasons: those of the page are those of the code; no page names a word that no code has."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import get_args

import pytest

from tests.house.condition_table import PAGE, rows
from tests.house.repository import ROOT, files, text
from tokenfleet.domain.fleet.decision_notes import REASONS
from tokenfleet.domain.fleet.troubles import KNOWN
from tokenfleet.domain.slo.reporting.views import Reason

SOURCE = Path("operator/src/tokenfleet")
WORD = re.compile(r"[A-Z][a-z]+[A-Za-z0-9]*")
MAKERS = {"Failure", "Problem", "Refusal", "Trouble", "_problem"}
"""Calls whose first words are a condition and its reason."""
FOREIGN = {
    "BackendTrafficPolicy": "a kind of Envoy Gateway",
    "Prune": "an option of Argo CD",
    "RespectIgnoreDifferences": "an option of Argo CD",
    "SecurityPolicy": "a kind of Envoy Gateway",
    "ValueError": "a name of Python",
    "SkipDryRunOnMissingResource": "an option of Argo CD",
}
"""Words of other projects' APIs, and whose they are."""
PAGES = [
    path
    for path in files()
    if path.suffix == ".md" and not {"decisions", "reference"} & set(path.parts)
]


@cache
def _trees() -> tuple[ast.AST, ...]:
    found = (path for path in files() if path.suffix == ".py" and SOURCE in path.parents)
    return tuple(ast.parse(text(path)) for path in found)


def _strings(node: ast.AST) -> set[str]:
    """Return the words in an expression."""
    return {
        one.value
        for one in ast.walk(node)
        if isinstance(one, ast.Constant)
        and isinstance(one.value, str)
        and WORD.fullmatch(one.value)
    }


@cache
def _known() -> frozenset[str]:
    """Return every word that the code writes."""
    return frozenset().union(*(_strings(tree) for tree in _trees()))


@cache
def _set_in_code() -> set[str]:
    """Return the reasons of conditions that appear in the code."""
    found = set(KNOWN.values())
    for tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "reason":
                found |= _strings(node.value)
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in MAKERS:
                for argument in node.args:
                    found |= _strings(argument)
    return found


def test_every_reason_of_the_code_is_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    told = {word for word in _set_in_code() if f"`{word}`" in page}
    events = set(REASONS.values()) | {"ShiftRemembered"}

    assert len(told) > 50
    assert _set_in_code() - told - events - {"Observe", "Unknown"} == set(), (
        "describe it in conditions.md"
    )


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_reason_of_a_rule_is_on_the_page(reason: str) -> None:
    assert f"`{reason}`" in PAGE.read_text(encoding="utf-8")


def test_every_reason_of_the_page_is_set_by_code() -> None:
    assert {row.reason for row in rows()} - _known() - {"OK"} == set()


def test_no_page_names_a_word_that_no_code_has() -> None:
    known = _known() | set(FOREIGN)
    unknown = {
        (str(page), word)
        for page in PAGES
        for quoted in re.findall(r"`([^`\n]+)`", text(page))
        for word in re.split(r"[^\w-]+", quoted)
        if WORD.fullmatch(word) and word not in known and not (ROOT / quoted).exists()
    }

    assert unknown == set()
