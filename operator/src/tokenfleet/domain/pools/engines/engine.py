"""What the operator needs to know of an engine family, whichever it is.

Each family is one module beside this one that has these names; nothing else in the operator says
how an engine is started, asked or stopped. What all of them share is here: they listen on one port,
speak the OpenAI API, and end at SIGTERM.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from tokenfleet.api.v1alpha1.servingpool import Managed, ServingPool
from tokenfleet.domain.fleet.problems import Problem

PORT: Final = 8000
"""Where every engine is told to listen: the Service, the probes and network policies expect it."""
FILES_PATH: Final = "/etc/tokenfleet/engine"
"""Folder with the files of `Engine.files`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """Names of an engine's own metrics, by what they say; several are added up. Empty: none."""

    waiting: tuple[str, ...] = ()
    """Gauge: requests that wait to be computed."""
    kv_cache: tuple[str, ...] = ()
    """Gauge: part of the KV cache in use, 0 to 1."""
    cache_hits: tuple[str, ...] = ()
    """Counter: prompt tokens (or blocks) that were found in the cache."""
    cache_queries: tuple[str, ...] = ()
    """Counter in the same unit: those that were looked for."""
    accepted: tuple[str, ...] = ()
    """Counter: proposed tokens that the target took."""
    drafted: tuple[str, ...] = ()
    """Counter: proposed tokens."""
    acceptance: tuple[str, ...] = ()
    """Gauge: the first by the second, 0 to 1, where the engine counts neither."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Arguments by which an engine runs over several nodes, after those of `Engine.arguments`.

    `{nodes}` is their number, `{leader}` the leader's address, `{index}` a worker's place, from 1.
    """

    leader: tuple[str, ...]
    """Of the node that answers requests."""
    worker: tuple[str, ...]
    """Of each other node: it only computes."""
    address: str
    """Variable with the pod's own address: else the engine guesses it by a way to the outside."""


class Engine(Protocol):
    """One engine family."""

    @property
    def TITLE(self) -> str:  # noqa: N802  a module's constant
        """Name in messages."""

    @property
    def COMMAND(self) -> tuple[str, ...]:  # noqa: N802
        """Program that is run, unless the user names another.

        Not the image's entrypoint: those change between releases.
        """

    @property
    def ADAPTERS(self) -> bool:  # noqa: N802
        """Whether it serves LoRA adapters beside the model, each under a name of its own."""

    @property
    def GROUP(self) -> Group | None:  # noqa: N802
        """How one replica runs over several nodes; None: it cannot."""

    @property
    def SHARED_BY(self) -> tuple[str, ...]:  # noqa: N802
        """Options of the user that make `parallelism.data` groups inside the tensor-parallel one.

        With one of them data parallelism adds no devices; without, it multiplies them.
        """

    @property
    def METRICS_PATH(self) -> str:  # noqa: N802
        """Where Prometheus reads the engine's metrics, on the same port."""

    @property
    def SIGNALS(self) -> Signals:  # noqa: N802
        """What the engine says of itself."""

    def arguments(self, pool: ServingPool) -> list[str]:
        """Return the arguments after the command: the operator's, then the user's own."""

    def environment(self, pool: ServingPool) -> list[dict[str, Any]]:
        """Return the container's `env`."""

    def probes(self, managed: Managed) -> dict[str, Any]:
        """Return `startupProbe`, `readinessProbe` and `livenessProbe` of the container."""

    def pre_stop(self, managed: Managed) -> dict[str, Any]:
        """Return the container's `preStop`.

        It must last at least `rollout.SPREAD`: as long requests still arrive. What it waits beyond
        that is taken from the pool's `terminationGracePeriod`.
        """

    def files(self, pool: ServingPool) -> Mapping[str, str]:
        """Return files for `FILES_PATH`, by name: what the engine takes by no argument."""

    def refusals(self, pool: ServingPool) -> tuple[tuple[str, str], ...]:
        """Return (argument of the user as written, why it is refused) for each refused one."""

    def problems(self, name: str, managed: Managed) -> tuple[Problem, ...]:
        """Return what the engine would refuse or cannot do, with the remedy.

        Args:
            name: the pool's.
            managed: what its user wants.
        """

    def lacks(self, managed: Managed) -> tuple[str, ...]:
        """Return what the engine does not tell or does not do, for the pool's conditions."""
