"""Objects as an earlier version of this project stores them, made by that version's own code.

    python -m tests.unit.api.stored_by COMMIT > tests/unit/api/testdata/stored-COMMIT.yaml

That version's models fill in the defaults of its CRDs, its operator visits its own test fleet over
its own fake of the API server, and what comes out is what lay in etcd: specs, status, and the data
of `<router>-config`. Needs the repository's history; never change a file once it is made.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]
APPLIED = Path(__file__).parent / "testdata" / "applied.yaml"
EXAMPLES = "operator/docs/examples"

# Runs in the earlier version's tree: only what every one of them has may be imported.
PROGRAM = """
import asyncio, importlib.util, sys
from pathlib import Path
import yaml
from tokenfleet.api.v1alpha1.kinds import KINDS

MODELS = {kind.kind: model for kind, model in KINDS}
bench = "operator_bench" if Path("tests/unit/cli/operator_bench.py").exists() else "test_operator"
bench = importlib.import_module(f"tests.unit.cli.{bench}")

def stored(body):
    read = MODELS[body["kind"]].model_validate(body)
    whole = read.model_dump(mode="json", by_alias=True, exclude_none=True)
    names = {key: body["metadata"][key] for key in ("name", "namespace") if key in body["metadata"]}
    return {
        "apiVersion": "tokenfleet.dev/v1alpha1",
        "kind": body["kind"],
        "metadata": {"namespace": "ns", **names},
        "spec": whole["spec"],
    }

async def main():
    applied = [b for text in map(Path.read_text, map(Path, sys.argv[1:]))
               for b in yaml.safe_load_all(text) if b]
    fleet = [stored(b) if b["kind"] in MODELS else b for b in bench.FLEET]
    done = await bench.run(fleet)
    visited = [b for b in done.cluster.objects.values()
               if b["kind"] in MODELS or b["metadata"].get("name") == "default-config"]
    kept = ("apiVersion", "kind", "metadata", "spec", "data", "status")
    yaml.safe_dump_all(
        [*(stored(b) for b in applied if b["kind"] in MODELS),
         *({k: b[k] for k in kept if k in b} for b in visited)],
        sys.stdout, sort_keys=False, width=100)

asyncio.run(main())
"""


def stored_by(commit: str) -> str:
    """Return the objects as YAML documents."""
    archive = ["git", "-C", str(ROOT), "archive", "--format=tar", commit]
    tree = subprocess.run(archive, capture_output=True, check=True).stdout
    with tempfile.TemporaryDirectory(prefix="tokenfleet-earlier-") as folder:
        subprocess.run(["tar", "--extract", "--directory", folder], input=tree, check=True)
        earlier = Path(folder)
        applied = [APPLIED, *sorted((earlier / EXAMPLES).glob("*.yaml"))]
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *map(str, applied)],
            cwd=earlier,
            env={**os.environ, "PYTHONPATH": f"{earlier / 'operator/src'}:{earlier}"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return done.stdout


if __name__ == "__main__":
    (wanted,) = sys.argv[1:]
    print(f"# Made by `python -m tests.unit.api.stored_by {wanted}`. Never change what is here:")
    print("# it lies in somebody's etcd.")
    yaml.safe_dump_all(yaml.safe_load_all(stored_by(wanted)), sys.stdout, sort_keys=False)
