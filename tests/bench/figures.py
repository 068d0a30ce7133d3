"""What a bench measured, for the pages: kept in the folder that `TOKENFLEET_FIGURES` names."""

import json
import os
from pathlib import Path
from typing import Any


def record(name: str, found: dict[str, Any]) -> None:
    """Keep figures under a name; nowhere where no folder is named."""
    folder = os.environ.get("TOKENFLEET_FIGURES")
    if not folder:
        return
    file = Path(folder) / "bench.json"
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**known, name: found}, indent=1, sort_keys=True)
    file.write_text(text + "\n", encoding="utf-8")
