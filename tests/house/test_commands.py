"""Commands on pages can be copied: found, filled in and run by a story, or marked with the reason.

`e2e/stories/test_pages.py` runs them; here stands what holds without a cluster.
"""

import argparse
import importlib
import re

import pytest

from e2e.kit.pages import PLACEHOLDER, Block, blocks, pages
from tests.house.repository import ROOT
from tokenfleet.cli.main import COMMANDS


def helped(name: str) -> str:
    """Return what a command of ours says with `--help`."""
    made = argparse.ArgumentParser().add_subparsers()
    importlib.import_module(f"tokenfleet.cli.{name}").add_parser(made)
    text: str = made.choices[name].format_help()
    return text


UNFIT = 12
"""Most blocks that may be marked as not run. A mark needs a reason that a reader can follow."""
PROGRAMS = re.compile(r"^(\$ )?(kubectl|helm|tokenfleet|curl|make|git|pip|python3?) ", re.MULTILINE)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = pages()
BLOCKS = [block for page in PAGES for block in blocks(page)]
HELM = [
    pytest.param(command, id=f"{block}: {command[:40]}")
    for block in BLOCKS
    for command in block.commands()
    if command.startswith(("helm upgrade", "helm install"))
]
HELP = [
    pytest.param(command.replace("\\\n", " "), id=f"tokenfleet {name} --help")
    for name in COMMANDS
    for command in re.findall(r"helm upgrade (?:.*\\\n)*.*", helped(name))
]


def test_there_are_commands() -> None:
    assert len(BLOCKS) > 35
    assert HELP


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_what_a_reader_types_stands_in_a_console_block(page: object) -> None:
    text = (ROOT / str(page)).read_text(encoding="utf-8")

    assert [
        body
        for language, body in FENCE.findall(text)
        if language != "console" and PROGRAMS.search(body)
    ] == [], "mark the fence as console, so that the commands are tested"


def test_few_blocks_are_not_run_and_each_says_why() -> None:
    unfit = [block for block in BLOCKS if block.unfit]

    assert len(unfit) <= UNFIT, [(str(block), block.unfit) for block in unfit]
    assert [str(block) for block in unfit if len(block.unfit.split()) < 3] == []


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_words_to_fill_in_are_known(block: Block) -> None:
    """A misspelt placeholder would be pasted as it stands."""
    words = re.findall(r"(?<![\w{$/.-])[A-Z]{2,}(?![\w}=-])", "\n".join(block.commands()))

    assert {word for word in words if not PLACEHOLDER.fullmatch(word)} - {"EOF"} == set()


@pytest.mark.parametrize("command", [*HELM, *HELP])
def test_a_release_is_named_with_its_namespace_and_keeps_its_values(command: str) -> None:
    """Without the namespace Helm makes a second release; without the values it forgets them."""
    words = command.split()

    assert {"--namespace", "-n"} & set(words)
    assert {"--install", "--reset-then-reuse-values", "--values"} & set(words)


def test_decisions_are_looked_for_where_they_are_told() -> None:
    """Events about decisions are those of the ModelRoute."""
    text = "\n".join(block.text for block in BLOCKS)
    kinds = set(re.findall(r"involvedObject\.kind=(\w+)", text))

    assert kinds == {"ModelRoute"}


def test_no_command_applies_the_whole_gallery() -> None:
    """Examples hold gated models and many GPUs: nobody wants all of them."""
    folders = re.compile(r"-f \S*examples/?(\s|$)")

    assert [str(block) for block in BLOCKS if folders.search(block.text)] == []
