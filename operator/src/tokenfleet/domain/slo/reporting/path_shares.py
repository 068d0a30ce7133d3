"""The view of an objective about the share of a path, as status and metrics tell it."""

from tokenfleet.domain.slo.control.memory import State
from tokenfleet.domain.slo.objectives.path_share import LEAST, PathShare, Share
from tokenfleet.domain.slo.observation.data_state import DataState, Kind, unknown
from tokenfleet.domain.slo.observation.measurement import Failure
from tokenfleet.domain.slo.reporting.views import SLOView


def path_view(objective: PathShare, found: Share | Failure) -> SLOView:
    """Describe one objective by the last hour, or by why nothing is known of it."""
    if isinstance(found, Failure):
        return _view(unknown(found), Share(requests=0, taken=0), objective)
    return _view(_state(found), found, objective)


def _state(found: Share) -> DataState:
    if round(found.requests) == 0:
        return DataState(Kind.NO_TRAFFIC)
    if found.part is None:
        text = f"{found.requests:.0f} requests in an hour, {LEAST} are needed"
        return DataState(Kind.INSUFFICIENT, "", text)
    return DataState(Kind.OK)


def _view(data: DataState, found: Share, objective: PathShare) -> SLOView:
    part = found.part
    return SLOView(
        state=State.NORMAL.value,
        data=data,
        total=round(found.requests),
        bad=round(found.requests - found.taken),
        burn_rate=(1 - part) / (1 - objective.least) if part is not None else 0.0,
        p50=None,
        p99=None,
        met=part >= objective.least if part is not None else None,
        shadow=None,
        last=None,
        value=f"{part:.3f}" if part is not None else "",
    )
