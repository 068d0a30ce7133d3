"""The scenarios: `scenarios.yaml`, read. Add one there in at most ten lines."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Final

import yaml

from tokenfleet.simulation.fleet import Scenario
from tokenfleet.simulation.written import WrittenScenario, read


def scenarios(text: str, what: str) -> tuple[Scenario, ...]:
    """Read a list of scenarios.

    Raises:
        WrittenError: one of them cannot be read.
    """
    return tuple(
        read(WrittenScenario, body, f"{what}, scenario {body.get('name', number)}").scenario()
        for number, body in enumerate(yaml.safe_load(text))
    )


_TEXT: Final = (files("tokenfleet.simulation") / "scenarios.yaml").read_text(encoding="utf-8")
SCENARIOS: Final = scenarios(_TEXT, "scenarios.yaml")
BY_NAME: Final[Mapping[str, Scenario]] = {scenario.name: scenario for scenario in SCENARIOS}
_WORLDS: Final = (files("tokenfleet.simulation") / "worlds.yaml").read_text(encoding="utf-8")
WORLDS: Final = {world.name: world for world in scenarios(_WORLDS, "worlds.yaml")}
"""By name; see `worlds.py`."""
