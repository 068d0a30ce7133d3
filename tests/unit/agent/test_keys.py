"""The keys of pools: what of a Secret becomes a file, and what is said where nothing does."""

import asyncio
import json
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.integration.envoy.configuration import pool
from tokenfleet.adapters.envoy.outside import key_file, key_name
from tokenfleet.agent import keys, watch
from tokenfleet.agent.files import Folder
from tokenfleet.agent.keys import Pouch
from tokenfleet.domain.routing.ir import Credential, Pool

HOME = "home"


def keyed(name: str, secret: str, key: str = "key") -> Pool:
    credential = Credential(secret=secret, key=key, header="authorization", prefix="Bearer ")
    return replace(pool(name, "m"), credential=credential)


class Api:
    """Holds Secrets by namespace and name; watches last for ever."""

    def __init__(self) -> None:
        self.secrets: dict[tuple[str, str], dict[str, str]] = {}
        self.forbidden: set[str] = set()
        self.asked: list[str] = []

    async def answer(self, request: httpx.Request) -> httpx.Response:
        namespace = request.url.path.split("/")[-2]
        name = request.url.params["fieldSelector"].removeprefix("metadata.name=")
        self.asked.append(f"{namespace}/{name}")
        if namespace in self.forbidden:
            return httpx.Response(403)
        if "watch" in request.url.params:
            await asyncio.Event().wait()
        data = self.secrets.get((namespace, name))
        found = [{"metadata": {"name": name}, "data": data}] if data is not None else []
        return httpx.Response(200, json={"metadata": {"resourceVersion": "7"}, "items": found})


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    async def at_once(_: float) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(watch, "pause", at_once)
    monkeypatch.setattr(keys, "PATIENCE", 5.0)
    return Api()


async def looked(api: Api, folder: Path, *pools: Pool) -> tuple[set[str], dict[str, str]]:
    """Return the files that are there after one look, and what is wrong."""
    transport = httpx.MockTransport(api.answer)
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://api") as client,
        asyncio.TaskGroup() as tasks,
    ):
        pouch = Pouch(client, tasks, Folder(folder), home=HOME, changed=lambda: None)
        await pouch.follow(pools)
        known, troubles = pouch.written(pools)
        pouch.tidy(known)
        await pouch.follow(())
    return {path.name for path in folder.iterdir()}, troubles


def file_of(one: Pool) -> str:
    assert one.credential is not None
    return key_file(key_name(one.credential))


def coded(text: str) -> str:
    return b64encode(text.encode()).decode()


async def test_only_the_secrets_of_pools_are_read_each_in_its_namespace(
    api: Api, tmp_path: Path
) -> None:
    api.secrets = {("home", "a"): {"key": coded("one\n")}, ("team", "b"): {"key": coded("two")}}
    first, second = keyed("large", "a"), keyed("team/small", "team/b")

    files, troubles = await looked(api, tmp_path, first, second, pool("plain", "m"))

    assert (files, troubles) == ({file_of(first), file_of(second)}, {})
    assert set(api.asked) == {"home/a", "team/b"}
    (secret,) = json.loads((tmp_path / file_of(first)).read_text())["resources"]
    assert secret["generic_secret"] == {"secret": {"inline_string": "one"}}
    assert (tmp_path / file_of(first)).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(None, "CredentialMissing", id="no Secret"),
        pytest.param({"other": coded("x")}, "CredentialMissing", id="no such key in it"),
        pytest.param({"key": coded(" \n")}, "CredentialUnusable", id="empty"),
        pytest.param({"key": coded("a\r\nx-admin: 1")}, "CredentialUnusable", id="two headers"),
        pytest.param({"key": coded("schlüssel")}, "CredentialUnusable", id="no ASCII"),
        pytest.param({"key": coded("x" * 4097)}, "CredentialUnusable", id="too long"),
        pytest.param({"key": "*"}, "CredentialUnusable", id="no base64"),
    ],
)
async def test_what_no_header_can_carry_is_said_and_its_file_removed(
    api: Api, tmp_path: Path, data: dict[str, str] | None, reason: str
) -> None:
    one = keyed("large", "a")
    (tmp_path / file_of(one)).write_text("old")
    api.secrets = {} if data is None else {("home", "a"): data}

    assert await looked(api, tmp_path, one) == (set(), {"large": reason})


async def test_a_key_that_was_there_stays_while_nobody_can_say_anything_of_it(
    api: Api, tmp_path: Path
) -> None:
    old, new = keyed("large", "a"), keyed("small", "b")
    (tmp_path / file_of(old)).write_text("old")
    api.forbidden = {"home"}

    files, troubles = await looked(api, tmp_path, old, new)

    assert (files, troubles) == ({file_of(old)}, {"small": "CredentialForbidden"})
