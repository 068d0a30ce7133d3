"""The console's server: its own files, its own headers, and nobody who may not look."""

from datetime import timedelta
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from tokenfleet.handlers.console import KINDS, Console
from tokenfleet.ports import PortError, Reader


class Shown:
    async def fleet(self) -> dict[str, Any]:
        return {"routes": []}

    async def timeline(self, namespace: str, route: str, last: timedelta) -> dict[str, Any]:
        if namespace == "gone":
            msg = "prometheus did not answer within 10 s"
            raise PortError(msg)
        if route == "Bad":
            msg = "'Bad' is no name of a route"
            raise ValueError(msg)
        return {"asked": [namespace, route, last.total_seconds()]}


class Known:
    """Knows three tokens; the last one cannot be asked about."""

    async def reader(self, token: str) -> Reader:
        if token == "lost":
            msg = "the API server does not answer"
            raise PortError(msg)
        return {"good": Reader.ALLOWED, "poor": Reader.REFUSED}.get(token, Reader.UNKNOWN)


def client(*, token: bool = False) -> TestClient:
    return TestClient(TestServer(Console(Shown(), Known(), token=token).application()))


async def test_the_page_and_its_files_are_served_and_nothing_else() -> None:
    async with client() as page:
        for name, kind in {"": "text/html", **KINDS}.items():
            answer = await page.get(f"/{name}")
            assert (answer.status, answer.content_type) == (200, kind)
        for path in ("/other.js", "/page/index.html", "/..%2fconsole.py", "/api"):
            assert (await page.get(path)).status == 404


@pytest.mark.parametrize("path", ["/", "/api/fleet", "/missing", "/api/timeline?route=Bad"])
async def test_every_answer_forbids_what_is_not_its_own(path: str) -> None:
    async with client() as page:
        headers = (await page.get(path)).headers

    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_nothing_can_be_written(method: str) -> None:
    async with client() as page:
        for path in ("/", "/api/fleet", "/api/timeline"):
            assert (await page.request(method, path)).status == 405


@pytest.mark.parametrize(
    ("authorization", "needed", "status"),
    [
        pytest.param("", False, 200, id="nobody asks"),
        pytest.param("", True, 401, id="a token is needed"),
        pytest.param("Bearer good", True, 200, id="known and allowed"),
        pytest.param("Bearer poor", True, 403, id="known and not allowed"),
        pytest.param("Bearer poor", False, 403, id="a token is judged in any case"),
        pytest.param("Bearer forged", False, 401, id="not known"),
        pytest.param("Bearer lost", True, 502, id="nobody can say"),
        pytest.param("Basic abc", False, 200, id="of the proxy in front"),
        pytest.param("Basic abc", True, 401, id="no token"),
    ],
)
async def test_a_token_is_judged(authorization: str, needed: Any, status: int) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    async with client(token=needed) as page:
        for path in ("/", "/api/fleet"):
            assert (await page.get(path, headers=headers)).status == status


async def test_pages_of_other_sites_are_not_answered() -> None:
    async with client() as page:
        found = await page.get("/api/fleet", headers={"Sec-Fetch-Site": "cross-site"})
        assert found.status == 403
        own = await page.get("/api/fleet", headers={"Sec-Fetch-Site": "same-origin"})
        assert own.status == 200


async def test_a_timeline_is_asked_for_and_what_fails_is_said() -> None:
    async with client() as page:
        asked = "/api/timeline?namespace=ns&route=chat&last=6h"
        assert await (await page.get(asked)).json() == {"asked": ["ns", "chat", 21600.0]}
        for wrong in ("route=Bad", "last=soon"):
            answer = await page.get(f"/api/timeline?namespace=ns&{wrong}")
            assert answer.status == 400
            assert (await answer.json())["error"]
        lost = await page.get("/api/timeline?namespace=gone&route=chat")
        assert (lost.status, await lost.json()) == (
            502,
            {"error": "prometheus did not answer within 10 s"},
        )
