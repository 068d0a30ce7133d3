"""The timeline as a file: what was recorded outlives the run, and pictures are drawn from it again."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from e2e.demo.timeline import Decision, Mark, Objective, Observation, PodState, Timeline
from e2e.load.records import Record


def write(story: Timeline, path: Path) -> None:
    """Write all that was recorded but for requests that never ended."""
    body = {
        "objective": asdict(story.objective),
        "primary": story.primary,
        "fallback": story.fallback,
        "feature": story.feature,
        "marks": {mark.name: at for mark, at in story.marks.items()},
        "observations": [asdict(seen) for seen in tuple(story.observations)],
        "records": [asdict(record) for record in tuple(story.records)],
        "acceptance": story.acceptance,
        "troubles": story.troubles,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body), encoding="utf-8")


def read(path: Path) -> Timeline:
    """Read what `write` wrote."""
    body = json.loads(path.read_text(encoding="utf-8"))
    return Timeline(
        objective=Objective(**body["objective"]),
        primary=body["primary"],
        fallback=body["fallback"],
        feature=body["feature"],
        marks={Mark[name]: at for name, at in body["marks"].items()},
        observations=[_observation(seen) for seen in body["observations"]],
        records=[Record(**record) for record in body["records"]],
        acceptance=body["acceptance"],
        troubles=body["troubles"],
    )


def _observation(body: dict[str, Any]) -> Observation:
    decision, pods = body.pop("decision"), body.pop("pods")
    return Observation(
        decision=Decision(**decision) if decision else None,
        pods=tuple(PodState(**pod) for pod in pods),
        **body,
    )
