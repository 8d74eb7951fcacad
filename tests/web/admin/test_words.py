"""Words without a result, and the meter beside text fields."""

from collections.abc import Iterator
from datetime import date
from time import monotonic, sleep

import pytest
from sqlmodel import Session

from portal.accounts.models import Role
from portal.catalogue import region_settings
from portal.catalogue.models import SearchMiss
from portal.web.application import Portal
from tests.web.admin.conftest import SignIn
from tests.web.admin.pages import AdminClient

PATH = "/admin/words"
DAY = date(2026, 11, 18)


@pytest.fixture
def coordinator(signed_in: SignIn) -> AdminClient:
    return signed_in(Role.COORDINATOR)


@pytest.fixture(autouse=True)
def misses(database: Session) -> None:
    for term, count in (("einradkurs", 3), ("mietzuschlag", 9)):
        database.add(
            SearchMiss(
                region="musterkreis", language="de", term=term, count=count, first_day=DAY, last_day=DAY
            )
        )
    database.commit()


def words(client: AdminClient, show: str = "open") -> list[str]:
    rows = client.page(f"{PATH}?show={show}").all("tbody th span")
    return [row.get_text() for row in rows]


def decide(client: AdminClient, term: str, decision: str, **more: str) -> int:
    fields = {"language": "de", "term": term, "decision": decision, "back": PATH, **more}
    return client.send(f"{PATH}/decide", fields).status_code


def test_the_most_wanted_first(coordinator: AdminClient) -> None:
    assert words(coordinator) == ["mietzuschlag", "einradkurs"]


def test_a_missing_offer_is_noted_with_its_count(coordinator: AdminClient) -> None:
    assert decide(coordinator, "einradkurs", "missing") == 303
    assert words(coordinator) == ["mietzuschlag"]
    assert "3" in coordinator.page(f"{PATH}?show=missing").all("tbody td")[0].get_text()
    assert decide(coordinator, "einradkurs", "open") == 303
    assert words(coordinator) == ["mietzuschlag", "einradkurs"]


def until(true: Iterator[bool]) -> bool:
    end = monotonic() + 20
    while monotonic() < end:
        if next(true):
            return True
        sleep(0.05)
    return False


def test_a_synonym_is_understood_by_the_search_and_forgotten_again(
    coordinator: AdminClient, admin_portal: Portal, database: Session
) -> None:
    concept = next(found for found in admin_portal.search.concepts if "wohngeld" in found.id)

    def understands() -> Iterator[bool]:
        while True:
            admin_portal.catalogue._checked_at = float("-inf")
            admin_portal.catalogue.refresh()
            found = admin_portal.search.understood("mietzuschlag", "de").concepts
            yield concept.id in {match.concept.id for match in found if match.how == "exact"}

    assert not next(understands())
    label = coordinator.page(PATH).all(f'#concepts option[value$="({concept.id})"]')
    assert decide(coordinator, "mietzuschlag", "synonym", concept=str(label[0]["value"])) == 303
    assert until(understands())
    assert decide(coordinator, "mietzuschlag", "open") == 303
    database.expire_all()
    assert region_settings.stored_overrides(database, "musterkreis") == {}
    assert until(not known for known in understands())


@pytest.mark.parametrize("concept", ["", "xyzzy", "x (made_up)"])
def test_a_synonym_needs_a_concept(coordinator: AdminClient, concept: str) -> None:
    answer = coordinator.send(
        f"{PATH}/decide",
        {"language": "de", "term": "einradkurs", "decision": "synonym", "concept": concept},
    )
    page = coordinator.sent(answer, PATH, status=422)
    assert page.one('input[aria-invalid="true"]')["value"] == concept


def test_two_who_decide_and_words_that_are_not_there(coordinator: AdminClient) -> None:
    assert decide(coordinator, "einradkurs", "ignored") == 303
    assert decide(coordinator, "einradkurs", "missing") == 303
    assert words(coordinator, "missing") == []
    assert decide(coordinator, "never searched", "missing") == 303
    assert words(coordinator, "missing") == []
    assert decide(coordinator, "einradkurs", "made_up") == 400


def test_it_leads_back_only_to_admin_pages(coordinator: AdminClient) -> None:
    answer = coordinator.send(
        f"{PATH}/decide",
        {"language": "de", "term": "einradkurs", "decision": "ignored", "back": "https://evil.example/"},
    )
    assert answer.location == PATH


def test_only_for_the_whole_county(signed_in: SignIn, admin_portal: Portal) -> None:
    part = next(place.ags for place in admin_portal.catalogue.places.all())
    local = signed_in(Role.COORDINATOR, area=part)
    local.page(PATH, status=403)
    assert decide(local, "einradkurs", "ignored") == 403


def test_the_meter_answers_with_a_part_of_a_page(signed_in: SignIn) -> None:
    editor = signed_in(Role.EDITOR, organization="jobcenter-musterkreis")
    fields = {"field": "services.0.description", "services.0.description": "Der Antrag wird <b>geprüft</b>."}
    part = editor.send("/admin/meter", fields, headers={"HX-Request": "true"}).get_data(as_text=True)
    assert "<html" not in part
    assert "wird … geprüft" in part and "<b>" not in part
    page = editor.sent(editor.send("/admin/meter", {"text": "Die Behörde hilft."}), "/admin/meter")
    assert "Amt" in page.text


def test_the_meter_of_an_empty_field_says_nothing(coordinator: AdminClient) -> None:
    part = coordinator.send("/admin/meter", {"field": "a", "a": "  "}, headers={"HX-Request": "true"})
    assert part.get_data(as_text=True).strip() == ""
