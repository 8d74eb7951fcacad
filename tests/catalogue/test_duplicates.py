"""What stands twice: found and explained, merged in one go, and contacts that many offers name."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, select

from portal.catalogue import duplicates, editing, models, revision
from portal.catalogue.duplicates import MergeRefused
from portal.catalogue.editing import Conflict, InvalidEntry, StillUsed, UnknownEntry
from portal.catalogue.models import EntryVersion, Status, Translation, entity_id
from portal.catalogue.queries import moved_to
from tests.factories import NOW, REGION, a_location, a_region, a_service, a_translation, an_organization


def found(session: Session, entity: str, **options: Any) -> dict[tuple[str, str], tuple[str, ...]]:
    return {
        (pair.left.slug, pair.right.slug): pair.reasons
        for pair in duplicates.pairs(session, REGION, entity, **options)
    }


def record(session: Session, slug: str, entity: str = "service") -> Any:
    session.expire_all()
    return editing.entry(session, REGION, entity, slug).record


def merged(
    session: Session, entity: str, left: str, right: str, choice: Mapping[str, str] | None = None
) -> duplicates.Merge:
    hashes = (
        editing.entry(session, REGION, entity, left).hash,
        editing.entry(session, REGION, entity, right).hash,
    )
    return duplicates.merge(
        session, REGION, entity, left, right, choice or {}, hashes=hashes, author=None, now=NOW
    )


# Finding.


def test_an_organization_under_two_spellings_is_found_and_explained(session: Session) -> None:
    an_organization(session, "a", name="Diakonie Musterstadt e. V.", phones=({"number": "030 23125345"},))
    an_organization(session, "b", name="Diakonie  Musterstadt", phones=({"number": "+49 30 23125-345"},))
    an_organization(session, "c", name="Caritas Musterstadt", phones=({"number": "03943 99999"},))
    assert found(session, "organization") == {("a", "b"): ("same_name", "same_phone")}


def test_a_misspelt_name_that_shares_no_word_is_found(session: Session) -> None:
    an_organization(session, "a", name="Jugendberatungszentrum")
    an_organization(session, "b", name="Jugendberatungszentrrum")
    assert found(session, "organization") == {("a", "b"): ("similar_name",)}


def test_a_fax_and_a_shared_web_page_alone_make_no_duplicate(session: Session) -> None:
    fax = ({"number": "030 23125345", "type": "fax"},)
    an_organization(session, "a", name="Jugendamt", website="https://www.kreis.example/", phones=fax)
    an_organization(session, "b", name="Gesundheitsamt", website="http://kreis.example", phones=fax)
    assert found(session, "organization") == {}


def test_houses_of_one_body_are_no_duplicates_though_they_share_its_switchboard(session: Session) -> None:
    phones = ({"number": "030 23125345"},)
    an_organization(session, "jc", name="Jobcenter Kreis", phones=phones)
    an_organization(session, "n", name="Jobcenter Haus Nord", phones=phones, parent_organization="jc")
    an_organization(session, "s", name="Jobcenter Haus Süd", phones=phones, parent_organization="jc")
    assert found(session, "organization") == {}


def test_places_are_told_apart_by_their_address(session: Session) -> None:
    owner = an_organization(session)
    for slug, street in (("a", "Hauptstraße 5"), ("b", "Hauptstr. 5"), ("c", "Hauptstraße 55")):
        address = {"address_1": street, "postal_code": "38820", "city": "Halberstadt"}
        a_location(session, slug, name="Beratungsstelle", organization=owner, address=address)
    assert list(found(session, "location")) == [("a", "b")]


def test_a_secret_place_is_never_listed(session: Session) -> None:
    owner = an_organization(session, confidential=True)
    a_location(session, "a", name="Schutzhaus", organization=owner, confidential=True)
    a_location(session, "b", name="Schutzhaus", organization=owner, confidential=True)
    assert found(session, "location") == {}


def test_offers_of_one_name_in_two_towns_are_two(session: Session) -> None:
    for slug in ("a", "b"):
        a_service(session, slug, name="Schuldnerberatung", organization=an_organization(session))
    assert found(session, "service") == {}


def test_an_offer_entered_twice_is_found_and_numbered_groups_are_not(session: Session) -> None:
    owner = an_organization(session)
    a_service(session, "a", name="Berufsberatung für alle", organization=owner, email="info@example.org")
    a_service(session, "b", name="Berufs-Beratung (alle)", organization=owner, email="Info@example.org")
    a_service(session, "g1", name="Gruppe 1", organization=owner)
    a_service(session, "g2", name="Gruppe 2", organization=owner)
    reasons = found(session, "service")
    assert list(reasons) == [("a", "b")]
    assert reasons["a", "b"] == ("similar_name", "same_email", "same_organization")


def test_what_was_called_different_or_archived_is_not_shown(session: Session) -> None:
    for slug in ("a", "b", "c"):
        an_organization(session, slug, name="Tafel Musterstadt")
    different = frozenset(entity_id(REGION, "organization", slug) for slug in ("a", "b"))
    editing.set_status(session, REGION, "organization", "c", Status.ARCHIVED, author=None, now=NOW)
    assert list(found(session, "organization")) == [("a", "b")]
    assert found(session, "organization", distinct={different}) == {}


# Merging.


def test_merged_organizations_bring_offers_places_and_offices_along(session: Session) -> None:
    one = an_organization(session, "one", name="Verein", email="a@example.org")
    other = an_organization(
        session,
        "other",
        name="Verein e. V.",
        website="https://example.org",
        phones=({"number": "030 23125345"},),
    )
    an_organization(session, "office", name="Büro", parent_organization="other")
    a_location(session, "house", organization=other)
    a_service(session, "mine", organization=one)
    a_service(session, "theirs", organization=other, locations=({"location": "house"},))
    a_service(session, "draft", organization=other, status="draft")
    before = revision.current(session, REGION)
    plan = merged(session, "organization", "one", "other", {"name": "right"})
    assert {(kind, moved.slug) for kind, moved in plan.moved} == {
        ("service", "theirs"), ("service", "draft"), ("location", "house"), ("organization", "office"),
    }  # fmt: skip
    survivor = record(session, "one", "organization")
    assert (survivor.name, survivor.email, survivor.website) == (
        "Verein e. V.",
        "a@example.org",
        "https://example.org",
    )
    assert [phone.number for phone in survivor.phones] == ["030 23125345"]
    assert record(session, "theirs").organization == "one"
    assert record(session, "draft").status == "draft"
    assert record(session, "house", "location").organization == "one"
    assert record(session, "office", "organization").parent_organization == "one"
    assert editing.entry(session, REGION, "organization", "other").status == Status.ARCHIVED
    causes = {(one.slug, one.cause) for one in session.exec(select(EntryVersion)).all()}
    assert {("one", "merged"), ("theirs", "merged"), ("house", "merged"), ("other", "archived")} <= causes
    changed = revision.changed_service_ids(session, REGION, since=before)
    assert changed is not None
    assert {entity_id(REGION, "service", slug) for slug in ("mine", "theirs")} <= changed


def test_the_address_of_what_was_merged_leads_to_what_is_left(session: Session) -> None:
    owner = an_organization(session)
    for slug in ("a", "b", "c", "d"):
        a_service(session, slug, organization=owner)
    merged(session, "service", "b", "a")
    merged(session, "service", "c", "b")
    assert moved_to(session, REGION, "service", "a") == "c"
    assert moved_to(session, REGION, "service", "b") == "c"
    assert moved_to(session, REGION, "organization", "a") is None
    assert moved_to(session, "elsewhere", "service", "a") is None
    editing.set_status(session, REGION, "service", "c", Status.ARCHIVED, author=None, now=NOW)
    assert moved_to(session, REGION, "service", "a") is None


def test_a_parent_that_is_merged_into_its_office_leaves_no_circle(session: Session) -> None:
    an_organization(session, "top", name="Kreis")
    an_organization(session, "other", name="Amt", parent_organization="top")
    an_organization(session, "one", name="Amt", parent_organization="other")
    merged(session, "organization", "one", "other")
    assert record(session, "one", "organization").parent_organization == "top"


def test_lists_can_be_put_together(session: Session) -> None:
    owner = an_organization(session)
    a_service(
        session, "one", organization=owner, topics=("geld",), phones=({"number": "030 23125345"},), required_documents=("Ausweis",)
    )  # fmt: skip
    a_service(
        session, "other", organization=owner, topics=("geld", "wohnen"),
        phones=({"number": "030/23125345"}, {"number": "030 23125777"}), required_documents=("Foto",),
    )  # fmt: skip
    choice = {"topics": "both", "phones": "both", "required_documents": "left"}
    merged(session, "service", "one", "other", choice)
    survivor = record(session, "one")
    assert survivor.topics == ("geld", "wohnen")
    assert [phone.number for phone in survivor.phones] == ["030 23125345", "030 23125777"]
    assert survivor.required_documents == ("Ausweis",)


def test_merged_places_leave_every_offer_with_one_of_them(session: Session) -> None:
    owner = an_organization(session)
    a_location(session, "one", organization=owner)
    a_location(session, "other", organization=owner)
    a_service(session, "there", locations=({"location": "other", "description": "Zimmer 3"},))
    a_service(
        session,
        "both",
        locations=(
            {"location": "one", "phones": ({"number": "03943 1111"},)},
            {"location": "other", "description": "Hof", "phones": ({"number": "03943 2222"},)},
        ),
    )
    merged(session, "location", "one", "other")
    (at,) = record(session, "there").locations
    assert (at.location, at.description) == ("one", "Zimmer 3")
    (at,) = record(session, "both").locations
    assert (at.description, [phone.number for phone in at.phones]) == ("Hof", ["03943 1111", "03943 2222"])
    assert session.get(models.Location, entity_id(REGION, "location", "other")) is None


def test_a_text_brings_its_translation_along(session: Session) -> None:
    owner = an_organization(session)
    one = a_service(session, "one", organization=owner, description="Kurz.")
    other = a_service(session, "other", organization=owner, description="Viel besser.", name="Anders")
    a_translation(session, one, "description", text="Short.")
    a_translation(session, one, "name", text="One")
    a_translation(session, other, "description", text="Much better.")
    a_translation(session, other, "name", text="Other")
    one_id = one.id
    merged(session, "service", "one", "other", {"description": "right"})
    texts = session.exec(select(Translation).where(Translation.entity_id == one_id)).all()
    assert {(text.field, text.text) for text in texts} == {("description", "Much better."), ("name", "One")}
    assert {text.source_hash for text in texts if text.field == "description"} == {
        revision.text_hash("Viel besser.")
    }


def test_a_merge_of_what_changed_meanwhile_writes_nothing(session: Session) -> None:
    owner = an_organization(session)
    a_service(session, "one", organization=owner)
    a_service(session, "other", organization=owner)
    session.commit()
    with pytest.raises(Conflict):
        duplicates.merge(
            session, REGION, "service", "one", "other", {}, hashes=("old", "old"), author=None, now=NOW
        )
    session.rollback()
    assert editing.entry(session, REGION, "service", "other").status == "published"
    assert session.exec(select(EntryVersion)).all() == []


def test_what_cannot_be_merged_says_why(session: Session) -> None:
    a_region(session, helplines=("line",), clearing_desk="desk")
    owner = an_organization(session)
    shelter = an_organization(session, "shelter", confidential=True)
    for slug in ("one", "line", "desk"):
        a_service(session, slug, organization=owner)
    session.flush()
    with pytest.raises(MergeRefused, match="confidential"):
        merged(session, "organization", owner.slug, shelter.slug)
    with pytest.raises(MergeRefused, match="same"):
        merged(session, "service", "one", "one")
    with pytest.raises(UnknownEntry):
        merged(session, "service", "one", "nobody")
    for needed in ("line", "desk"):
        with pytest.raises(StillUsed):
            merged(session, "service", "one", needed)


# Contacts.

CONTACT = {
    "name": "Anmeldung",
    "title": "Sekretariat",
    "email": "post@example.org",
    "phones": ({"number": "030 23125345"},),
}


def test_contacts_that_are_one_are_shown_together(session: Session) -> None:
    owner = an_organization(session, "amt")
    a_service(session, "a", organization=owner, contacts=(CONTACT,))
    spelt = {
        **CONTACT,
        "name": "Die Anmeldung",
        "email": "Post@example.org",
        "phones": ({"number": "+49 30 23125345"},),
    }
    a_service(session, "b", organization=owner, contacts=({"name": "Leitung"}, spelt))
    a_service(session, "c", organization=owner, contacts=({**CONTACT, "email": "x@example.org"},))
    a_service(session, "d", organization=owner, status="draft", contacts=(CONTACT,))
    (one,) = duplicates.shared_contacts(session, REGION)
    assert [use.slug for use in one.uses] == ["a", "b", "d"]
    assert (one.email, one.phones, one.spellings) == ("post@example.org", ("030 23125345",), 2)
    assert one.key == duplicates.contact_key(record(session, "a").contacts[0])


def test_a_contact_is_changed_in_all_chosen_offers_at_once(session: Session) -> None:
    for slug in ("a", "b", "c"):
        a_service(session, slug, contacts=({"name": "Leitung"}, CONTACT))
    (one, _lead) = duplicates.shared_contacts(session, REGION)
    one = next(found for found in (one, _lead) if found.email)
    hashes = {slug: editing.entry(session, REGION, "service", slug).hash for slug in ("a", "b")}
    before = revision.current(session, REGION)
    duplicates.change_contact(
        session, REGION, one.key, {"email": "neu@example.org"}, hashes, author=None, now=NOW + timedelta(1),
        may=lambda _entity, _record: True,
    )  # fmt: skip
    for slug, email in (("a", "neu@example.org"), ("b", "neu@example.org"), ("c", "post@example.org")):
        lead, contact = record(session, slug).contacts
        assert (lead.name, contact.name, contact.email) == ("Leitung", "Anmeldung", email)
    assert revision.current(session, REGION) == before + 1


def test_a_contact_change_is_all_or_nothing(session: Session) -> None:
    for slug in ("a", "b"):
        a_service(session, slug, contacts=(CONTACT,))
    session.commit()
    (one,) = duplicates.shared_contacts(session, REGION)
    hashes = {slug: editing.entry(session, REGION, "service", slug).hash for slug in ("a", "b")}

    def change(values: dict[str, Any], hashes: dict[str, str], *, may: bool = True) -> None:
        duplicates.change_contact(
            session, REGION, one.key, values, hashes, author=None, now=NOW, may=lambda _entity, _record: may
        )

    with pytest.raises(Conflict):
        change({"email": "neu@example.org"}, {**hashes, "b": "old"})
    with pytest.raises(UnknownEntry):
        change({"email": "neu@example.org"}, hashes, may=False)
    with pytest.raises(InvalidEntry) as invalid:
        change({"phones": [{"number": "03"}]}, hashes)
    assert [problem.field for problem in invalid.value.problems] == ["phones.0.number"]
    session.rollback()
    assert record(session, "a").contacts[0].email == "post@example.org"
    assert session.exec(select(EntryVersion)).all() == []


@pytest.mark.parametrize(
    "number", ["030 23125345", "+49 30 23125345", "0049 30/23125-345", "+49 (0)30 23125345"]
)
def test_phone_numbers_are_the_same_however_they_are_written(number: str) -> None:
    assert duplicates.phone_digits(number) == "03023125345"
