"""Nothing but Envoy's own word ends the wait for its requests: not its silence, and not its trouble."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from e2e.kit.ports import free_port
from tests.unit.agent.told import BUSY, GONE, said_next
from tokenfleet.agent import drain as draining
from tokenfleet.agent.drain import drain
from tokenfleet.agent.envoy import Admin, AdminError, EnvoyGoneError

LONG = timedelta(minutes=5)


class Told(Admin):
    """An Envoy that says one thing after the other; the last one for ever."""

    def __init__(self, *said: int | AdminError, leaves: tuple[AdminError, ...] = ()) -> None:
        self.said = list(said)
        self.leaves = list(leaves)
        self.left = False

    async def drain(self) -> None:
        if self.leaves:
            raise self.leaves.pop(0)
        self.left = True

    async def active_requests(self) -> int:
        return said_next(self.said)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "NOTICE_SECONDS", 0.0)
    monkeypatch.setattr(draining, "STEP_SECONDS", 0.0)


async def test_a_silence_is_no_sign_that_nothing_is_under_way() -> None:
    envoy = Told(2, BUSY, BUSY, 1, BUSY, 0, leaves=(BUSY, BUSY))

    await drain(envoy, LONG)

    assert envoy.left
    assert envoy.said == [0]


async def test_an_envoy_that_is_gone_is_not_waited_for() -> None:
    await drain(Told(1, GONE), LONG)
    await drain(Told(1, leaves=(BUSY, GONE)), LONG)


@pytest.mark.parametrize("said", [BUSY, 1], ids=["never answers", "is never idle"])
async def test_the_limit_ends_the_wait_whatever_envoy_does(said: int | AdminError) -> None:
    await drain(Told(said), timedelta(milliseconds=50))


@asynccontextmanager
async def envoy(*, hangs_up: bool) -> AsyncIterator[Admin]:
    """An admin interface that takes a request, and answers nothing."""
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if not hangs_up:
            await over.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    admin = Admin(server.sockets[0].getsockname()[1], patience=0.05)
    try:
        yield admin
    finally:
        over.set()
        server.close()
        await admin.close()


@pytest.mark.parametrize("hangs_up", [False, True])
async def test_one_that_does_not_answer_is_not_gone(*, hangs_up: bool) -> None:
    async with envoy(hangs_up=hangs_up) as admin:
        for ask in (admin.drain, admin.active_requests):
            with pytest.raises(AdminError) as told:
                await ask()
            assert not isinstance(told.value, EnvoyGoneError)


async def test_where_nobody_listens_envoy_is_gone() -> None:
    admin = Admin(free_port())
    for ask in (admin.drain, admin.active_requests):
        with pytest.raises(EnvoyGoneError):
            await ask()
    await admin.close()


def loaded_by(*arguments: str) -> set[str]:
    """Return the modules that a command has loaded at its end."""
    asked = (
        "import atexit, sys; from tokenfleet.cli.main import main;"
        " atexit.register(lambda: print('', *(n for n, m in sys.modules.items() if m)));"
        f" main({[*arguments]})"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_httpx_does_not_load_its_own_command_line() -> None:
    loaded = loaded_by("agent", "--help")

    assert "httpx" in loaded
    assert {"httpx._main", "click", "rich", "pygments"}.isdisjoint(loaded)


def test_the_drain_does_not_pay_for_the_agent() -> None:
    """Both run in one container at the end of a pod, with the agent's memory limit."""
    assert {"aiohttp", "jwt", "tokenfleet.agent.service"}.isdisjoint(loaded_by("agent", "--help"))
