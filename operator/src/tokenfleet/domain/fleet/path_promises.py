"""TokenSLOs about the share of a path, among all that are stored."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tokenfleet.api.v1alpha1.tokenslo import TokenSLO
from tokenfleet.domain.fleet.parsing import parsed
from tokenfleet.domain.slo.objectives.path_share import PathShare, path_share_of


def paths_of(bodies: Iterable[Mapping[str, Any]]) -> Iterator[PathShare]:
    """Yield the objectives about the share of a path; what cannot be read is left out."""
    for body in bodies:
        slo = parsed(TokenSLO, body)
        found = path_share_of(slo) if isinstance(slo, TokenSLO) else None
        if found is not None:
            yield found
