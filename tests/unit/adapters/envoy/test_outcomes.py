"""Response codes and flags, as the real Envoy gives them, and what they mean."""

import pytest

from tokenfleet.adapters.envoy.outcomes import OUTCOMES, outcome


@pytest.mark.parametrize(
    ("code", "flags", "expected"),
    [
        pytest.param("200", "-", "ok", id="answered"),
        pytest.param("400", "-", "client_error", id="refused by the pool"),
        pytest.param("503", "-", "server_error", id="the pool's own error"),
        pytest.param("429", "-", "throttled", id="the pool is busy"),
        pytest.param("503", "UF", "connect", id="nobody listens"),
        pytest.param("503", "UF,URX", "connect", id="nobody listens, and no try is left"),
        pytest.param("0", "UT", "timeout", id="no first token in time"),
        pytest.param("504", "URX,UT", "timeout", id="no first token in time on any pool"),
        pytest.param("0", "UC", "broken_stream", id="the connection broke before an answer"),
        pytest.param("200", "UPE", "broken_stream", id="the stream broke"),
        pytest.param("0", "-", "cancelled", id="an attempt whose client has gone"),
        pytest.param("0", "DC", "cancelled", id="a request whose client has gone"),
        pytest.param("200", "DC", "cancelled", id="the client left in the middle of a stream"),
    ],
)
def test_how_it_ended(code: str, flags: str, expected: str) -> None:
    assert expected == outcome(code, flags)
    assert expected in OUTCOMES
