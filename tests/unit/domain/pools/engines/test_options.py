"""Which arguments of a user are refused, by the grammar of the engine's parser."""

import pytest

from tokenfleet.domain.pools.engines.options import END, STRAY, Grammar

TABLE = {"--model-path": "a field sets it", "--revision": "a field sets it", "-np": "slots"}
BEGINNINGS = Grammar(refused=TABLE, abbreviated=True, whole=frozenset({"--model"}))
EXACT = Grammar(refused=TABLE, abbreviated=False)


@pytest.mark.parametrize(
    ("grammar", "arguments", "refused"),
    [
        pytest.param(EXACT, ["--model-path", "m"], ["--model-path"], id="an option and its value"),
        pytest.param(EXACT, ["--model-path=m"], ["--model-path"], id="both in one word"),
        pytest.param(EXACT, ["-np", "8"], ["-np"], id="a short option"),
        pytest.param(EXACT, ["--model-pa=m"], [], id="a beginning, where the parser takes none"),
        pytest.param(BEGINNINGS, ["--model-pa=m"], ["--model-pa"], id="a beginning"),
        pytest.param(BEGINNINGS, ["--model=m"], [], id="another option that is one whole"),
        pytest.param(BEGINNINGS, ["--other", "1"], [], id="an option and its value, free"),
    ],
)
def test_an_option_is_refused_as_the_parser_reads_it(
    grammar: Grammar, arguments: list[str], refused: list[str]
) -> None:
    assert [flag for flag, _ in grammar.refusals(arguments)] == refused


def test_a_word_that_belongs_to_no_option_is_refused() -> None:
    assert EXACT.refusals(["--other=1", "stray"]) == (("stray", STRAY),)


def test_the_end_of_options_is_refused() -> None:
    assert EXACT.refusals(["--other", "1", "--"]) == (("--", END),)
