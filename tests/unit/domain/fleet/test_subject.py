"""A file of objects: what is read, and what is refused with one sentence."""

from pathlib import Path

import pytest
import yaml

from tokenfleet.domain.fleet.documents import UnfitError
from tokenfleet.domain.fleet.subject import subjects

FILE = Path(__file__).parents[3] / "integration" / "prometheus" / "testdata" / "slo.yaml"
EXAMPLES = Path(__file__).parents[4] / "operator" / "docs" / "examples"


def documents(**changes: object) -> str:
    """The file with a field of one kind changed: `kind__path__to__field=value`; None removes."""
    bodies = list(yaml.safe_load_all(FILE.read_text()))
    for place, value in changes.items():
        kind, *path = place.split("__")
        body = next(body for body in bodies if body["kind"] == kind)
        if not path:
            bodies.remove(body)
            continue
        for key in path[:-1]:
            body = body[int(key) if key.isdigit() else key]
        body[path[-1]] = value
    return yaml.safe_dump_all(bodies)


def test_rules_objectives_and_capacities_are_those_of_the_operator() -> None:
    (found,) = subjects(FILE.read_text(), namespace="default")
    (rule,) = found.rules
    (slo,) = found.objectives

    assert (found.namespace, found.router) == ("simulation", "default")
    assert (rule.backends, rule.fallbacks) == ({"primary": 1}, ("fallback",))
    assert (slo.key, slo.shifts) == ("simulation/first-token", True)
    assert found.pools["simulation/fallback"].capacity == 12


def test_objectives_on_cost_and_caching_are_read_too() -> None:
    cache = {"type": "CacheHitRate", "cacheHitRate": {"min": "0.7"}}
    (found,) = subjects(documents(TokenSLO__spec__objective=cache), namespace="default")

    assert found.objectives == ()
    assert [level.key for level in found.levels] == ["simulation/first-token"]


def test_objects_without_a_namespace_are_in_the_one_given() -> None:
    names = ("pool-gpu-draft", "pool-cpu", "route-fallback", "slo-shift")
    text = "\n---\n".join((EXAMPLES / f"{name}.yaml").read_text() for name in names)

    (found,) = subjects(text, namespace="team-a")

    assert [rule.key.rule for rule in found.rules] == ["fast", "slow"]
    assert {rule.key.namespace for rule in found.rules} == {"team-a"}


def test_what_the_operator_would_object_to_is_said_and_left_out() -> None:
    """A fallback that cannot take the rule's requests is no fallback in a replay either."""
    names = ("pool-gpu-draft", "pool-cpu", "route-fallback", "slo-shift")
    text = "\n---\n".join((EXAMPLES / f"{name}.yaml").read_text() for name in names)
    (found,) = subjects(
        text.replace("contextWindow: 32768        #", "contextWindow: 4096 #"), namespace="a"
    )
    (problem,) = found.problems

    assert "does not fall back to ServingPool chat-small" in problem
    assert [rule.fallbacks for rule in found.rules] == [(), ()]


def test_a_list_is_its_items() -> None:
    items = list(yaml.safe_load_all(FILE.read_text()))
    text = yaml.safe_dump({"kind": "List", "metadata": {}, "items": items})

    assert subjects(text, namespace="default") == subjects(FILE.read_text(), namespace="default")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("a: [", "is no YAML", id="no YAML"),
        pytest.param("hello", "no Kubernetes object", id="no object"),
        pytest.param("", "no TokenSLO", id="nothing"),
        pytest.param(documents(ModelRoute=None), "ModelRoute chat, which is not in", id="no route"),
        pytest.param(
            documents(ServingPool=None), "ServingPool primary, which is not in", id="no pool"
        ),
        pytest.param(
            documents(TokenSLO__spec__targetRef__sectionName="other"),
            "has no rule other, only all",
            id="no such rule",
        ),
        pytest.param(
            documents(TokenSLO__spec__objective__latency__threshold="2s3"),
            "TokenSLO first-token: spec.objective",
            id="a field that cannot be read",
        ),
        pytest.param(FILE.read_text() + "---\n" + FILE.read_text(), "twice", id="twice"),
    ],
)
def test_what_cannot_be_backtested_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UnfitError, match=sentence) as raised:
        subjects(text, namespace="default")

    assert "\n" not in str(raised.value)
