"""What is missing or outdated, saving, and the same numbers in both languages."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session, col, select

from portal.catalogue import editing, models, revision
from portal.catalogue.exporting import export_region, stored_region, stored_terms
from portal.catalogue.loading import load_region, read_region
from portal.catalogue.models import Translation, entity_id, term_id
from portal.catalogue.queries import service_by_slug
from portal.catalogue.rows import table
from portal.catalogue.translating import saving
from portal.catalogue.translating.figures import mismatch
from portal.catalogue.translating.index import TranslationIndex, chosen, totals
from portal.catalogue.translating.saving import Refused, Wish
from portal.catalogue.translating.texts import (
    Item,
    UnknownText,
    earlier_german,
    earlier_texts,
    every_subject,
    known_translations,
    subject,
)
from portal.catalogue.vocabulary import translatable_texts
from tests.catalogue.conftest import ContentFolder
from tests.factories import REGION, a_location, a_service, a_term, an_organization
from tests.factories import a_translation as translated


def item(
    session: Session, slug: str, field: str = "name", language: str = "en", entity: str = "service"
) -> Item:
    return subject(session, REGION, entity, slug).item(language, field)


def save(
    session: Session,
    slug: str,
    now: datetime,
    *,
    text: str,
    checked: bool = False,
    field: str = "name",
    entity: str = "service",
    seen: str | None = None,
) -> tuple[str, ...]:
    wish = Wish(field, text, checked, seen or item(session, slug, field, entity=entity).seen)
    return saving.save(session, REGION, entity, slug, "en", [wish], author=None, now=now)


# What there is to translate.


def test_the_texts_are_those_of_the_content_format(
    session: Session, content: ContentFolder, now: datetime
) -> None:
    """Read from rows, because there are thousands; the records say the same."""
    load_region(session, content.read(), now=now)
    stored, terms = stored_region(session, "tal"), stored_terms(session)
    wanted = {
        **{
            (entity, slug): dict(translatable_texts(entity, record))
            for entity in ("organization", "location", "service")
            for slug, (record, _row) in getattr(stored, f"{entity}s").items()
        },
        **{
            ("taxonomy_term", key): dict(translatable_texts("taxonomy_term", record))
            for key, (record, _row) in terms.terms.items()
        },
    }
    found = {(one.entity, one.slug): dict(one.german) for one in every_subject(session, "tal")}
    assert found == wanted
    assert any("contacts.0.phones.0.description" in texts for texts in found.values())


def test_where_a_shelter_is_goes_to_no_translator(session: Session) -> None:
    organization = an_organization(session, "frauenhaus", confidential=True)
    a_location(
        session,
        "zuflucht",
        organization=organization,
        accessibility=[{"description": "Aufzug im Hof der Schulstraße"}],
    )
    assert list(subject(session, REGION, "location", "zuflucht").german) == ["name"]


def test_archived_and_unknown_entries_have_no_texts(session: Session) -> None:
    service = a_service(session, "alt")
    service.status = "archived"
    session.flush()
    for entity, slug in (("service", "alt"), ("service", "nie"), ("user", "alt"), ("taxonomy_term", "a:b")):
        with pytest.raises(UnknownText):
            subject(session, REGION, entity, slug)


def test_the_states(session: Session, now: datetime) -> None:
    service = a_service(session, "beratung", alternate_name="Amtlich", expectations=["Erst reden"])
    translated(session, service, "name", status="checked")
    translated(session, service, "description", status="machine")
    translated(session, service, "alternate_name", source_hash="000000000000", status="checked")
    states = {one.field: one.state for one in subject(session, REGION, "service", "beratung").items("en")}
    assert states == {
        "name": "checked",
        "description": "machine",
        "alternate_name": "outdated",
        "expectations.0": "missing",
    }


def test_white_space_never_makes_a_translation_outdated(session: Session) -> None:
    service = a_service(session, "beratung", description="Hier hilft dir jemand.")
    translated(session, service, "description", status="checked")
    service.description = " Hier  hilft\ndir jemand. "
    session.flush()
    assert item(session, "beratung", "description").state == "checked"


# Saving.


def test_a_new_translation_is_public_at_once_and_stays_through_a_load(
    session: Session, content: ContentFolder, now: datetime
) -> None:
    load_region(session, content.read(), now=now)
    before = revision.current(session, "tal")
    wish = Wish(
        "name", "Cash and jobs", True, subject(session, "tal", "service", "jobcenter").item("en", "name").seen
    )
    assert saving.save(session, "tal", "service", "jobcenter", "en", [wish], author=None, now=now) == (
        "name",
    )
    view = service_by_slug(session, "tal", "jobcenter")
    assert view is not None
    text = view.text("name", "en")
    assert text is not None and (text.text, text.status) == ("Cash and jobs", "checked")
    changed = revision.changed_service_ids(session, "tal", since=before)
    assert changed == {entity_id("tal", "service", "jobcenter")}
    report = load_region(session, content.read(), now=now + timedelta(days=1))
    assert [change.action for change in report.changes] == ["kept"]
    view = service_by_slug(session, "tal", "jobcenter")
    assert view is not None and view.text("name", "en") == text


def test_what_is_saved_here_can_be_exported_and_loaded(
    session: Session, content: ContentFolder, now: datetime
) -> None:
    load_region(session, content.read(), now=now)
    for field in ("name", "description"):
        seen = subject(session, "tal", "service", "notruf").item("uk", field).seen
        wish = Wish(field, f"Українською {field}", True, seen)
        saving.save(session, "tal", "service", "notruf", "uk", [wish], author=None, now=now)
    export_region(session, "tal", content.path)
    assert not load_region(session, read_region(content.path, "tal"), now=now).changed


def test_a_machine_draft_stays_one_until_somebody_reads_it(session: Session, now: datetime) -> None:
    service = a_service(session, "beratung")
    translated(session, service, "name", text="Draft", status="machine")
    assert save(session, "beratung", now, text="Draft") == ()
    assert item(session, "beratung").state == "machine"
    assert save(session, "beratung", now, text="Draft", checked=True) == ("name",)
    assert item(session, "beratung").state == "checked"
    assert save(session, "beratung", now, text="Draft") == ("name",), "the tick was taken away"
    assert item(session, "beratung").state == "unchecked"


def test_an_outdated_text_becomes_right_by_a_new_one_or_by_a_check(session: Session, now: datetime) -> None:
    service = a_service(session, "beratung")
    translated(session, service, "name", text="Old", source_hash="000000000000", status="checked")
    assert save(session, "beratung", now, text="Old") == ()
    assert item(session, "beratung").state == "outdated"
    save(session, "beratung", now, text="Old", checked=True)
    assert item(session, "beratung").state == "checked"


def test_two_people_at_once(session: Session, now: datetime) -> None:
    a_service(session, "beratung")
    seen = item(session, "beratung").seen
    save(session, "beratung", now, text="First", seen=seen)
    with pytest.raises(Refused) as refused:
        save(session, "beratung", now, text="Second", seen=seen)
    assert refused.value.problems["name"].code == "conflict"
    assert refused.value.problems["name"].values["text"] == "First"
    assert item(session, "beratung").text == "First"


def test_a_german_text_that_changed_meanwhile_is_a_conflict(session: Session, now: datetime) -> None:
    service = a_service(session, "beratung")
    seen = item(session, "beratung").seen
    service.name = "Ganz anders"
    session.flush()
    with pytest.raises(Refused):
        save(session, "beratung", now, text="First", seen=seen)


def test_all_or_nothing(session: Session, now: datetime) -> None:
    a_service(session, "beratung", description="Ab 16 Jahren.")
    found = subject(session, REGION, "service", "beratung")
    wishes = [
        Wish("name", "Advice", False, found.item("en", "name").seen),
        Wish("description", "From 18.", True, found.item("en", "description").seen),
        Wish("phones.7.description", "Switchboard", False, "x"),
    ]
    with pytest.raises(Refused) as refused:
        saving.save(session, REGION, "service", "beratung", "en", wishes, author=None, now=now)
    problems = refused.value.problems
    assert {name: problem.code for name, problem in problems.items()} == {
        "description": "figures",
        "phones.7.description": "gone",
    }
    assert problems["description"].values == {"missing": ("16",), "extra": ("18",)}
    assert item(session, "beratung").state == "missing"


def test_too_long_is_refused(session: Session, now: datetime) -> None:
    a_service(session, "beratung")
    with pytest.raises(Refused):
        save(session, "beratung", now, text="x" * 2001)
    save(session, "beratung", now, text="x" * 2000)


def test_history_keeps_every_text(session: Session, now: datetime) -> None:
    service = a_service(session, "beratung")
    translated(session, service, "name", text="From the files", status="machine")
    save(session, "beratung", now, text="First")
    save(session, "beratung", now + timedelta(hours=1), text="Second", checked=True)
    save(session, "beratung", now + timedelta(hours=2), text="")
    assert item(session, "beratung").state == "missing"
    versions = earlier_texts(session, subject(session, REGION, "service", "beratung"), "en")["name"]
    told = [(version.record["text"], version.cause) for version in reversed(versions)]
    assert told == [
        ("From the files", "before"),
        ("First", "edited"),
        ("Second", "edited"),
        ("Second", "archived"),
    ]
    assert editing.versions(session, service.id) == [], "the entry itself did not change"


def test_a_text_of_an_organization_touches_its_offers(session: Session, now: datetime) -> None:
    organization = an_organization(session, "amt")
    location = a_location(session, "haus", organization=organization)
    service = a_service(
        session, "beratung", organization=organization, locations=[{"location": location.slug}]
    )
    for entity, slug in (("organization", "amt"), ("location", "haus")):
        before = revision.current(session, REGION)
        save(session, slug, now, text="In English", entity=entity)
        assert revision.changed_service_ids(session, REGION, since=before) == {service.id}


def test_a_term_is_translated_for_all_regions(session: Session, now: datetime) -> None:
    a_term(session, "topics", "geld", say="Guten Tag")
    services = [a_service(session, "hier"), a_service(session, "dort", region="berg")]
    before = {slug: revision.current(session, slug) for slug in (REGION, "berg")}
    save(session, "topics:geld", now, text="Money", entity="taxonomy_term")
    row = session.exec(
        select(Translation).where(col(Translation.entity_id) == term_id("topics", "geld"))
    ).one()
    assert row.region is None
    for service in services:
        assert revision.changed_service_ids(session, service.region, since=before[service.region]) == {
            service.id
        }


# What helps.


def test_the_german_text_it_was_made_from_is_in_the_history(session: Session, now: datetime) -> None:
    a_service(session, "beratung", required_documents=["Ausweis", "Brief vom Amt"], topics=("geld",))
    field = "required_documents.1"
    save(session, "beratung", now, text="Letter from the office", field=field)
    for text in ("Bescheid", "Bescheid vom Amt"):
        entry = editing.entry(session, REGION, "service", "beratung")
        record = entry.record.model_copy(update={"required_documents": ("Ausweis", text)})
        session.execute(
            table(models.Place).insert().values(  # type: ignore[attr-defined]
                id=entity_id(REGION, "place", text), region=REGION, slug=text[:5], name=text, kind="city",
                ags=f"1598700{len(text) % 10}", latitude=51, longitude=11, postal_codes=[], alternate_names=[],
                confidence="low", position=0,
            )
        )  # fmt: skip
        editing.save(session, REGION, "service", record, base_hash=entry.hash, author=None, now=now)
    found = subject(session, REGION, "service", "beratung")
    outdated = found.item("en", field)
    assert outdated.state == "outdated"
    assert earlier_german(session, found, [outdated]) == {field: "Brief vom Amt"}


def test_the_same_german_text_elsewhere_is_suggested(session: Session, now: datetime) -> None:
    first = a_service(session, "eins", name="Beratung")
    second = a_service(session, "zwei", name=" Beratung ")
    a_service(session, "drei", name="Beratung")
    translated(session, first, "name", text="Advice", status="machine")
    translated(session, second, "name", text="Counselling", status="checked")
    found = subject(session, REGION, "service", "drei")
    suggested = known_translations(session, REGION, "en", found.items("en"))
    assert {name: (one.text, one.status) for name, one in suggested.items()} == {
        "name": ("Counselling", "checked")
    }
    assert known_translations(session, REGION, "ar", found.items("ar")) == {}


# The index.


def test_the_index_follows_every_change(session: Session, now: datetime) -> None:
    organization = an_organization(session, "amt", name="Amt Tal")
    service = a_service(session, "beratung", organization=organization)
    index = TranslationIndex(REGION, ("en", "ar"))

    def numbers(entity: str) -> dict[str, int]:
        return {name: number for name, number in totals(index.lines(session), "en")[entity].items() if number}

    assert numbers("service") == {"missing": 2}
    assert totals(index.lines(session), "ar")["service"]["missing"] == 2
    save(session, "beratung", now, text="Advice", checked=True)
    assert numbers("service") == {"missing": 1, "checked": 1}
    save(session, "amt", now, text="Office", entity="organization")
    assert numbers("organization") == {"unchecked": 1}
    service.name = "Neuer Name"
    session.flush()
    revision.bump(session, REGION, [service.id], now=now)
    assert numbers("service") == {"missing": 1, "outdated": 1}
    service.status = "draft"
    revision.bump(session, REGION, [service.id], now=now)
    session.flush()
    assert totals(index.lines(session), "en", public_only=True)["service"].total() == 0
    service.status = "archived"
    session.flush()
    revision.bump(session, REGION, [service.id], now=now)
    assert numbers("service") == {}
    a_service(session, "neu", organization=organization)
    assert numbers("service") == {"missing": 2}


def test_choosing_from_the_index(session: Session) -> None:
    organization = an_organization(session, "amt", name="Amt Tal")
    translated(session, a_service(session, "b", name="Beratung", organization=organization), "name")
    a_service(session, "a", name="anders")
    lines = TranslationIndex(REGION, ("en",)).lines(session)
    assert [line.slug for line in chosen(lines, "en", entity="service")] == ["a", "b"]
    assert [line.slug for line in chosen(lines, "en", state="unchecked")] == ["b"]
    assert [line.slug for line in chosen(lines, "en", state="checked")] == []
    assert [line.slug for line in chosen(lines, "en", words="BERAT tal")] == ["b"]
    assert [line.slug for line in chosen(lines, "en", may=lambda line: line.slug == "a")] == ["a"]


# Numbers.


@pytest.mark.parametrize(
    ("german", "text", "language"),
    [
        ("Ab 16 Jahren, Mo 8–12 Uhr", "From age 16, Mon 8 am to 12 pm", "en"),
        ("14–16 Uhr", "2–4 pm", "en"),
        ("9 bis 14 Uhr", "9 to 2 pm", "en"),
        ("8:30 Uhr", "8.30 am", "en"),
        ("14 Uhr", "الساعة 2 بعد الظهر", "ar"),
        ("bis 1.9.2026", "until 1 September 2026", "en"),
        ("bis 01.09.26", "until September 1st, 2026", "en"),
        ("bis 1. September 2026", "until 2026-09-01", "en"),
        ("bis 1.9.2026", "حتى ١ أيلول ٢٠٢٦", "ar"),
        ("ab 18", "از ۱۸ سال", "fa"),
        ("1.500,50 €", "€1,500.50", "en"),
        ("10,00 Euro", "10 euros", "en"),
        ("03943 93-58", "+49 3943 9358", "en"),
        ("0800 111 0 111", "0800 1110111", "en"),
        ("116 111", "116111", "en"),
        ("zwei Fotos", "2 photos", "en"),
        ("2 Fotos", "two photos", "en"),
        ("1 Stunde", "an hour", "en"),
        ("2 Stunden", "ساعتان", "ar"),
        ("rund um die Uhr", "24/7", "en"),
        ("Schreib an hilfe@kreis-tal.example.", "Write to hilfe@kreis-tal.example!", "en"),
        ("§ 16h SGB II", "Section 16h SGB II", "en"),
        ("Klasse 10, ab der 10. Klasse", "from the 10th grade", "en"),
    ],
)
def test_the_same_numbers_in_other_words(german: str, text: str, language: str) -> None:
    assert not mismatch(german, text, language)


@pytest.mark.parametrize(
    ("german", "text"),
    [
        ("Ab 16", "From 18"),
        ("Ab 16", "For everybody"),
        ("Für alle", "From 18"),
        ("16 bis 18", "16 to 19"),
        ("1.9.2026", "9/1/2026"),
        ("1.9.2026", "1 August 2026"),
        ("1.9.2026", "1 أيلول 2027"),
        ("8 Uhr", "8 pm"),
        ("14 Uhr", "2 am"),
        ("10 €", "100 €"),
        ("1.500 €", "1.5 €"),
        ("1 Stunde", "3 hours"),
        ("03943 9358", "03943 9359"),
        ("06484", "6484"),
        ("ab 18", "از ۱۷ سال"),
        ("www.tal.de", "www.berg.de"),
        ("{name} hilft", "helps"),
    ],
)
def test_other_numbers_are_noticed(german: str, text: str) -> None:
    assert mismatch(german, text, "en")


@given(st.text(max_size=200))
def test_a_text_always_fits_itself(text: str) -> None:
    assert not mismatch(text, text, "en")


@given(st.lists(st.integers(13, 9999), max_size=5, unique=True))
def test_digits_of_other_scripts_are_the_same_numbers(numbers: list[int]) -> None:
    german = " und ".join(f"{number} Plätze" for number in numbers)
    for zero in ("٠", "۰", "०"):
        digits = str.maketrans({str(n): chr(ord(zero) + n) for n in range(10)})
        assert not mismatch(german, german.translate(digits), "ar")
