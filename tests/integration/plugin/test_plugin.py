"""`kubectl tokenfleet` on a real API server, by what it prints and what it writes."""

import json
import os
import pty
import re
import subprocess
from datetime import datetime, timedelta

import pytest
import yaml

from e2e.kit.waiting import NotYet, wait_for
from tests.integration.plugin.conftest import STAMP, Plugin, script
from tokenfleet.adapters.clock import SystemClock

pytestmark = pytest.mark.cluster


def lines(text: str) -> list[str]:
    """Return lines with single spaces: columns are as wide as names ask for."""
    return [" ".join(line.split()) for line in text.splitlines()]


def ageless(text: str) -> list[str]:
    """Return the lines of a table without its first column: ages grow from one look to the next."""
    return [line.partition(" ")[2] for line in lines(text)]


def test_status_shows_the_fleet_and_what_to_look_at(plugin: Plugin) -> None:
    said, place = lines(plugin.says("status")), plugin.namespace.name

    assert f"{place}/chat slow large 25 %, small 75 % Shifted 7m missed" in [
        re.sub(r"Shifted \S+", "Shifted 7m", line) for line in said
    ]
    promise = "95 % of first tokens within 500ms"
    assert f"{place}/ttft chat/slow {promise} ShiftTraffic missed 10.00 2.4s -50% OK" in said
    assert f"{place}/large Existing 2/2" in said
    assert f"{place}/default 7 2/2" in said
    assert f"! TokenSLO {place}/ttft misses {promise}: burn rate 10.00" in said
    assert (
        f"! TokenSLO {place}/whole misses {promise}: burn rate 10.00;"
        " would have: first step: all to small"
    ) in said
    assert f"! ServingPool {place}/small is not ready: no operator has looked at it yet" in said


def test_status_for_scripts_is_json(plugin: Plugin) -> None:
    found = json.loads(plugin.says("status", "-o", "json"))
    (route,) = found["routes"]

    assert route["rules"][0]["flows"] == [
        {"pool": "large", "role": "primary", "adapter": "", "share": 250},
        {"pool": "small", "role": "fallback", "adapter": "", "share": 750},
    ]
    assert route["rules"][0]["since"] == STAMP


@pytest.mark.parametrize("arguments", [("status",), ("top",), ("history",), ("explain", "chat")])
def test_every_table_is_json_and_yaml_too(plugin: Plugin, arguments: tuple[str, ...]) -> None:
    as_json = json.loads(plugin.says(*arguments, "-o", "json"))
    as_yaml = yaml.safe_load(plugin.says(*arguments, "-o", "yaml"))
    for found in (as_json, as_yaml):
        if isinstance(found, dict):
            found.pop("at", None)

    assert as_json
    assert as_json == as_yaml


def test_a_name_of_another_namespace_is_found(plugin: Plugin) -> None:
    kubeconfig = f"--kubeconfig={plugin.namespace.cluster.kubeconfig}"
    command = [*script("main"), "explain", "chat", "-n", "kube-public", kubeconfig]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "no ModelRoute chat in namespace kube-public; there is one in namespace " in done.stderr
    assert plugin.namespace.name in done.stderr


def test_top_without_a_terminal_is_printed_once(plugin: Plugin) -> None:
    said, place = lines(plugin.says("top")), plugin.namespace.name

    assert f"{place}/chat slow - - - missed Shifted large 25 %, small 75 %" in said
    assert f"{place}/ttft 95 % of first tokens within 500ms 10.00 Shifted OK" in said
    assert f"{place}/large 2/2 - - - -" in said
    assert said[-1].startswith("Rates and times are not known without --prometheus-url")


def test_history_shows_decisions_with_their_reasons(plugin: Plugin) -> None:
    heads, line = lines(plugin.says("history", "chat"))

    assert heads == "AGE TIME ROUTE DECISION REASON"
    assert f"{plugin.namespace.name}/chat TrafficShifted rule slow: ttft: 40 of 80" in line
    assert ageless(plugin.says("history", "modelroute/chat")) == ageless(f"{heads}\n{line}")
    assert "no ModelRoute chta in namespace" in plugin.run("history", "chta").stderr
    assert plugin.says("history", "--last", "1m").startswith("No decision in the last 1m.")


