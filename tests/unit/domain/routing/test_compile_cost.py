"""A compilation costs as much as there is to compile, and not the square of it."""

from tests.unit.domain.routing.test_compile import compiled, promise, route
from tokenfleet.api.v1alpha1.tokenslo import TokenSLO


class Read(tuple[TokenSLO, ...]):
    """Counts how often it is read from end to end."""

    __slots__ = ()
    times = 0

    def __iter__(self):
        Read.times += 1
        return super().__iter__()


def test_objectives_are_sorted_out_once_however_many_routes_there_are() -> None:
    slos = Read([promise("TimeToFirstToken", "1s"), promise("EndToEnd", "5s")])
    Read.times = 0
    compiled(*(route(f"chat-{n}") for n in range(9)), slos=slos)

    assert Read.times == 1
