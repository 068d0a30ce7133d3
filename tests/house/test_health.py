"""What Argo CD and Flux make of every condition that the operator can set, as the page says.

The script runs in the Lua that Argo CD has (5.1), the expressions in an interpreter of CEL. Flux
without the expressions reads conditions by the rules of kstatus (sigs.k8s.io/cli-utils).
"""

from typing import Any

import cel
import pytest
import yaml
from lupa import lua51

from tests.house.condition_table import Row, rows
from tests.house.repository import ROOT
from tokenfleet.api.v1alpha1.condition import Condition
from tokenfleet.api.v1alpha1.kinds import KINDS
from tokenfleet.domain.fleet.conditions import condition, summary

FILES = ROOT / "charts/tokenfleet/files"
SCRIPT = (FILES / "argocd/health.lua").read_text(encoding="utf-8")
PATCH = yaml.safe_load((FILES / "argocd/argocd-cm.yaml").read_text(encoding="utf-8"))["data"]
CHECKS = yaml.safe_load((FILES / "flux/health-checks.yaml").read_text(encoding="utf-8"))
ROWS = rows()
NEEDED = {
    "ServingPool": ("Accepted", "Available"),
    "ModelRouter": ("Accepted", "Programmed"),
    "ModelRoute": ("Accepted", "ResolvedRefs", "Programmed"),
    "TokenSLO": ("Accepted", "ResolvedRefs", "DataAvailable"),
}
"""What `Ready` sums up, in the order in which it explains."""
WELL = {"Healthy": "Current"}


def subject(row: Row) -> dict[str, Any]:
    """Return an object that is well but for one condition, as the operator would write it."""
    word = condition(row.type, row.status, reason=row.reason, message="because")  # type: ignore[arg-type]
    well = [condition(one, status=True, reason="Fine") for one in NEEDED[row.kind]]
    well.append(condition("Progressing", status=False, reason="UpToDate"))
    told = [one for one in well if one.type != row.type] + [word]
    if row.type != "Ready":
        told.append(summary(told, NEEDED[row.kind], message="it serves"))
    return _object(row.kind, told)


def _object(kind: str, told: list[Condition], *, seen: int = 2) -> dict[str, Any]:
    dumped = [
        one.model_dump(by_alias=True, include={"type", "status", "reason", "message"})
        for one in told
    ]
    return {
        "kind": kind,
        "metadata": {"name": "one", "generation": 2},
        "status": {"observedGeneration": seen, "conditions": dumped},
    }


def argo(found: dict[str, Any]) -> tuple[str, str]:
    """Return status and message as Argo CD's script says them."""
    lua = lua51.LuaRuntime()
    lua.globals().obj = lua.table_from(found, recursive=True)
    said = lua.execute(SCRIPT)
    return said["status"], said["message"]


def flux(found: dict[str, Any]) -> str:
    """Return Flux's status by the expressions, in its order: failed, current, else in progress."""
    mine = next(one for one in CHECKS if one["kind"] == found["kind"])
    seen = {"metadata": found["metadata"], "status": found.get("status", {})}
    if cel.evaluate(mine["failed"], seen):
        return "Failed"
    return "Current" if cel.evaluate(mine["current"], seen) else "InProgress"


def kstatus(found: dict[str, Any]) -> str:
    """Return Flux's status without expressions (kstatus: generation, then `Ready`)."""
    status = found.get("status", {})
    if status.get("observedGeneration", 2) != found["metadata"]["generation"]:
        return "InProgress"
    ready = next((c for c in status.get("conditions", ()) if c["type"] == "Ready"), None)
    return "Current" if ready is None or ready["status"] == "True" else "InProgress"


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_argo_cd_says_what_the_page_says(row: Row) -> None:
    status, message = argo(subject(row))

    assert status == ("Healthy" if row.argo == "-" else row.argo)
    assert message


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_flux_says_what_the_page_says(row: Row) -> None:
    assert flux(subject(row)) == ("Current" if row.flux == "-" else row.flux)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_flux_without_expressions_waits_for_what_is_not_ready(row: Row) -> None:
    """It cannot tell what a person must heal, and never takes it for well."""
    wanted = "InProgress" if row.flux == "Failed" else flux(subject(row))
    if (row.type, row.reason) == ("Available", "ScaledToZero"):
        wanted = "InProgress"
    if row.reason == "DeadlineExceeded":
        wanted = "Current"  # it serves, with what was there before

    assert kstatus(subject(row)) == wanted


@pytest.mark.parametrize("kind", NEEDED)
def test_an_object_that_nobody_has_looked_at_is_progressing(kind: str) -> None:
    ready = [condition("Ready", status=True, reason="Ready", message="it serves")]
    new = {"kind": kind, "metadata": {"name": "one", "generation": 1}}
    changed = _object(kind, ready, seen=1)

    assert argo(new)[0] == argo(changed)[0] == "Progressing"
    assert flux(new) == flux(changed) == kstatus(changed) == "InProgress"


def test_the_script_and_the_expressions_are_there_for_every_kind() -> None:
    kinds = {kind.kind for kind, _ in KINDS}

    assert {one["kind"] for one in CHECKS} == kinds == {row.kind for row in ROWS}
    assert set(PATCH) == {f"resource.customizations.health.tokenfleet.dev_{kind}" for kind in kinds}
    assert set(PATCH.values()) == {SCRIPT}
