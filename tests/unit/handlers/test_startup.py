"""A process that waits for too long says so."""

from tokenfleet.handlers.startup import START_LIMIT, Startup


def test_waiting_is_ordinary_for_a_while_and_then_told() -> None:
    now = [0.0]
    startup = Startup(monotonic=lambda: now[0])
    assert startup.problem == ""

    startup.waits_for("the API server")
    now[0] = START_LIMIT - 1
    assert startup.problem == ""

    startup.waits_for("the custom resource definition of ServingPool")
    now[0] = START_LIMIT
    assert startup.problem == "waiting for the custom resource definition of ServingPool for 60 s"

    startup.goes_on()
    assert startup.problem == ""
