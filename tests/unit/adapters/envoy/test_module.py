"""What Envoy's log says of the native module."""

import pytest

from tokenfleet.adapters.envoy.module import abi_problem

INFO = "[info][dynamic_modules] Dynamic module ABI version v0.2.0 matched.\n"
WARNING = (
    "[warning][dynamic_modules] Dynamic module ABI version v0.1.9 is deprecated. Please recompile"
    " the module against the SDK with the exact Envoy version used by the main program.\n"
)


@pytest.mark.parametrize(
    ("log", "said"),
    [
        pytest.param(f"starting\n{INFO}configuration OK\n", "", id="its own"),
        pytest.param(WARNING, "ABI version v0.1.9", id="another one's"),
        pytest.param(INFO + WARNING, "ABI version v0.1.9", id="two modules, one of them another's"),
        pytest.param("configuration OK\n", "did not say", id="no word of it"),
    ],
)
def test_the_version_must_be_said_to_match(log: str, said: str) -> None:
    problem = abi_problem(log)

    assert (problem == "") == (said == "")
    assert said in problem
