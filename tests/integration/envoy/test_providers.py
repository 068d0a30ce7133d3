"""A provider behind the router: agent, Envoy and module over TLS, with keys from Secrets."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from e2e.cluster import software
from e2e.kit.certificates import Authority
from tests.integration.envoy.configuration import configuration
from tests.integration.envoy.conftest import CHAT, pool_of, served_by
from tests.integration.envoy.model_server import Behaviour
from tests.integration.envoy.pods import Pod, until
from tests.integration.envoy.provider import HOST, Provider
from tokenfleet.domain.routing.ir import Credential, RouterConfig, Site, Tls

pytestmark = pytest.mark.envoy

OURS = {
    "authorization": "Bearer of-the-client",
    "x-api-key": "of-the-client",
    "api-key": "of-the-client",
    "cookie": "session=1",
    "x-tokenfleet-user": "anna",
}
KEY = "sk-first"
CLIENTS = Path(__file__).parents[1] / "vllm" / "clients"


@dataclass
class Outside:
    """A router pod whose large pool is in the cluster and whose small one is a provider's."""

    pod: Pod
    provider: Provider
    authority: Authority

    def config(self, shares: dict[str, int], *, host: str = HOST, ca: str = "") -> RouterConfig:
        config = configuration(shares)
        large, small = config.pools
        anthropic = "Anthropic" if self.provider.path == "/v1" else "Fireworks"
        site = Site(
            provider=anthropic,
            host=host,
            port=self.provider.port,
            authority=f"{host}:{self.provider.port}",
            path=self.provider.path,
            family="IPv4",
            organization=None,
        )
        key = Credential(secret="keys", key="key", header="authorization", prefix="Bearer ")
        tls = Tls(server_name=host, ca=ca or self.authority.pem)
        small = replace(small, model_name="accounts/x/llama", site=site, tls=tls, credential=key)
        return replace(config, pools=(large, small))

    async def serve(self, config: RouterConfig) -> None:
        await self.pod.applied(self.pod.write(config))

    async def ask(self, path: str = CHAT, **body: object) -> httpx.Response:
        asked = {"model": "chat", "messages": [], "max_tokens": 8, **body}
        return await self.pod.client.post(path, json=asked, headers=OURS)

    async def outcomes(self) -> set[tuple[str, str]]:
        text = (await self.pod.agent_client.get("/metrics")).text
        lines = (line for line in text.splitlines() if line.startswith("tokenfleet_attempts_total"))
        counted = (line for line in lines if not line.endswith(" 0"))
        return {(_label(line, "pool"), _label(line, "outcome")) for line in counted}


def _label(line: str, name: str) -> str:
    return line.partition(f'{name}="')[2].partition('"')[0]


@pytest.fixture(params=["/v1"])
async def outside(
    request: pytest.FixtureRequest, pod: Pod, tmp_path: Path
) -> AsyncIterator[Outside]:
    authority, provider = Authority.new("providers"), Provider(key=KEY, path=request.param)
    pod.api.secret("keys", key=f"{KEY}\n")
    pod.start_agent()
    await pod.start_envoy()
    async with provider.serving(authority, tmp_path):
        yield Outside(pod, provider, authority)


@pytest.mark.parametrize("outside", ["/v1", "/inference/v1"], indirect=True)
async def test_one_request_goes_to_a_replica_then_a_provider_then_a_replica(
    outside: Outside,
) -> None:
    """Each sees its own host, path, model and key, and never another's."""
    await outside.serve(outside.config({"large": 1000, "small": 0}))
    outside.pod.large.behaviour = Behaviour(status=500)

    assert pool_of(await outside.ask()) == "small"
    await outside.serve(outside.config({"large": 0, "small": 1000}))
    outside.provider.status, outside.pod.large.behaviour = 503, Behaviour()
    answer = await outside.ask()

    assert served_by(answer)[2:] == ("large", 2)
    assert outside.provider.wrong == []
    assert [sent["model"] for sent in outside.provider.requests] == ["accounts/x/llama"] * 2
    before, after = outside.pod.large.headers
    for name, value in OURS.items():
        assert (before[name], after[name]) == (value, value)
    assert before["host"] == after["host"]
    assert KEY not in str((before, after, answer.headers, answer.text))
    assert [sent["model"] for sent in outside.pod.large.requests] == ["llama-70b"] * 2


