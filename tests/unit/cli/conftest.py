"""Commands are tried at a plain terminal: nothing of the caller's environment decides."""

import os

import pytest

CALLERS = ("NO_COLOR", "COLUMNS", "LINES", "KUBECONFIG")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tuple(os.environ):
        if name in CALLERS or name.startswith("TOKENFLEET_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TERM", "xterm")
