"""Objects with words that today's schema does not have: stored by an earlier release, edited now.

The schemas are those of the generated CRDs, served under names of their own: first with the earlier
words in their enums, as the earlier release had them, and then as they are.
"""

import copy
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml

from e2e.kit.waiting import NotYet, wait_for, wait_served
from e2e.kit.yamls import merged
from tests.integration.api.server import CRDS, ApiServer
from tests.integration.api.subjects import at
from tests.support.earlier_words import RENAMED, in_todays_words
from tests.unit.api.test_stored import BODIES, leaves
from tokenfleet.api.v1alpha1.kinds import KINDS

pytestmark = pytest.mark.cluster

VERSION = "v1alpha1"
MODELS = {kind.kind: model for kind, model in KINDS}
# A field beside the renamed one: the rules of the object that holds both are judged anew.
BESIDE = {
    "ModelRouter": merged(
        at("spec.requestBodyLimit", "3Mi"), at("spec.attribution.user.header", "x-somebody")
    ),
    "ServingPool": at("spec.external.addressFamily", "IPv6"),
}


def _earlier(body: dict[str, Any]) -> frozenset[tuple[str, str]]:
    """Return the earlier words of an object, with their places."""
    return frozenset(
        (place, value)
        for place, value in leaves(body["spec"], ".spec")
        if value in RENAMED.get((body["kind"], place), ())
    )


# One object for each way of holding earlier words, the newest.
DIFFERENT = {
    (body["kind"], words): body
    for body in (one.values[0] for one in BODIES)
    if body["kind"] in MODELS and (words := _earlier(body))
}
STORED = [
    pytest.param({**body, "metadata": {"name": f"{body['metadata']['name']}-{number}"}}, id=kind)
    for number, ((kind, _), body) in enumerate(DIFFERENT.items())
]


def _definition(kind: str, group: str, *, earlier: bool) -> dict[str, Any]:
    """Return a generated CRD under another name, with or without the earlier words."""
    every = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in CRDS)
    crd = copy.deepcopy(next(one for one in every if one["spec"]["names"]["kind"] == kind))
    plural = f"stored{kind.lower()}s"
    names = {"kind": f"Stored{kind}", "plural": plural, "singular": plural.removesuffix("s")}
    crd["metadata"] = {"name": f"{plural}.{group}"}
    crd["spec"] |= {"group": group, "names": names}
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for (of, place), words in RENAMED.items():
        if earlier and of == kind:
            node = schema
            for name in place.strip(".").split("."):
                node = node["properties"][name]
            node["enum"] += words
    return crd


class Stored:
    """Objects of an earlier release on an API server that has today's schemas."""

    def __init__(self, api: ApiServer) -> None:
        self.api = api
        self.group = f"{api.namespace.name}.example.com"

    def named(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the object as one of the kind that these tests serve."""
        return {
            **body,
            "apiVersion": f"{self.group}/{VERSION}",
            "kind": f"Stored{body['kind']}",
            "spec": body["spec"],
        }

    def define(self, *, earlier: bool) -> list[str]:
        """Serve the schemas; return the names of the CRDs."""
        found = [
            _definition(kind, self.group, earlier=earlier)
            for kind in sorted({k for k, _ in RENAMED})
        ]
        self.api.namespace.run("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(found))
        names = [one["metadata"]["name"] for one in found]
        wait_served(self.api.namespace, *names)
        return [f"crd/{name}" for name in names]

    def create(self, body: dict[str, Any], *, dry_run: bool = True) -> httpx.Response:
        """Create an object."""
        return self.api.create(self.named({**body, "status": {}}), dry_run=dry_run)


@pytest.fixture(scope="module")
def stored(api: ApiServer) -> Iterator[Stored]:
    """Return an API server with today's schemas that holds every object of `STORED`."""
    subject = Stored(api)
    names = subject.define(earlier=True)
    bodies = [one.values[0] for one in STORED]
    try:
        for body in bodies:

            def kept(body: dict[str, Any] = body) -> bool | NotYet:
                answer = subject.create(body, dry_run=False)
                return answer.status_code == httpx.codes.CREATED or NotYet(answer.text)

            wait_for("the earlier release", kept, timeout=180, namespace=api.namespace)
        subject.define(earlier=False)

        def strict() -> bool | NotYet:
            refused = [subject.create({**one, "metadata": {"name": "new"}}) for one in bodies]
            old = [one.text for one in refused if one.status_code == httpx.codes.CREATED]
            return not old or NotYet(old[0])

        wait_for("today's schemas", strict, timeout=180, namespace=api.namespace)
        yield subject
    finally:
        api.namespace.run("delete", *names, "--ignore-not-found", "--wait=false")


@pytest.mark.parametrize("body", STORED)
def test_the_operator_writes_its_status(stored: Stored, body: dict[str, Any]) -> None:
    answer = stored.api.change(
        stored.named(body), at("status.observedGeneration", 7), subresource="/status", dry_run=False
    )

    assert answer.status_code == httpx.codes.OK, answer.text
    assert answer.json()["status"]["observedGeneration"] == 7


@pytest.mark.parametrize("body", STORED)
def test_a_field_beside_an_earlier_word_can_be_edited(stored: Stored, body: dict[str, Any]) -> None:
    answer = stored.api.change(stored.named(body), BESIDE[body["kind"]])

    assert answer.status_code == httpx.codes.OK, answer.text
    assert merged(answer.json()["spec"], BESIDE[body["kind"]]["spec"]) == answer.json()["spec"]


@pytest.mark.parametrize("body", STORED)
def test_a_manifest_with_earlier_words_can_be_applied_again(
    stored: Stored, body: dict[str, Any]
) -> None:
    """As Argo CD and Flux do it, with another field changed in the same commit."""
    edited = merged(stored.named(body), BESIDE[body["kind"]])
    edited.pop("status", None)

    stored.api.namespace.run(
        "apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-",
        stdin=yaml.safe_dump(edited),
    )  # fmt: skip


@pytest.mark.parametrize("body", STORED)
def test_an_earlier_word_can_be_replaced_by_todays(stored: Stored, body: dict[str, Any]) -> None:
    today = in_todays_words(body)

    answer = stored.api.change(stored.named(body), {"spec": today["spec"]})

    assert answer.status_code == httpx.codes.OK, answer.text
    model = MODELS[body["kind"]]
    read = [
        model.model_validate({"metadata": {"name": "a"}, "spec": b["spec"]}) for b in (body, today)
    ]
    assert read[0] == read[1]


@pytest.mark.parametrize("body", STORED)
def test_a_new_object_with_an_earlier_word_is_told_todays(
    stored: Stored, body: dict[str, Any]
) -> None:
    answer = stored.create({**body, "metadata": {"name": "new"}})

    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert 'Unsupported value: "O' in answer.json()["message"]
    assert "supported values: " in answer.json()["message"]