def test_a_pin_is_shown_asked_for_and_written(plugin: Plugin) -> None:
    refused = plugin.run("pin", "chat", "small=100")

    assert refused.returncode == 1
    assert "standard input is no terminal: add --yes, or --dry-run" in refused.stderr
    assert plugin.control()["type"] == "Auto"

    before = SystemClock().now().replace(microsecond=0)
    said = plugin.says("pin", "chat", "small=70", "large=30", "--for", "2h", "--yes")
    control = plugin.control()

    assert said.startswith("modelroute/chat pinned until ")
    assert control["type"] == "Pinned"
    assert control["pinned"]["rules"] == [
        {
            "name": "slow",
            "pools": [{"name": "small", "weight": 70}, {"name": "large", "weight": 30}],
        }
    ]
    until = datetime.fromisoformat(control["pinned"]["until"])
    assert timedelta(0) <= until - before - timedelta(hours=2) < timedelta(minutes=2)
    names = {one["manager"] for one in plugin.route()["metadata"]["managedFields"]}
    assert "kubectl-tokenfleet" in names


def test_a_dry_run_prints_what_git_and_kubectl_need_and_writes_nothing(plugin: Plugin) -> None:
    said = plugin.says("pin", "chat", "small=100", "--dry-run")
    manifest = yaml.safe_load(said)

    assert plugin.control()["type"] == "Auto"
    assert manifest["kind"] == "ModelRoute"
    assert manifest["metadata"] == {"name": "chat", "namespace": plugin.namespace.name}
    assert manifest["spec"]["trafficControl"]["pinned"]["rules"][0]["name"] == "slow"

    (command,) = [line.removeprefix("# ") for line in said.splitlines() if "kubectl patch" in line]
    kubeconfig = {**os.environ, "KUBECONFIG": str(plugin.namespace.cluster.kubeconfig)}
    tool = plugin.namespace.cluster.kubectl
    subprocess.run(
        ["bash", "-c", command.replace("kubectl", str(tool), 1)],
        env=kubeconfig,
        check=True,
        capture_output=True,
    )
    assert plugin.control()["type"] == "Pinned"