async def test_a_stream_of_a_provider_is_counted(outside: Outside) -> None:
    await outside.serve(outside.config({"large": 0, "small": 1000}))

    answer = await outside.ask(stream=True)

    assert answer.text.endswith("data: [DONE]\n\n")
    assert "usage" not in answer.text
    assert outside.provider.wrong == []

    def counted(metrics: httpx.Response) -> bool:
        lines = metrics.text.splitlines()
        tokens = [line for line in lines if 'pool="small"' in line and "_tokens" in line]
        return any(line.endswith(" 11") for line in tokens)

    await until(lambda: outside.pod.agent_client.get("/metrics"), counted)


async def test_messages_carry_the_key_as_their_api_has_it(outside: Outside) -> None:
    await outside.serve(outside.config({"large": 0, "small": 1000}))

    answer = await outside.ask("/v1/messages")

    assert pool_of(answer) == "small"
    assert outside.provider.wrong == []
    assert outside.provider.seen[-1]["x-api-key"] == KEY


async def test_the_providers_own_sdks_read_what_comes(outside: Outside) -> None:
    """A replica fails, the provider answers, each in its own shape; everything is counted."""
    await outside.serve(outside.config({"large": 1000, "small": 0}))
    outside.pod.large.behaviour = Behaviour(status=500)
    environment = await asyncio.to_thread(
        software.environment, "clients", CLIENTS / "requirements.txt"
    )
    process = await asyncio.create_subprocess_exec(
        environment / "bin" / "python",
        CLIENTS / "provider_sdks.py",
        env={**os.environ, "ROUTER": str(outside.pod.client.base_url).rstrip("/")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    found = json.loads(out.decode().splitlines()[-1])

    assert {claim: trace for claim, trace in found.items() if trace} == {}
    assert outside.provider.wrong == []
    assert len(outside.provider.requests) == len(found) == 4
    written = "tokenfleet_cache_creation_prompt_tokens_total"

    def counts(metrics: httpx.Response) -> float:
        lines = [line for line in metrics.text.splitlines() if line.startswith(written)]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    metrics = lambda: outside.pod.agent_client.get("/metrics")  # noqa: E731
    assert counts(await until(metrics, lambda found: counts(found) >= 2 * 8)) == 2 * 8


async def test_prompts_are_marked_for_the_providers_cache_and_for_nobody_else(
    outside: Outside,
) -> None:
    config = outside.config({"large": 0, "small": 1000})
    large, small = config.pools
    assert small.site is not None
    marking = replace(small, site=replace(small.site, cache_least=1000))
    await outside.serve(replace(config, pools=(large, marking)))
    text, mark = "words " * 200, {"type": "ephemeral"}
    turns = [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]
    asked = {"system": text, "messages": turns, "tools": [{"name": "a"}]}

    assert pool_of(await outside.ask("/v1/messages", **asked)) == "small"
    outside.provider.status = 503
    assert pool_of(await outside.ask("/v1/messages", **asked)) == "large"
    outside.provider.status = 200
    assert pool_of(await outside.ask("/v1/messages", messages=turns)) == "small"
    assert pool_of(await outside.ask(**asked)) == "small"

    marked, again, short, chat = outside.provider.requests
    block = {"type": "text", "text": text, "cache_control": mark}
    first = {"role": "user", "content": [{"type": "text", "text": "one", "cache_control": mark}]}
    assert marked["system"] == again["system"] == [block]
    assert marked["messages"] == [first, turns[1]]
    assert marked["tools"] == asked["tools"]
    plain = (outside.pod.large.requests[-1], chat)
    assert [{name: sent[name] for name in asked} for sent in plain] == [asked, asked]
    assert short["messages"] == turns
    assert outside.provider.wrong == []


async def test_a_key_is_rotated_without_a_restart_and_shown_to_nobody(outside: Outside) -> None:
    await outside.serve(outside.config({"large": 0, "small": 1000}))
    assert pool_of(await outside.ask()) == "small"

    outside.provider.key = "sk-second"
    outside.pod.api.secret("keys", key="sk-second")

    await until(outside.ask, lambda answer: served_by(answer)[2] == "small")
    shown = [
        (await outside.pod.agent_client.get("/metrics")).text,
        (await outside.pod.configuration()).text,
        (await outside.pod.acknowledgement())["error"],
        (outside.pod.settings.folder / "envoy.log").read_text(),
    ]
    async with httpx.AsyncClient(timeout=60) as client:
        admin = f"http://127.0.0.1:{outside.pod.settings.ports.admin}/config_dump"
        shown.append((await client.get(admin)).text)
    assert not [text for text in shown if "sk-" in text]


async def test_what_a_provider_says_of_the_key_reaches_no_client(outside: Outside) -> None:
    """It is not the client's key, so it is not the client's mistake either."""
    await outside.serve(outside.config({"large": 0, "small": 1000}))
    outside.provider.key = "sk-other"
    outside.pod.large.behaviour = Behaviour(status=500)
    config = outside.config({"large": 0, "small": 1000})
    (route,) = config.routes
    only = tuple(replace(rule, chain=("small",)) for rule in route.rules)
    alone = replace(config, routes=(replace(route, rules=only),), pools=config.pools[1:])

    assert pool_of_any(await outside.ask()) == "large"
    await outside.serve(alone)
    answer = await outside.ask()

    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "credential_refused"
    assert "sk-" not in answer.text
    await until(outside.outcomes, lambda found: ("small", "server_error") in found)


def pool_of_any(answer: httpx.Response) -> str:
    return served_by(answer)[2]


async def test_a_provider_that_is_full_is_left_and_counted(outside: Outside) -> None:
    await outside.serve(outside.config({"large": 0, "small": 1000}))
    outside.provider.status, outside.provider.headers = 529, {"retry-after": "30"}

    assert pool_of(await outside.ask()) == "large"
    await until(outside.outcomes, lambda found: ("small", "throttled") in found)


@pytest.mark.parametrize("how", ["another authority", "another name", "no such host"])
async def test_who_cannot_be_believed_or_found_is_left(outside: Outside, how: str) -> None:
    """Nothing of the request leaves, and the next pool answers."""
    shares = {"large": 0, "small": 1000}
    config = outside.config(shares)
    if how == "another authority":
        config = outside.config(shares, ca=Authority.new("others").pem)
    if how == "another name":
        large, small = config.pools
        tls = replace(small.tls, server_name="elsewhere.example")  # type: ignore[type-var]
        config = replace(config, pools=(large, replace(small, tls=tls)))
    if how == "no such host":
        config = outside.config(shares, host="no-such-host.invalid")
    await outside.serve(config)

    assert pool_of(await outside.ask()) == "large"
    await until(outside.outcomes, lambda found: ("small", "connect") in found)
    assert outside.provider.requests == []


async def test_a_pool_without_its_key_is_asked_nothing(outside: Outside) -> None:
    outside.pod.api.delete("secrets", "keys")
    await outside.serve(outside.config({"large": 0, "small": 1000}))

    assert pool_of(await outside.ask()) == "large"
    assert (await outside.pod.acknowledgement())["credentials"] == {"small": "CredentialMissing"}

    outside.pod.api.secret("keys", other=KEY)
    outside.pod.api.secret("keys", key="not a key")
    unusable = {"small": "CredentialUnusable"}
    await until(outside.pod.acknowledgement, lambda a: a["credentials"] == unusable)
    outside.pod.api.secret("keys", key=KEY)
    await until(outside.ask, lambda answer: served_by(answer)[2] == "small")
    await until(outside.pod.acknowledgement, lambda a: a["credentials"] == {})
    assert outside.provider.wrong == []


async def test_a_secret_that_may_not_be_read_is_said(outside: Outside) -> None:
    outside.pod.api.forbidden.add("secrets")
    await outside.serve(outside.config({"large": 0, "small": 1000}))

    assert pool_of(await outside.ask()) == "large"
    forbidden = {"small": "CredentialForbidden"}
    await until(outside.pod.acknowledgement, lambda a: a["credentials"] == forbidden)
