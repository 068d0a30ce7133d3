"""The story: its phases, what each does, and what each waits for.

The load is constant from the first mark to the last; the only thing that changes is the CPU of the
large pool's pod, and what the TokenSLO may do about it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from e2e.demo.claims import LONGEST_LOAD, WINDOW, first_action, steady_span
from e2e.demo.numbers import shares_text
from e2e.demo.timeline import BASELINE, Mark, Timeline
from e2e.demo.view import Screen
from e2e.kit.kubectl import CommandError, Namespace
from e2e.kit.waiting import NotYet, wait_for
from e2e.load.pod import LoadRun
from e2e.load.profile import Feature, Profile

MANIFESTS = Path(__file__).parent / "manifests"

SLOW, FAST = "generation", "suggestions"
"""The features of the load, named after the rules that they take."""

WHOLE = {"ignore_eos": True}
"""vLLM's own: answers are as long as asked for, so that every request costs the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How strong the load and its cause are, and how long each phase may take, in seconds."""

    slow_rate: float = 0.9
    fast_rate: float = 1.2
    """Requests per second by feature."""
    whole_cpu: str = "1"
    """CPU of the large pool's pod, as its manifest says."""
    cut_cpu: str = "100m"
    """CPU that the cause leaves it."""
    steady: float = 100.0
    """At most, until a whole window of requests before the cause meets the objective."""
    breach: float = 90.0
    """At most, until the status tells of the breach and of the shift it would make."""
    linger: float = 20.0
    """Under Alert, after that: nothing gets better by itself."""
    defend: float = 180.0
    """At most, until clients are served within the objective again."""
    hold: float = 5.0
    """How long that lasts, with the cause still there, before the cause is removed."""
    recover: float = 440.0
    """At most, until all traffic is back."""


def load_profile(namespace: Namespace, pace: Pace) -> Profile:
    """Return the constant load."""
    return Profile(
        url=f"http://default-router.{namespace.name}.svc",
        model="chat",
        features=(
            Feature(name=FAST, rate=pace.fast_rate, prompt_words=16, max_tokens=4, body=WHOLE),
            Feature(name=SLOW, rate=pace.slow_rate, prompt_words=50, max_tokens=8, body=WHOLE),
        ),
        # The story ends the load; this is the bound should it not come to that.
        duration=LONGEST_LOAD - 80,
        drain=60.0,
        request_timeout=300.0,
    )