def test_unpin_ends_a_pin_and_a_stop(plugin: Plugin) -> None:
    plugin.says("pin", "chat", "small=1", "--yes")
    plugin.says("unpin", "chat", "--yes")
    assert plugin.control()["type"] == "Auto"

    assert plugin.says("stop", "--all", "-y") == "modelroute/chat stopped\n"
    assert plugin.control()["type"] == "Disabled"
    assert "is not controlled: spec.trafficControl.type is Disabled" in plugin.says("status")
    plugin.says("unpin", "chat", "--yes")
    assert plugin.control()["type"] == "Auto"
    assert "neither pinned nor stopped" in plugin.run("unpin", "chat", "--yes").stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pin", "chat", "medium=1", "-y"), "rule slow has no pool medium; it has large, small"),
        (("pin", "chat", "small", "-y"), "a share is POOL=WEIGHT with a whole number"),
        (("pin", "chat", "small=0", "-y"), "at least one pool must have a weight above 0"),
        (("pin", "chat", "small=2000", "-y"), "weight in body should be less than or equal to 1000"),
        (("pin", "chat", "small=1", "--rule", "fast", "-y"), "has no rule fast; it has slow"),
        (("pin", "chat", "small=1", "--until", "2020-01-01T00:00:00Z", "-y"), "--until must lie ahead"),
        (("pin", "chat", "small=1", "--until", "2030-01-01T00:00:00", "-y"), "--until must be a time with its zone"),
        (("pin", "chat", "small=1", "--for", "soon", "-y"), "soon"),
        (("stop", "-y"), "name ModelRoutes, or all of them with --all"),
        (("stop", "chta", "-y"), "; did you mean chat?"),
        (("explain", "small"), "small is a ServingPool, of ModelRoute chat"),
        (("explain", "ttft"), "ttft is a TokenSLO, of ModelRoute chat"),
        (("explain", "servingpool/small"), "is no ModelRoute: write its name, or modelroute/NAME"),
        (("explain", "../chat"), "is no ModelRoute"),
        (("costs", "--from", "30d"), "write 720h"),
        (("top", "-o", "csv"), "-o csv is of --by"),
        (("history", "--last", "0s"), "--last must be more than 0"),
        (("top", "--every", "100ms"), "--every must be 1s or more"),
        (("status", "--context", "nowhere"), "name nowhere in"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence_and_nothing_is_written(
    plugin: Plugin, arguments: tuple[str, ...], said: str
) -> None:
    done = plugin.run(*arguments)

    assert done.returncode == 1
    assert done.stderr.startswith(f"tokenfleet {arguments[0]}: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert plugin.control()["type"] == "Auto"


def test_who_keeps_the_object_as_git_has_it_is_named(plugin: Plugin) -> None:
    mark = "argocd.argoproj.io/tracking-id=fleet:tokenfleet.dev/ModelRoute:ns/chat"
    plugin.namespace.run("annotate", "modelroute", "chat", mark)
    done = plugin.run("pin", "chat", "small=1", "--yes")
    plugin.namespace.run("annotate", "modelroute", "chat", "argocd.argoproj.io/tracking-id-")

    assert done.returncode == 0
    assert done.stderr.startswith("Argo CD keeps ModelRoute chat as git has it and may undo this")


def on_a_terminal(plugin: Plugin, *arguments: str, typed: str = "") -> tuple[int, str]:
    """Run on a pseudo-terminal; return the status and everything that a person sees."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        plugin.command(*arguments),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(theirs)
    os.write(ours, typed.encode())
    seen = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        seen += piece
    os.close(ours)
    return child.wait(timeout=60), seen.decode()


def test_on_a_terminal_it_asks_and_no_is_the_default(plugin: Plugin) -> None:
    status, seen = on_a_terminal(plugin, "pin", "chat", "small=100", typed="\n")

    assert status == 1
    assert "rule slow: small 100 %" in seen
    assert "TokenSLOs have no vote on it until then. Pin it? [y/N]" in seen
    assert "nothing was changed" in seen
    assert plugin.control()["type"] == "Auto"

    status, _ = on_a_terminal(plugin, "pin", "chat", "small=100", typed="y\n")
    assert status == 0
    assert plugin.control()["type"] == "Pinned"


def test_colours_are_for_terminals(plugin: Plugin) -> None:
    _, seen = on_a_terminal(plugin, "status")

    assert "\x1b[31mmissed\x1b[0m" in seen
    assert "\x1b[" not in plugin.says("status")


def complete(plugin: Plugin, *words: str) -> list[str]:
    kubeconfig = {**os.environ, "KUBECONFIG": str(plugin.namespace.cluster.kubeconfig)}
    command = [*script("complete"), *words]

    def answered() -> list[str] | NotYet:
        done = subprocess.run(command, env=kubeconfig, capture_output=True, text=True, check=True)
        # Nobody waits long for a completion: of an API server that is busy it says nothing.
        return done.stdout.splitlines() if done.stdout.count("\n") > 1 else NotYet(done.stdout)

    return wait_for(f"a completion of {words}", answered, timeout=120)


def test_names_are_completed_as_kubectl_reads_them(plugin: Plugin) -> None:
    where = ("-n", plugin.namespace.name)

    assert complete(plugin, "pi") == ["pin\tfix the shares of a rule for a while", ":4"]
    assert complete(plugin, "explain", *where, "") == ["chat\tchat", ":4"]
    assert complete(plugin, "pin", *where, "chat", "") == ["large=", "small=", ":6"]
    assert complete(plugin, "pin", *where, "chat", "--rule", "") == ["slow", ":4"]
    assert complete(plugin, "pin", "--dr") == ["--dry-run", ":4"]
