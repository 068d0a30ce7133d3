"""What a TokenSLO promises about the share of a path."""

from collections.abc import Mapping
from typing import Any

from tokenfleet.api.v1alpha1.tokenslo import TokenSLO
from tokenfleet.domain.fleet.parsing import parsed
from tokenfleet.domain.slo.objectives.path_share import PathShare, path_share_of


def path_in(body: Mapping[str, Any]) -> PathShare | None:
    """Return the objective about the share of a path; None where it is another, or unreadable."""
    slo = parsed(TokenSLO, body)
    return path_share_of(slo) if isinstance(slo, TokenSLO) else None
