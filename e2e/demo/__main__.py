"""`python -m e2e.demo`: the whole story on a real cluster, from nothing."""

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import yaml
from rich.console import Console

from e2e.demo import ending, setup, view
from e2e.demo.claims import judge
from e2e.demo.story import FAST, MANIFESTS, SLOW, Pace, Story
from e2e.demo.tape import Tape
from e2e.demo.timeline import Objective, Timeline
from e2e.demo.watch import Watcher
from e2e.kit import repository
from e2e.kit.clusters import connect, leave_running, take_down
from e2e.kit.kubectl import CommandError, Namespace
from e2e.kit.proxy import ApiProxy
from tokenfleet.api.v1alpha1.tokenslo import TokenSLO

FOLDER = repository() / ".demo"
"""Where the record, the plot and the recording of the terminal are kept."""


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="make demo",
        description="Watch a real fleet defend its objective: a breach, a shift, the way back.",
        epilog="With KUBECONFIG set it runs on that cluster, else on a built-in one (needs root), which"
        " it ends again when it was not running before.",
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave everything up and print what to try next"
    )
    parser.add_argument("--plain", action="store_true", help="lines instead of a live view")
    return parser.parse_args()


def empty_timeline() -> Timeline:
    """Return a timeline for the objective that the manifest states."""
    text = (MANIFESTS / "40-slo.yaml").read_text(encoding="utf-8")
    latency = TokenSLO.model_validate(yaml.safe_load(text)).spec.objective.latency
    assert latency is not None
    promise = Objective(threshold=latency.threshold.total_seconds(), target=float(latency.target))
    return Timeline(objective=promise, primary="chat-large", fallback="chat-small", feature=SLOW)


ASK = """curl -s localhost:8080/v1/chat/completions -H 'content-type: application/json' \\
    -d '{"model": "chat", "max_tokens": 12, "messages": [{"role": "user", "content": "hello"}]}'"""


def next_commands(namespace: Namespace) -> str:
    """Return what to try while everything is up."""
    kubectl = f"kubectl -n {namespace.name}"
    lines = (
        f"export KUBECONFIG={namespace.cluster.kubeconfig}",
        f'export PATH="{Path(namespace.cluster.kubectl).parent}:$PATH"',
        f"{kubectl} get tokenfleet",
        f"{kubectl} describe tslo chat-latency",
        f"{kubectl} get mroute chat -o yaml",
        f"{kubectl} port-forward svc/default-router 8080:80 &",
        ASK,
        "make cluster-down        # in the end",
    )
    return "\n  ".join(("Everything is up. Try:", *lines))


def play(namespace: Namespace, timeline: Timeline, tape: Tape, *, plain: bool) -> None:
    """Play the story with the live view on."""
    console = Console(force_terminal=False if plain else None)
    with ApiProxy(namespace.cluster) as proxy, view.Screen(timeline, console, tape) as screen:
        watcher = Watcher(
            proxy, namespace.name, timeline, route="chat", rule="slow", slo="chat-latency"
        ).start()
        try:
            Story(namespace, timeline, screen, Pace()).play()
            timeline.acceptance = setup.acceptance(namespace.cluster)
        finally:
            watcher.close()


def clear_away(namespace: Namespace, *, found_running: bool) -> None:
    """Leave the machine as it was found."""
    setup.remove(namespace)
    if not found_running:
        take_down()


def main() -> int:
    """Run the demo; return 0 when the story happened."""
    options, begun = arguments(), time.monotonic()
    timeline, tape, found_running = empty_timeline(), Tape(), leave_running()
    cluster = connect()
    namespace = cluster.namespace(setup.NAMESPACE)
    with ExitStack() as afterwards:  # in every case, whatever stops the story, last one first
        if options.keep:
            afterwards.callback(lambda: print(next_commands(namespace)))
        else:
            afterwards.callback(clear_away, namespace, found_running=found_running)
        setup.fleet(cluster, MANIFESTS)
        print(f"== Ready after {time.monotonic() - begun:.0f} s: {SLOW} and {FAST} can be served.")
        afterwards.callback(ending.tell, Console(), timeline, tape, FOLDER)
        play(namespace, timeline, tape, plain=options.plain)
    return 0 if all(claim.holds for claim in judge(timeline)) else 1


def causes(error: BaseException) -> Iterator[BaseException]:
    """Return what went wrong, the first thing first: what failed while tidying up is not the reason."""
    if error.__context__ is not None and not error.__suppress_context__:
        yield from causes(error.__context__)
    if isinstance(error, CommandError | AssertionError | KeyboardInterrupt):
        yield error


def run() -> int:
    """Run, and say in a few sentences what stopped it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # tidy up then, too
    try:
        return main()
    except (CommandError, AssertionError, KeyboardInterrupt) as error:
        for found in causes(error):
            print(f"\ndemo: {str(found) or 'interrupted'}", file=sys.stderr)
        return 130 if isinstance(error, KeyboardInterrupt) else 1


if __name__ == "__main__":
    sys.exit(run())
