"""Ports that are given to servers before these listen."""

import random
from itertools import chain

import pytest

from e2e.kit.ports import free_port


def test_no_port_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = chain.from_iterable((port, port) for port in range(20_000, 30_000))
    monkeypatch.setattr(random, "randrange", lambda *_: next(drawn))

    given = [free_port() for _ in range(20)]

    assert len(set(given)) == 20
