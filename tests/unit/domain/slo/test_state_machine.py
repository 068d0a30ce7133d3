"""The drawing at the top of state_machine.py, the code and the explanations name the same transitions."""

import ast
import inspect
import re

from tokenfleet.domain.fleet import edits
from tokenfleet.domain.slo.control import carry_over, cost_bound, freezes, rule_step, state_machine
from tokenfleet.domain.slo.reporting import explanations

ROW = re.compile(r"^    (P\d|T\d+[hr]?) ", re.MULTILINE)


def drawn() -> set[str]:
    assert state_machine.__doc__ is not None
    return set(ROW.findall(state_machine.__doc__))


def coded() -> set[str]:
    names = set()
    for module in (state_machine, cost_bound, freezes, rule_step, carry_over, edits):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                names |= {node.value} & {*re.findall(r"^[PT]\d+[hr]?$", node.value)}
    return names


def test_every_transition_is_drawn_coded_and_explained() -> None:
    # P1 is the absence of a transition: hold.
    assert drawn() - {"P1"} == coded()
    assert coded() == set(explanations._TEXTS)


def test_the_code_tries_them_in_the_order_of_the_drawing() -> None:
    def named(function) -> str:
        return re.match(r"(\S+?)[:,]", function.__doc__).group(1)

    order = [named(function) for function in (*state_machine.BLIND, *state_machine.SEEING)]
    rows = [name for name in ROW.findall(state_machine.__doc__) if name in order]

    assert order == rows
