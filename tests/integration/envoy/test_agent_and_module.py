"""What the agent does with the native module, and what it passes on of it."""

from dataclasses import replace

import httpx
import pytest

from tests.integration.envoy.configuration import configuration
from tests.integration.envoy.conftest import CHAT, served_by
from tests.integration.envoy.pods import Pod, until
from tests.integration.envoy.test_module import another_version
from tokenfleet.adapters.envoy.module import SEARCH_PATH
from tokenfleet.agent.envoy import Admin
from tokenfleet.agent.module import UnfitModuleError
from tokenfleet.agent.service import Agent

pytestmark = pytest.mark.envoy

CONFIG = configuration({"large": 1000, "small": 0})


async def test_what_is_in_the_plan_changes_without_a_drain(running: Pod) -> None:
    """Rules, shares, limits, attribution: one new route table, and the listener stays."""
    renamed = replace(CONFIG, attribution=replace(CONFIG.attribution, feature="x-team"))
    admin = Admin(running.settings.ports.admin)
    before = await admin.stats(r"^listener_manager.lds.update_success$")

    await running.applied(running.write(renamed))

    answer = await running.client.post(
        CHAT, json={"model": "chat"}, headers={"x-team": "suggestions"}
    )
    assert served_by(answer)[1] == "fast"
    assert await admin.stats(r"^listener_manager.lds.update_success$") == before
    await admin.close()


async def test_an_agent_does_not_serve_beside_a_module_of_another_envoy(
    pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kubelet then starts no Envoy: its container waits for the agent."""
    folder = pod.settings.folder / "module"
    folder.mkdir()
    another_version(folder)
    monkeypatch.setenv(SEARCH_PATH, str(folder))

    with pytest.raises(UnfitModuleError, match="ABI version"):
        await Agent(pod.settings).run()

    with pytest.raises(httpx.ConnectError):
        await pod.agent_client.get("/healthz")


async def test_metrics_are_the_module_s_and_the_agent_s_own(running: Pod) -> None:
    await running.pool()

    metrics = lambda: running.agent_client.get("/metrics")  # noqa: E731
    counted = 'tokenfleet_requests_total{route="chat"'
    text = (await until(metrics, lambda answer: counted in answer.text)).text

    assert "\ntokenfleet_router_applied_revision 1\n" in text
    assert text.endswith("\n")
    assert "# EOF" not in text
