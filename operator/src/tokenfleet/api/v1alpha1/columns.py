"""What `kubectl get` prints of each kind; last the reason of the condition Ready, and the age."""

from typing import Final

from tokenfleet.api.conventions import PrinterColumn

_LAST: Final = (
    PrinterColumn(name="Status", json_path=".status.conditions[?(@.type=='Ready')].reason"),
    PrinterColumn(name="Age", json_path=".metadata.creationTimestamp", type="date"),
)

SERVING_POOL: Final = (
    PrinterColumn(name="Type", json_path=".spec.type"),
    PrinterColumn(name="Model", json_path=".spec.served.modelName"),
    PrinterColumn(name="Device", json_path=".spec.managed.device", priority=1),
    # Not `.spec.replicas`, which Existing and External pools do not follow.
    PrinterColumn(name="Replicas", json_path=".status.replicas", type="integer"),
    PrinterColumn(name="Ready", json_path=".status.readyReplicas", type="integer"),
    *_LAST,
)

MODEL_ROUTE: Final = (
    PrinterColumn(name="Models", json_path=".spec.modelNames"),
    PrinterColumn(name="Router", json_path=".spec.parentRefs[0].name", priority=1),
    PrinterColumn(name="Traffic", json_path=".status.traffic"),
    PrinterColumn(name="Control", json_path=".status.control"),
    PrinterColumn(
        name="Programmed", json_path=".status.conditions[?(@.type=='Programmed')].status"
    ),
    *_LAST,
)

TOKEN_SLO: Final = (
    PrinterColumn(name="Route", json_path=".spec.targetRef.name"),
    PrinterColumn(name="Rule", json_path=".spec.targetRef.sectionName"),
    PrinterColumn(name="Objective", json_path=".spec.objective.type"),
    PrinterColumn(name="Met", json_path=".status.conditions[?(@.type=='Met')].status"),
    PrinterColumn(name="Data", json_path=".status.data.state"),
    PrinterColumn(name="Burn", json_path=".status.current.burnRate"),
    PrinterColumn(name="Budget", json_path=".status.budget.remaining", priority=1),
    PrinterColumn(name="p50", json_path=".status.quantiles.p50", priority=1),
    PrinterColumn(name="p99", json_path=".status.quantiles.p99", priority=1),
    PrinterColumn(name="Action", json_path=".spec.onBreach.type"),
    PrinterColumn(name="State", json_path=".status.state"),
    *_LAST,
)

MODEL_ROUTER: Final = (
    PrinterColumn(name="Type", json_path=".spec.type"),
    PrinterColumn(name="Address", json_path=".status.addresses[0]"),
    PrinterColumn(name="Revision", json_path=".status.configRevision", type="integer", priority=1),
    PrinterColumn(name="Acknowledged", json_path=".status.acknowledged"),
    *_LAST,
)
