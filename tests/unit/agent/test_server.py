"""What the agent answers to the kubelet while others wait for the router."""

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiohttp.test_utils import make_mocked_request

from tokenfleet.adapters.envoy.bootstrap import Limits
from tokenfleet.adapters.envoy.wire import Ports
from tokenfleet.agent.server import _Handlers
from tokenfleet.agent.settings import ApiServer, Settings

SETTINGS = Settings(
    router="beside",
    namespace="ns",
    pod="web-1",
    folder=Path(),
    envoy="envoy",
    ports=Ports(),
    limits=Limits(),
    listen_host=None,
    listen_port=0,
    start_limit=timedelta(),
    api=ApiServer(url="", ca_file=None, token_file=None),
)


class Admin:
    """An Envoy that serves or not."""

    def __init__(self, *, serves: bool) -> None:
        self.serves = serves

    async def live(self) -> bool:
        return self.serves


@dataclass
class Agent:
    applied_revision: int
    admin: Any
    settings: Settings = SETTINGS
    publisher: Any = None
    error: str = ""
    api_reached: bool = True
    callers: Any = None


async def startz(handlers: _Handlers) -> int:
    return (await handlers.startz(make_mocked_request("GET", "/startz"))).status


async def test_whoever_waits_starts_at_once_when_the_router_is_ready() -> None:
    assert await startz(_Handlers(Agent(1, Admin(serves=True)))) == 200


async def test_whoever_waits_for_a_router_that_is_not_ready_starts_after_the_limit() -> None:
    patient = replace(SETTINGS, start_limit=timedelta(hours=1))
    for revision, serves in ((0, True), (1, False)):
        early = _Handlers(Agent(revision, Admin(serves=serves), settings=patient))
        late = _Handlers(Agent(revision, Admin(serves=serves)))

        assert await startz(early) == 503
        assert await startz(late) == 200


async def test_readiness_never_says_yes_for_lack_of_patience() -> None:
    handlers = _Handlers(Agent(0, Admin(serves=True)))
    answer = await handlers.readyz(make_mocked_request("GET", "/readyz"))

    assert answer.status == 503