class Story:
    """Plays the phases against a fleet that already serves."""

    def __init__(
        self, namespace: Namespace, timeline: Timeline, screen: Screen, pace: Pace
    ) -> None:
        self.namespace = namespace
        self.timeline = timeline
        self.screen = screen
        self.pace = pace
        self.load = LoadRun(namespace, "load", load_profile(namespace, pace))

    def play(self) -> None:
        """Play all phases; the load ends whatever happens, and what was recorded stays."""
        try:
            self._begin_load()
            self._slow_down()
            self._alert_only()
            self._defend()
            self._recover()
            self._mark(Mark.END)
        finally:
            self._end_load()

    def _end_load(self) -> None:
        """End the load; never the reason why a story fails, nor a veil over the real one."""
        self.screen.say("The load ends; running requests are awaited.")
        try:
            self.timeline.records = self.load.finish()
        except (CommandError, AssertionError) as error:
            self.timeline.records = list(self.load.live)
            self.timeline.troubles.append(f"the load did not end well: {first_line(error)}")
        self.timeline.running = {}

    def _mark(self, mark: Mark) -> None:
        self.timeline.marks[mark] = time.time()

    def _wait(self, what: str, probe: Callable[[], object], limit: float) -> bool:
        """Wait, but let the story go on when it does not come: the claims judge it in the end."""
        self.screen.progress(f"   waiting for {what}, at most {limit:.0f} s")
        try:
            # The view tells every few seconds how things are: the wait need not repeat it.
            wait_for(what, probe, timeout=limit, every=1.0, say=lambda _: None)
        except AssertionError as late:
            self.screen.progress(f"   {first_line(late)}")
            return False
        return True

    def _begin_load(self) -> None:
        pace = self.pace
        self.screen.say(
            f"A constant load begins: {pace.slow_rate:g} requests/s on the slow rule (large model),"
            f" {pace.fast_rate:g}/s on the fast one. The objective only alerts."
        )
        self.namespace.delete("pod", self.load.name)
        self._mark(Mark.LOAD)
        self.load.start()
        self.timeline.records = self.load.follow().live
        self.timeline.running = self.load.running
        self._wait("the objective to be met before anything happens", self._steady, pace.steady)

    def _steady(self) -> bool | NotYet:
        """Say whether the status and the last window of requests, all of this load, are well."""
        seen = self.timeline.latest
        begin, end = steady_span(self.timeline, time.time())
        if begin < self.timeline.marks[Mark.LOAD]:
            return NotYet("the load is too young to judge")
        good = self.timeline.good_fraction(begin, end) or 0.0
        well = seen.met is True and good >= self.timeline.objective.target
        return well or NotYet(f"{good:.0%} in time, data {seen.data or 'not known yet'}")

    def _slow_down(self) -> None:
        self.screen.say(
            f"The cause: the large pool's pod keeps {self.pace.cut_cpu} of its {self.pace.whole_cpu}"
            " CPU (kubectl patch pod --subresource resize). It serves on, slowly."
        )
        self._resize(self.pace.cut_cpu)
        self._mark(Mark.CAUSE)

    def _alert_only(self) -> None:
        def breach() -> bool | NotYet:
            seen = self.timeline.latest
            shown = self.timeline.would_shift(seen)
            return (seen.met is False and shown) or NotYet(seen.shadow_reason or "no breach yet")

        if self._wait("the status to tell of the breach", breach, self.pace.breach):
            self.screen.say(
                "The objective is missed. onBreach is Alert: nothing moves, and the status shows what"
                " a shift would do. The breach stays."
            )
        time.sleep(self.pace.linger)

    def _defend(self) -> None:
        self.screen.say("kubectl apply: the TokenSLO may now shift traffic (ShiftTraffic).")
        self.namespace.apply(MANIFESTS / "later" / "40-slo-shift.yaml")
        self._mark(Mark.SHIFT)

        def acted() -> bool | NotYet:
            shares = self.timeline.latest.shares
            moved = shares.get(self.timeline.primary, BASELINE) < BASELINE
            return moved or NotYet(shares_text(shares))

        if self._wait("the operator's first shift", acted, self.pace.defend):
            self.screen.say("The operator shifts the slow rule's conversations to the small pool.")
        if self._wait("clients to be served in time", self._within, self.pace.defend):
            self.screen.say("Within the objective again, and the large pool is as slow as before.")
        time.sleep(self.pace.hold)

    def _within(self) -> bool | NotYet:
        """Say whether the last requests that had time for a first token met the objective."""
        limit = self.timeline.objective.threshold
        end = time.time() - limit - 1
        shifted = any(
            seen.at <= end - WINDOW and seen.shares.get(self.timeline.primary, BASELINE) < BASELINE
            for seen in self.timeline.observations
        )
        fraction = self.timeline.good_fraction(end - WINDOW, end)
        good = fraction is not None and fraction >= self.timeline.objective.target
        return (shifted and good) or NotYet(f"{fraction or 0:.0%} in time")

    def _recover(self) -> None:
        self._mark(Mark.REMOVED)
        self.screen.say(
            f"The cause is removed: {self.pace.whole_cpu} CPU again. Traffic comes back in steps,"
            " each judged before the next."
        )
        self._resize(self.pace.whole_cpu)

        def back() -> bool | NotYet:
            shares = self.timeline.latest.shares
            return shares.get(self.timeline.primary) == BASELINE or NotYet(shares_text(shares))

        if first_action(self.timeline) is not None:
            self._wait("all traffic to be back", back, self.pace.recover)
        time.sleep(WINDOW + 2)

    def _resize(self, cpu: str) -> None:
        for pod in self.namespace.list("pods", f"tokenfleet.dev/pool={self.timeline.primary}"):
            name, container = pod["metadata"]["name"], pod["spec"]["containers"][0]["name"]
            limit = {"limits": {"cpu": cpu}}
            change = {"spec": {"containers": [{"name": container, "resources": limit}]}}
            self.namespace.patch("pod", name, change, subresource="resize")


def first_line(error: BaseException) -> str:
    """Return what an error says, without its appendix."""
    return (str(error).strip() or repr(error)).splitlines()[0]
