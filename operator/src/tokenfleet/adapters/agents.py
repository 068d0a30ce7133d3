"""The agents of router replicas over HTTP: what they run, the configuration they hold, their users.

A pod is not trusted to answer well: a call has a time for the whole answer, not for each byte, and
a limit of bytes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import httpx

from tokenfleet.domain.fleet.keys import ObjectKey
from tokenfleet.domain.fleet.proof import audience
from tokenfleet.domain.slo.observation.measurement import Usage
from tokenfleet.domain.spending.prices import Place
from tokenfleet.domain.spending.summary import Spending, Summary, amount
from tokenfleet.domain.spending.user_history import Window, hour_of
from tokenfleet.ports import Acknowledgement, PortError, UserReport

DEADLINE: Final = 3.0
"""Seconds for one whole answer. An agent answers from memory; one that needs longer is as good as
gone, and the visit that asks must not wait: it asks again later."""

TIMEOUT: Final = httpx.Timeout(2.0, connect=1.0)
"""Seconds for one step of a call."""

LARGEST: Final = 2 * 1024 * 1024
"""Bytes of one answer. A configuration is 700 KiB at most, and its quotes are escaped once more."""

LARGEST_REPORT: Final = 4 * 1024 * 1024
"""Bytes of a report of users: 3.5 MB where all 129 label sets are full of the longest names."""

Prove = Callable[[str], Awaitable[str]]
"""Returns a token for an audience; the awaitable raises PortError where there is none."""

NO_HEADERS: Final[Mapping[str, str]] = {}
NO_CONTENT: Final = 204
NOT_FOUND: Final = 404


class HttpRouterFleet:
    """Asks agents one by one; one connection pool for all."""

    def __init__(
        self,
        client: httpx.AsyncClient | None = None,
        *,
        prove: Prove | None = None,
        deadline: float = DEADLINE,
    ) -> None:
        """Use `client`, or make one that ignores proxies: agents are pods.

        Args:
            client: for tests.
            prove: returns a token for an audience, by which agents know the operator; None: there
                is no proof.
            deadline: seconds for one whole answer.
        """
        self._prove = prove
        self._client = client or httpx.AsyncClient(timeout=TIMEOUT, trust_env=False)
        self._deadline = deadline

    async def acknowledgement(self, address: str) -> Acknowledgement:
        """Ask one agent, at `ip:port`, what it runs."""
        answer = await self._get(address, "/acknowledgement")
        data = _json(address, answer)
        try:
            return Acknowledgement(
                pod=str(data["pod"]),
                applied_revision=int(data["appliedRevision"]),
                version=str(data.get("version", "")),
                error=str(data.get("error") or ""),
                credentials={str(k): str(v) for k, v in data.get("credentials", {}).items()},
            )
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            msg = f"agent {address} answered {answer.text[:120]!r}"
            raise PortError(msg) from error

    async def configuration(self, address: str, router: ObjectKey) -> Mapping[str, str] | None:
        """Read back the data of `<router>-config`; None where the agent has none."""
        answer = await self._get(address, "/configuration", await self._proof(router))
        if answer.status_code in (NO_CONTENT, NOT_FOUND):
            return None
        data = _json(address, answer)
        return {str(key): str(value) for key, value in data.items()} or None

    async def users(self, address: str, router: ObjectKey) -> UserReport:
        """Read who used most at one router."""
        proof = await self._proof(router)
        answer = await self._get(address, "/users", proof, most=LARGEST_REPORT)
        if answer.status_code == NOT_FOUND:  # an agent from before
            return {}
        found = _decoded(address, answer)
        try:
            return dict(_summary(one) for one in found)
        except (KeyError, TypeError, ValueError, OSError, OverflowError) as error:
            msg = f"agent {address} tells of users what cannot be read: {error!r}"
            raise PortError(msg) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _proof(self, router: ObjectKey) -> dict[str, str]:
        """Return the headers by which an agent knows the operator."""
        if self._prove is None:
            return {}
        try:
            token = await self._prove(audience(router.namespace, router.name))
        except PortError as error:
            msg = f"cannot prove to agents that this is the operator: {error}"
            raise PortError(msg) from error
        return {"authorization": f"Bearer {token}"}

    async def _get(
        self,
        address: str,
        path: str,
        headers: Mapping[str, str] = NO_HEADERS,
        *,
        most: int = LARGEST,
    ) -> httpx.Response:
        try:
            async with asyncio.timeout(self._deadline):
                return await self._read(address, path, headers, most)
        except TimeoutError as error:
            msg = f"agent {address} does not answer within {self._deadline:g} s"
            raise PortError(msg) from error
        except httpx.HTTPError as error:
            msg = f"agent {address} does not answer: {error or type(error).__name__}"
            raise PortError(msg) from error

    async def _read(
        self, address: str, path: str, headers: Mapping[str, str], most: int
    ) -> httpx.Response:
        # Compressed, a few bytes could become more than fits into memory.
        plain = {"accept-encoding": "identity", **headers}
        async with self._client.stream("GET", f"http://{address}{path}", headers=plain) as answer:
            if answer.headers.get("content-encoding", "identity") != "identity":
                msg = f"agent {address} answers compressed"
                raise PortError(msg)
            content = bytearray()
            async for chunk in answer.aiter_raw():
                content += chunk
                if len(content) > most:
                    msg = f"agent {address} answers more than {most} bytes"
                    raise PortError(msg)
            return httpx.Response(answer.status_code, content=bytes(content))


def _summary(raw: Mapping[str, Any]) -> tuple[tuple[Place, Window], Summary]:
    place = Place(*(str(raw[label]) for label in Place._fields))
    hour = hour_of(datetime.fromtimestamp(int(raw["hour"]) * 3600, tz=UTC))
    names = {}
    for name, answers, prompt, cached, written, completion, inherited in raw["users"]:
        usage = Usage(
            requests=amount(answers),
            prompt=amount(prompt),
            cached=amount(cached),
            completion=amount(completion),
            written=amount(written),
        )
        names[str(name)] = Spending(usage, unseen=amount(inherited))
    return (place, hour), Summary(names, Spending(unseen=amount(raw["unseen"])))


def _decoded(address: str, answer: httpx.Response) -> Any:
    if answer.is_error:
        msg = f"agent {address} answered {answer.status_code}"
        raise PortError(msg)
    try:
        return answer.json()
    except (ValueError, RecursionError) as error:
        msg = f"agent {address} answered {answer.text[:120]!r}"
        raise PortError(msg) from error


def _json(address: str, answer: httpx.Response) -> Mapping[str, Any]:
    data = _decoded(address, answer)
    if not isinstance(data, Mapping):
        msg = f"agent {address} answered {answer.text[:120]!r}"
        raise PortError(msg)
    return data
