"""What the agent does with a configuration that could not be brought into force."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from tests.integration.envoy.configuration import configuration
from tests.unit.agent.test_server import SETTINGS
from tokenfleet.adapters.envoy.outside import NO_KEYS, Keys
from tokenfleet.agent.publisher import PublishError, RejectedError, UnconfirmedError
from tokenfleet.agent.service import Agent
from tokenfleet.domain.routing.codec import Document, encode


def data(revision: int) -> dict[str, str]:
    return {"config": encode(Document(revision=revision, config=configuration({"large": 1000})))}


class Nothing:
    """No endpoints and no keys."""

    async def follow(self, *_: object, **__: object) -> None:
        pass

    def slices(self) -> Iterator[Any]:
        return iter(())

    def written(self, _: object) -> tuple[Keys, dict[str, str]]:
        return NO_KEYS, {}

    def tidy(self, _: object) -> None:
        pass


@pytest.mark.parametrize(
    ("error", "published"),
    [
        pytest.param(UnconfirmedError("busy"), ["2"], id="may run it yet"),
        pytest.param(RejectedError("no"), ["2", "1"], id="refuses the files"),
        pytest.param(PublishError("no"), ["2", "1"], id="refuses to read it"),
    ],
)
async def test_only_what_envoy_refuses_is_followed_by_the_last_good_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: PublishError, published: list[str]
) -> None:
    agent = Agent(replace(SETTINGS, folder=tmp_path))
    agent._neighbourhood = agent._pouch = cast("Any", Nothing())
    asked: list[str] = []
    failing: PublishError | None = None
    names = {data(1)["config"]: "1", data(2)["config"]: "2"}

    async def publish(wanted: Mapping[str, str], *_: object) -> None:
        asked.append(names[wanted["config"]])
        if failing is not None and asked[-1] == "2":
            raise failing
        await original(wanted, {})

    original = agent.publisher.publish
    monkeypatch.setattr("tokenfleet.agent.publisher.validate", _sound)
    await original(data(1), {})
    monkeypatch.setattr(agent.publisher, "publish", publish)
    failing = error
    with pytest.raises(type(error)):
        await agent._bring_into_force(data(2))

    assert asked == published


async def _sound(*_: object) -> str:
    return ""
