"""Load files and faults: what is wrong is said with its field, the limit and what to write."""

from typing import Any

import pytest

from tokenfleet.cli.stated import stated
from tokenfleet.simulation.forecast import StatedLoad
from tokenfleet.simulation.written import WrittenError, WrittenFault

RULE = {"rules": {"chat": {"rate": 1}}}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"lasts": "0s"}, "lasts: must be more than 0, not 0s"),
        ({"lasts": -5}, "lasts: must be at least 0, not -5"),
        ({"lasts": "200h"}, "lasts: must be at most 168h, not 200h"),
        ({"lasts": [1]}, "lasts: must be a duration such as 90s, 30m or 2h"),
        ({"lasts": "9"},
         "lasts: '9' is not a duration such as 500ms, 30s, 10m or 1h30m: give it a unit, as in 9s"),
        ({"pools": {"large": {"service": {}}}},
         "pools.large.service: must be a duration such as 90s, 30m or 2h"),
        ({"rules": [1]}, "rules: must be fields"),
        ({"rules": {"chat": 5}}, "rules.chat: must be fields, not 5"),
        ({"rules": {"chat": {}}}, "rules.chat.rate: must be given"),
        ({"rules": {"chat": {"rat": 1}}},
         "rules.chat.rate: must be given; write rate in place of rat?"),
        ({"rules": {"chat": {"rate": "fast"}}}, "rules.chat.rate: must be a number, not fast"),
        ({"rules": {"chat": {"rate": -1}}}, "rules.chat.rate: must be at least 0, not -1"),
        ({"rules": {"chat": {"rate": 1, "turns": 1.5}}},
         "rules.chat.turns: must be a whole number, not 1.5"),
        ({"rules": {"chat": {"rate": 1, "fickle": 60}}},
         "rules.chat.fickle: must be at most 1, not 60"),
        ({"rules": {"chat": {"rate": 1, "episodes": 5}}},
         "rules.chat.episodes: must be a list, not 5"),
        ({"rules": {"chat": {"rate": 1, "episodes": [{"rate": 1, "until": []}]}}},
         "rules.chat.episodes.0.until: must be a duration such as 90s, 30m or 2h"),
        ({"pools": {"large": {"overload": "Panic"}}},
         "pools.large.overload: must be Queue, Sharing or Linear, not Panic"),
        ({"pools": {"large": {"speaks": "maybe"}}},
         "pools.large.speaks: must be true or false, not maybe"),
        ({"pools": {"large": {"replica": 2}}},
         "pools.large.replica: there is no such field; write replicas?"),
        ({"faults": [5]}, "faults.0: must be fields, not 5"),
        ({"patience": None}, "patience: must be a duration such as 90s, 30m or 2h"),
        ({"jitter": 1},
         "jitter: there is no such field; there are dropped, faults, lasts, patience, pools, rules"),
    ],
    ids=str,
)  # fmt: skip
def test_every_refusal_says_what_to_write(body: dict[str, Any], said: str) -> None:
    with pytest.raises(WrittenError) as refused:
        stated(StatedLoad, body, "load.yaml")

    assert str(refused.value) == f"load.yaml: {said}"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"pool": "large", "type": "Gone"},
         "type: must be Slow, Errors, Late, Hang or Outage, not Gone"),
        ({"type": "Outage"}, "pool: must be given"),
        ({"pool": "large", "type": "Slow", "factor": "x"}, "factor: must be a number, not x"),
        ({"pool": "large", "type": "Slow", "factor": 2, "period": "0s"},
         "period: must be more than 0, not 0s"),
        ({"pool": "large", "type": "Slow"},
         "factor must be at least 1 for type Slow: how many times as long it takes"),
    ],
    ids=str,
)  # fmt: skip
def test_faults_too(body: dict[str, Any], said: str) -> None:
    with pytest.raises(WrittenError) as refused:
        stated(WrittenFault, body, "--fault x")

    assert str(refused.value) == f"--fault x: {said}"


def test_what_is_right_is_read() -> None:
    assert stated(StatedLoad, RULE, "load.yaml").rules["chat"].rate == 1
