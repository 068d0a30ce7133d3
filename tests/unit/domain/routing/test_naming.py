"""What a router calls objects: short at home, whole elsewhere, never twice the same."""

from hypothesis import given
from hypothesis import strategies as st

from tokenfleet.domain.routing.naming import Place, local_name, place_of

NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)


def test_its_own_have_their_names_and_others_both() -> None:
    assert local_name("platform", "chat", at="platform") == "chat"
    assert local_name("team-a", "chat", at="platform") == "team-a/chat"


@given(NAMES, NAMES, NAMES)
def test_a_name_leads_back_to_its_object(namespace: str, name: str, home: str) -> None:
    place = Place(namespace, name)

    assert place_of(local_name(*place, at=home), at=home) == place
