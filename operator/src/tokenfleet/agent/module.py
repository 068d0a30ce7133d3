"""Whether Envoy and the router's native module fit: asked before anything is served."""

from pathlib import Path

from tokenfleet.adapters.envoy.bootstrap import Limits
from tokenfleet.adapters.envoy.render import standalone
from tokenfleet.adapters.envoy.wire import Ports, canonical
from tokenfleet.agent.envoy import validate
from tokenfleet.agent.files import CANDIDATE, Folder
from tokenfleet.agent.nothing import nothing


class UnfitModuleError(Exception):
    """Envoy cannot run the module, or runs it although it was built for another version."""


async def check_module(binary: str, folder: Path) -> None:
    """Let Envoy load the module and read the smallest configuration.

    Args:
        binary: Envoy.
        folder: where a file may be written.

    Raises:
        UnfitModuleError: the message says why.
    """
    files = Folder(folder)
    smallest = standalone(nothing("", ""), {}, ports=Ports(), limits=Limits())
    files.write(CANDIDATE, canonical(smallest))
    problem = await validate(binary, files.file(CANDIDATE))
    if problem:
        raise UnfitModuleError(problem)
