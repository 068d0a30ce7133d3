"""A Prometheus behind `ports.MetricSource`.

`prometheus-api-client` is synchronous, retries three times by default, waits for ever and drops the
warnings that Thanos and Mimir send with partial answers. Here it runs in its own small pool of
threads, with a timeout, without retries (the next tick is the retry), and an answer with warnings
is an error: half of the traffic looks like a sudden improvement.
"""

import asyncio
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import requests
from prometheus_api_client import PrometheusApiClientException, PrometheusConnect
from urllib3.util import Retry

from tokenfleet.adapters.prometheus.access import (
    Access,
    AccessError,
    Credentials,
    refuse,
    untrusted,
)
from tokenfleet.adapters.prometheus.carried import at_home
from tokenfleet.ports import PortError, Sample, Series

__all__ = ["Access", "AccessError", "PartialError", "PrometheusSource"]

THREADS: Final = 4
"""Queries in flight. A tick is at most 30 queries of some milliseconds each; more would only load
the Prometheus."""


_ERRNO: Final = re.compile(r"\[Errno -?\d+\] ([^'\")]+)")
"""An error of the system within the texts of urllib3 and requests."""


_CUT: Final = ("ConnectionResetError", "RemoteDisconnected", "BadStatusLine")
"""How a server of TLS answers one who speaks none, in the texts of urllib3 and requests."""


class PartialError(PortError):
    """The store answered, and said that something is missing."""


class PrometheusSource:
    """Queries against one Prometheus-compatible store."""

    def __init__(self, access: Access) -> None:
        """Prepare; nothing is sent before the first query."""
        session = requests.Session()
        session.verify = str(access.ca_file) if access.ca_file is not None else True
        if access.client_certificate is not None:
            certificate, key = access.client_certificate
            session.cert = (str(certificate), str(key))
        session.hooks["response"].append(self._refuse)
        self._access = access
        self._timeout = access.timeout.total_seconds()
        self._client = PrometheusConnect(
            url=access.url.rstrip("/"),
            headers=dict(access.headers),
            auth=Credentials(access),
            retry=Retry(0, read=False),
            session=session,
            timeout=self._timeout,
        )
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="prometheus")

    async def query(self, promql: str, *, at: datetime) -> Sequence[Sample]:
        """Evaluate at one instant; see `ports.MetricSource`."""
        loop = asyncio.get_running_loop()
        parameters = {"time": f"{at.timestamp():.3f}", "timeout": f"{self._timeout:g}s"}
        ask = partial(self._client.custom_query, promql, params=parameters)
        rows = await loop.run_in_executor(self._threads, self._rows, ask)
        try:
            return at_home(_samples(rows))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            msg = f"prometheus answered what is not an instant vector: {error!r}"
            raise PortError(msg) from error

    async def query_range(
        self, promql: str, *, start: datetime, end: datetime, step: timedelta
    ) -> Sequence[Series]:
        """Evaluate at many instants; see `ports.MetricHistory`."""
        loop = asyncio.get_running_loop()
        # The client rounds start and end to seconds: what is given here wins.
        parameters = {
            "start": f"{start.timestamp():.3f}",
            "end": f"{end.timestamp():.3f}",
            "timeout": f"{self._timeout:g}s",
        }
        ask = partial(
            self._client.custom_query_range,
            promql,
            start,
            end,
            f"{step.total_seconds():g}",
            params=parameters,
        )
        rows = await loop.run_in_executor(self._threads, self._rows, ask)
        try:
            return [_series(row) for row in rows]
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            msg = f"prometheus answered what is not a range vector: {error!r}"
            raise PortError(msg) from error

    def close(self) -> None:
        """Give the threads back; queries in flight end by their timeout."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _rows(self, ask: Callable[[], list[Any]]) -> list[Any]:
        try:
            return list(ask())
        except requests.Timeout as error:
            msg = f"prometheus did not answer within {self._timeout:g} s"
            raise PortError(msg) from error
        except requests.exceptions.SSLError as error:
            raise untrusted(error, self._access) from error
        except requests.ConnectionError as error:
            msg = f"prometheus: cannot reach {self._access.url[:200]}: {_reason(error)}"
            raise PortError(msg) from error
        except requests.exceptions.JSONDecodeError as error:
            msg = (
                f"prometheus: what answers at {self._access.url[:200]} sends no JSON: is it"
                " Prometheus's own address?"
            )
            raise PortError(msg) from error
        except (requests.RequestException, PrometheusApiClientException) as error:
            msg = f"prometheus: {str(error)[:200]}"
            raise PortError(msg) from error
        except OSError as error:  # requests looks for the certificate files only now
            raise untrusted(error, self._access) from error
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            msg = (
                f"prometheus: what answers at {self._access.url[:200]} sends no result of a query"
                f" ({error!r}): is it Prometheus's own address?"
            )
            raise PortError(msg) from error

    def _refuse(self, response: requests.Response, *_: Any, **__: Any) -> None:
        """Look at an answer before anything reads it or follows it elsewhere."""
        refuse(self._access, response)
        _refuse_partial(response)


def _reason(error: Exception) -> str:
    """Return why there is no connection, without the query and the libraries around it."""
    text = str(error)
    if any(word in text for word in _CUT):
        return "it ends the connection without an answer: is it https:// there, or another server?"
    found = _ERRNO.search(text)
    return found[1] if found else text[:200]


def _refuse_partial(response: requests.Response) -> None:
    # Parsing twice would double the cost of a tick, so look for the key first. The text may also be
    # a label's value, therefore the second look.
    if b'"warnings"' not in response.content:
        return
    warnings = response.json().get("warnings")
    if warnings:
        msg = f"prometheus answered with warnings: {'; '.join(map(str, warnings))[:200]}"
        raise PartialError(msg)


def _samples(rows: Iterable[Mapping[str, Any]]) -> list[Sample]:
    found = []
    seconds, timestamp = math.nan, datetime.fromtimestamp(0, tz=UTC)
    for row in rows:
        labels, (at, value) = row["metric"], row["value"]
        if not isinstance(labels, dict):
            msg = f"{labels!r} are no labels"
            raise TypeError(msg)
        if at != seconds:  # all rows of an instant vector have the same time
            seconds, timestamp = at, datetime.fromtimestamp(float(at), tz=UTC)
        found.append(Sample(labels, float(value), timestamp))
    return found


def _series(row: Mapping[str, Any]) -> Series:
    points = [(float(at), float(value)) for at, value in row["values"]]
    return Series(labels=dict(row["metric"]), points=points)
