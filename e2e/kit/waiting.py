"""Waiting for a condition, telling what is waited for, and why it did not come."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from e2e.kit.kubectl import CommandError, Namespace

T = TypeVar("T")

QUIET_SECONDS = 10.0
"""A line of progress at most this often."""


@dataclass(frozen=True, slots=True)
class NotYet:
    """What a probe saw while the condition does not hold; false, so that `probe() or ...` works."""

    seen: str

    def __bool__(self) -> bool:
        return False


class WaitError(AssertionError):
    """The condition did not come in time; the message tells what was there instead."""


def wait_for(
    what: str,
    probe: Callable[[], T | NotYet | None],
    *,
    timeout: float,
    every: float = 1.0,
    namespace: Namespace | None = None,
    say: Callable[[str], None] = print,
) -> T:
    """Call `probe` until it returns something true, and return that.

    Its first line of progress says what is waited for; those that follow, only what has changed.

    Args:
        what: the condition, as the end of "waiting for ...".
        timeout: seconds.
        namespace: where to look for events and logs when it does not come.
    """
    begun = told = time.monotonic()
    seen, said = "nothing yet", ""
    while True:
        try:
            found = probe()
        except (
            CommandError,
            httpx.HTTPError,
        ) as error:  # an API server that restarts is part of some stories
            found = NotYet((str(error).strip() or repr(error)).splitlines()[-1])
        if found:
            return found  # type: ignore[return-value]
        seen = found.seen if isinstance(found, NotYet) else seen
        now = time.monotonic()
        if now - begun > timeout:
            break
        if now - told >= QUIET_SECONDS:
            head = "..." if said else f"waiting for {what}, at most {timeout:.0f} s:"
            news = "" if seen == said else f": {seen}"
            say(f"  {head} {now - begun:.0f} s{news}")
            told, said = now, seen
        time.sleep(every)
    message = f"{what} did not come within {timeout:.0f} s; last seen: {seen}"
    raise WaitError(message + (diagnosis(namespace) if namespace else ""))


def condition(found: dict[str, Any] | None, kind: str) -> dict[str, Any]:
    """Return one condition of an object's status; an empty one where it is missing."""
    conditions = ((found or {}).get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == kind), {})


def wait_condition(
    namespace: Namespace,
    kind: str,
    name: str,
    aspect: str,
    *,
    status: str = "True",
    reason: str = "",
    timeout: float = 180.0,
) -> dict[str, Any]:
    """Wait until a condition of an object has a status (and a reason); return the condition."""

    def probe() -> dict[str, Any] | NotYet:
        found = namespace.get(kind, name)
        seen = condition(found, aspect)
        current = (found or {}).get("metadata", {}).get("generation")
        fresh = seen.get("observedGeneration") in {None, current}
        right = seen.get("status") == status and reason in {"", seen.get("reason")}
        if right and fresh:
            return seen
        words = f"{seen.get('status', 'no condition')} {seen.get('message', '')}".strip()
        return NotYet(words)

    wanted = f"{aspect}={status}" + (f"/{reason}" if reason else "")
    return wait_for(f"{kind} {name} {wanted}", probe, timeout=timeout, namespace=namespace)


def wait_served(namespace: Namespace, *definitions: str, timeout: float = 180.0) -> None:
    """Wait until objects of CustomResourceDefinitions can be written and read.

    `Established` says that their names are taken; what serves objects, and what tells clients of the
    kinds, hears of it a moment later.
    """
    for name in definitions:
        wait_condition(namespace, "crd", name, "Established", timeout=timeout)

    def served() -> bool:
        namespace.run("get", ",".join(definitions), "-o", "name")
        return True

    what = f"{', '.join(definitions)} to be served"
    wait_for(what, served, timeout=timeout, namespace=namespace)


def diagnosis(namespace: Namespace) -> str:
    """Return what helps to understand a failed wait: pods, events, the ends of logs."""
    parts = [""]
    for title, arguments in (
        ("pods", ("get", "pods", "-o", "wide")),
        ("fleet", ("get", "tokenfleet")),
        ("events", ("get", "events", "--sort-by", ".lastTimestamp")),
    ):
        text = _try(namespace, *arguments)
        parts.append(f"--- {title} of {namespace.name}\n" + "\n".join(text.splitlines()[-20:]))
    for pod in _unready(namespace):
        text = _try(namespace, "logs", pod, "--all-containers", "--tail", "15")
        parts.append(f"--- log of {pod}\n{text}")
    return "\n".join(parts)


def _try(namespace: Namespace, *arguments: str) -> str:
    try:
        return namespace.run(*arguments, timeout=20)
    except CommandError as error:
        return str(error)


def _unready(namespace: Namespace) -> list[str]:
    try:
        pods = namespace.list("pods")
    except CommandError:
        return []
    unready = [
        pod["metadata"]["name"]
        for pod in pods
        if condition(pod, "Ready").get("status") != "True"
        and (pod.get("status") or {}).get("phase") != "Succeeded"
    ]
    return sorted(unready)[:4]
