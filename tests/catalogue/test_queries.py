"""What pages get to see: visible services, texts with their language and state, never a shelter's address."""

import dataclasses
import json
import threading
from datetime import date, datetime
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, delete, event
from sqlmodel import Session

from portal.catalogue import models, queries, revision
from portal.catalogue.actions import confirm, record_edit, set_status
from portal.catalogue.exporting import UnknownRegion
from portal.catalogue.loading import load_region
from portal.catalogue.models import Status, entity_id
from portal.catalogue.queries import Catalogue, Freshness, Text, telephone_uri
from portal.catalogue.rows import table
from portal.db import session_factory
from tests.catalogue.conftest import ContentFolder
from tests.factories import REGION, a_location, a_region, a_service, a_translation, an_organization

TODAY = date(2026, 11, 20)


@pytest.fixture
def loaded(session: Session, content: ContentFolder, now: datetime) -> Session:
    load_region(session, content.read(), now=now)
    session.commit()
    return session


@pytest.fixture
def catalogue(engine: Engine, loaded: Session) -> Catalogue:
    return Catalogue(session_factory(engine), "tal", today=lambda: TODAY)


def view(session: Session, slug: str) -> queries.ServiceView:
    found = queries.service_by_slug(session, "tal", slug)
    assert found is not None
    return found


def test_a_service_with_everything(loaded: Session) -> None:
    service = view(loaded, "jobcenter")
    assert service.id == entity_id("tal", "service", "jobcenter")
    assert (service.name, service.alternate_name, service.status) == (
        "Geld und Arbeit",
        "Grundsicherung",
        "published",
    )
    assert service.topics == ("geld", "arbeit")
    assert (service.contact_kinds, service.desk_for) == (("jobcenter",), ("jobcenter",))
    assert (service.target_groups, service.formats, service.legal_basis) == (
        ("jugendliche",),
        ("vor_ort",),
        ("sgb2",),
    )
    assert (service.minimum_age, service.maximum_age) == (15, None)
    assert service.cost.option == "free"
    assert service.languages == ("de", "en", "ar")
    assert service.required_documents == ("Ausweis", "Kontoauszug")
    assert service.expectations == ("Du meldest dich an.", "Ihr redet.")
    assert [(phone.uri, phone.type, phone.languages) for phone in service.phones] == [
        ("tel:+493023125104", "voice", ("de", "ar")),
        ("tel:+493023125105", "fax", ()),
    ]
    assert service.contacts[0].phones[0].uri == "tel:+493023125103"
    assert service.service_areas == ("15987",)
    assert service.organization.name == "Jobcenter Tal"
    assert service.organization.parent_organization == "landkreis-tal"
    assert service.organization.phones[0].number == "030 23125 100"
    upper, lower = service.locations
    assert (upper.slug, upper.service_areas, upper.description) == (
        "jobcenter-ober",
        ("15987001",),
        "Haus A, erster Stock.",
    )
    assert upper.address is not None
    assert (upper.address.address_1, upper.address.postal_code, upper.address.city) == (
        "Lange Straße 1",
        "00101",
        "Oberstadt",
    )
    assert upper.accessibility[0].details == "Rampe am Eingang"
    assert upper.transportation == "Bus 1 hält vor der Tür."
    assert lower.phones[0].number == "030 23125 106", "the service's own number at this house"
    assert lower.schedules[0].opening_hours == "Mo,Tu 10:00-12:00"


def test_whose_number_and_hours_count(loaded: Session) -> None:
    service = view(loaded, "jobcenter")
    upper, lower = service.locations
    assert [phone.number for phone in service.phones_at(upper)] == ["030 23125 104"], "never a fax"
    assert [phone.number for phone in service.phones_at(lower)] == ["030 23125 106"]
    assert [entry.opening_hours for entry in service.schedules_at(lower)] == ["Mo,Tu 10:00-12:00"]
    assert [entry.opening_hours for entry in service.schedules_at(upper)] == ["Mo-Fr 09:00-15:00"]
    assert view(loaded, "projekt-alt").phones_at() == ()


def test_texts_in_the_wanted_language_or_visibly_in_german(loaded: Session) -> None:
    service = view(loaded, "jobcenter")
    assert service.text("name", "en") == Text("Money and work", "en", "unchecked")
    assert service.text("description", "en") == Text("You get money here if you have none.", "en", "checked")
    assert service.text("name", "ar") == Text("Geld und Arbeit", "de", "original")
    assert service.text("name", "de") == Text("Geld und Arbeit", "de", "original")
    assert service.text("application_process", "en") == Text("Ruf an oder geh hin.", "de", "original")
    assert service.text("eligibility_description", "en") is None
    assert [text.language for text in service.texts("required_documents", "en")] == ["en", "de"]
    assert service.organization.text("name", "en") == Text("Tal Jobcentre", "en", "unchecked")
    assert service.locations[0].text("description", "en") == Text("House A, first floor.", "en", "unchecked")
    assert service.contacts[0].phones[0].text("description", "en") == Text("Switchboard", "en", "unchecked")


def test_an_outdated_translation_says_so(loaded: Session, now: datetime) -> None:
    location = view(loaded, "jobcenter").locations[0]
    assert location.text("transportation", "en") == Text("Bus 1 stops at the door.", "en", "outdated")
    service = loaded.get(models.Service, entity_id("tal", "service", "jobcenter"))
    assert service is not None
    service.name = "Geld"
    record_edit(loaded, service, now=now)
    assert view(loaded, "jobcenter").text("name", "en") == Text("Money and work", "en", "outdated")


def test_a_translation_whose_german_text_is_gone_is_not_shown(loaded: Session, now: datetime) -> None:
    service = loaded.get(models.Service, entity_id("tal", "service", "jobcenter"))
    assert service is not None
    a_translation(loaded, service, "alternate_name", text="Basic income")
    assert view(loaded, "jobcenter").text("alternate_name", "en") is not None
    service.alternate_name = None
    record_edit(loaded, service, now=now)
    assert view(loaded, "jobcenter").text("alternate_name", "en") is None


def test_terms_and_their_translations(loaded: Session) -> None:
    topics = {term.code: term for term in queries.terms(loaded, "topics")}
    assert list(topics) == ["ausbildung", "arbeit", "jobsuche", "geld", "krise"]
    assert topics["jobsuche"].parent == "arbeit"
    assert topics["geld"].text("name", "en") == Text("Money", "en", "unchecked")
    jobcenter = {term.code: term for term in queries.terms(loaded, "contact_kinds")}["jobcenter"]
    assert [text.status for text in jobcenter.texts("expectations", "en")] == [
        "machine",
        "original",
        "original",
    ]
    assert queries.terms(loaded, "nothing") == []


@pytest.mark.parametrize(
    ("assured", "source", "confidence", "expected"),
    [
        (date(2026, 10, 1), "2023", "confirmed", Freshness("confirmed", "2026-10-01")),
        (date(2026, 10, 1), None, "low", Freshness("confirmed", "2026-10-01")),
        (None, "2025-03", "confirmed", Freshness("confirmed", "2025-03")),
        (None, "2023", "high", Freshness("unconfirmed", "2023")),
        (None, None, "low", Freshness("unconfirmed", None)),
    ],
)
def test_how_fresh_an_entry_is(
    session: Session, assured: date | None, source: str | None, confidence: str, expected: Freshness
) -> None:
    fields = {"source": {"date": source}} if source else {}
    service = a_service(session, assured_date=assured, confidence=confidence, **fields)
    assert view(session, service.slug).freshness == expected


@pytest.mark.parametrize(
    ("number", "uri"),
    [
        ("112", "tel:112"),
        ("116 111", "tel:116111"),
        ("03943 93-58", "tel:+4939439358"),
        ("+49 (3943) 9358", "tel:+4939439358"),
        ("0049 3943/9358", "tel:+4939439358"),
        ("0800 111 0 111", "tel:+498001110111"),
    ],
)
def test_numbers_for_dialling(number: str, uri: str) -> None:
    assert telephone_uri(number) == uri


def give_shelter_an_address(session: Session) -> None:
    """As a coordinator's slip in the database could; the files and the forms refuse it."""
    location = entity_id("tal", "location", "frauenhaus")
    session.add(
        models.Address(
            id=uuid4(),
            location_id=location,
            address_1="Geheime Gasse 7",
            postal_code="00101",
            city="Verborgen",
            state_province="Sachsen-Anhalt",
        )
    )
    revision.bump(
        session,
        "tal",
        [entity_id("tal", "service", "frauenhaus")],
        now=datetime.fromisoformat("2026-11-20T10:00+01:00"),
    )
    session.commit()


def test_a_shelters_address_never_leaves(engine: Engine, loaded: Session) -> None:
    give_shelter_an_address(loaded)
    catalogue = Catalogue(session_factory(engine), "tal", today=lambda: TODAY)
    shelter = view(loaded, "frauenhaus")
    assert shelter.locations[0].confidential
    assert shelter.locations[0].address is None
    found = [
        shelter,
        catalogue.service("frauenhaus"),
        *catalogue.services(),
        *queries.all_service_views(loaded, "tal"),
    ]
    found += [
        catalogue.organization("frauenhaus-tal")[0],
        queries.organization_by_slug(loaded, "tal", "frauenhaus-tal", today=TODAY)[0],
    ]  # type: ignore[index,list-item]
    for something in found:
        assert something is not None
        assert "Geheime" not in all_text_of(something)
        assert "Verborgen" not in all_text_of(something)


def all_text_of(something: Any) -> str:
    def plain(value: Any) -> Any:
        if dataclasses.is_dataclass(value):
            return [plain(getattr(value, field.name)) for field in dataclasses.fields(value)]
        if isinstance(value, tuple | list):
            return [plain(item) for item in value]
        return repr(value)

    return json.dumps(plain(something), ensure_ascii=False)


def test_all_locations_of_a_confidential_organization_are_hidden(session: Session) -> None:
    shelter = an_organization(session, "schutzhaus", confidential=True)
    office = a_location(
        session,
        organization=shelter,
        address={"address_1": "Geheime Gasse 7", "city": "Oberstadt"},
        latitude=51.9,
        longitude=11.9,
        place="15987001",
        transportation="Bus 1",
        accessibility=[{"description": "Neben dem Rathaus"}],
    )
    elsewhere = a_location(
        session, address={"address_1": "Treffpunkt 1", "city": "Oberstadt"}, latitude=51.9, longitude=11.9
    )
    a_service(
        session,
        "obhut",
        organization=shelter,
        locations=[{"location": office.slug}, {"location": elsewhere.slug}],
    )
    service = view(session, "obhut")
    for location in service.locations:
        assert location.confidential
        assert (location.address, location.latitude, location.longitude) == (None, None, None)
        assert (location.place, location.transportation, location.accessibility) == (None, None, ())
    text = all_text_of(service)
    assert not any(secret in text for secret in ("Gasse", "Treffpunkt", "Rathaus", "Bus 1", "51.9"))


def test_only_visible_services(loaded: Session, catalogue: Catalogue) -> None:
    slugs = {service.slug for service in catalogue.services()}
    assert slugs == {
        "jobcenter",
        "berufsberatung",
        "berufsberatung-waldau",
        "schutz",
        "frauenhaus",
        "clearing",
        "notruf",
        "reden",
    }
    assert catalogue.service("projekt-alt") is None, "its funding has ended"
    assert catalogue.service("entwurf") is None
    assert catalogue.service("nobody") is None
    in_2025 = queries.published_service_ids(loaded, "tal", today=date(2025, 12, 31))
    assert entity_id("tal", "service", "projekt-alt") in in_2025
    assert len(queries.published_service_ids(loaded, "tal", today=TODAY)) == 8
    assert len(queries.published_service_ids(loaded, "tal")) == 9


def test_services_of_a_withdrawn_organization_hide(
    loaded: Session, catalogue: Catalogue, now: datetime
) -> None:
    organization = loaded.get(models.Organization, entity_id("tal", "organization", "jobcenter-tal"))
    assert organization is not None
    set_status(loaded, organization, Status.DRAFT, now=now)
    loaded.commit()
    catalogue.refresh()
    assert catalogue.service("jobcenter") is None
    assert catalogue.organization("jobcenter-tal") is None
    assert queries.organization_by_slug(loaded, "tal", "jobcenter-tal", today=TODAY) is None


def test_a_funding_period_ends_without_a_reload(engine: Engine, loaded: Session) -> None:
    day = [date(2025, 12, 31)]
    catalogue = Catalogue(session_factory(engine), "tal", today=lambda: day[0])
    assert catalogue.service("projekt-alt") is not None
    day[0] = date(2026, 1, 1)
    assert catalogue.service("projekt-alt") is None


def test_a_passing_period_becomes_a_revision_once(engine: Engine, loaded: Session) -> None:
    day = [date(2025, 12, 31)]
    seconds = [100.0]

    def another_process() -> Catalogue:
        return Catalogue(session_factory(engine), "tal", monotonic=lambda: seconds[0], today=lambda: day[0])

    first, second = another_process(), another_process()
    first.refresh()
    second.refresh()
    assert (first.revision, second.revision, first.service_count) == (1, 1, 9)
    day[0] = date(2026, 1, 1)
    seconds[0] += 2
    first.refresh()
    second.refresh()
    assert (first.revision, second.revision, first.service_count) == (2, 2, 8)
    ended = entity_id("tal", "service", "projekt-alt")
    assert revision.changed_service_ids(loaded, "tal", since=1) == {ended}
    day[0] = date(2026, 1, 2)
    seconds[0] += 2
    assert first.refresh() is False
    assert first.revision == 2


def test_a_period_that_begins_is_noticed_after_days_without_visitors(
    engine: Engine, session: Session
) -> None:
    a_service(session, "clearing")
    begins = a_service(session, "bald", valid_from="2026-11-21", valid_to="2026-11-30")
    session.commit()
    day = [TODAY]
    seconds = [100.0]
    catalogue = Catalogue(session_factory(engine), "tal", monotonic=lambda: seconds[0], today=lambda: day[0])
    before = catalogue.revision
    assert catalogue.service("bald") is None
    for later, visible in ((date(2026, 11, 25), True), (date(2026, 12, 1), False)):
        day[0] = later
        seconds[0] += 2
        assert catalogue.refresh() is True
        assert (catalogue.service("bald") is not None) is visible
        assert begins.id in (revision.changed_service_ids(session, "tal", since=before) or ())
        before = catalogue.revision


def test_an_organization_with_its_services(loaded: Session, catalogue: Catalogue) -> None:
    for found in (
        catalogue.organization("jobcenter-tal"),
        queries.organization_by_slug(loaded, "tal", "jobcenter-tal", today=TODAY),
    ):
        assert found is not None
        organization, services = found
        assert organization.name == "Jobcenter Tal"
        assert organization.parent_organization == "landkreis-tal"
        assert {location.slug for location in organization.locations} == {
            "jobcenter-ober",
            "jobcenter-nieder",
        }
        assert [service.slug for service in services] == ["jobcenter"]
    assert catalogue.organization("nobody") is None


def test_an_organization_without_services(session: Session) -> None:
    an_organization(session, "leer", phones=[{"number": "030 23125 200"}])
    found = queries.organization_by_slug(session, "tal", "leer", today=TODAY)
    assert found is not None
    assert found[0].phones[0].number == "030 23125 200"
    assert found[1] == ()


def test_topics_and_helplines(loaded: Session, catalogue: Catalogue) -> None:
    assert [service.slug for service in catalogue.services_of_topic("ausbildung")] == [
        "berufsberatung",
        "berufsberatung-waldau",
        "clearing",
    ]
    assert {
        service.slug for service in queries.services_of_topic(loaded, "tal", "ausbildung", today=TODAY)
    } == {
        "berufsberatung",
        "berufsberatung-waldau",
        "clearing",
    }
    expected = ["reden", "frauenhaus", "notruf"]
    assert [service.slug for service in catalogue.helplines] == expected, "the region's order first"
    assert [service.slug for service in queries.helplines(loaded, "tal", today=TODAY)] == expected


def test_views_in_the_order_asked_for(loaded: Session) -> None:
    ids = [entity_id("tal", "service", slug) for slug in ("reden", "jobcenter", "schutz")]
    assert [service.slug for service in queries.service_views(loaded, "tal", [*ids, uuid4()])] == [
        "reden",
        "jobcenter",
        "schutz",
    ]
    assert queries.service_views(loaded, "tal", []) == []
    assert queries.service_views(loaded, "berg", ids) == [], "another region's services"


def test_one_service_looks_the_same_alone_and_among_all(loaded: Session, catalogue: Catalogue) -> None:
    for service in catalogue.services():
        alone = view(loaded, service.slug)
        organization = dataclasses.replace(alone.organization, locations=service.organization.locations)
        assert dataclasses.replace(alone, organization=organization) == service


def test_many_services_in_chunks_are_complete(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.catalogue.rows._CHUNK", 3)
    owner = an_organization(session, phones=[{"number": "030 23125 300"}])
    services = [
        a_service(session, organization=owner, phones=[{"number": f"030 23125 {n}"}]) for n in range(310, 320)
    ]
    found = queries.service_views(session, "tal", [service.id for service in services])
    assert [len(service.phones) for service in found] == [1] * 10
    assert [len(service.organization.phones) for service in found] == [1] * 10


# The snapshot.


def count_statements(engine: Engine) -> list[str]:
    statements: list[str] = []

    def remember(_c: object, _u: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", remember)
    return statements


def test_a_snapshot_asks_the_database_once_and_then_once_per_second(engine: Engine, loaded: Session) -> None:
    seconds = [100.0]
    catalogue = Catalogue(session_factory(engine), "tal", monotonic=lambda: seconds[0], today=lambda: TODAY)
    statements = count_statements(engine)
    assert catalogue.refresh() is True
    assert len(statements) < 50
    statements.clear()
    for _ in range(100):
        assert catalogue.refresh() is False
        catalogue.services()
        catalogue.term("topics", "geld")
        catalogue.service("jobcenter")
    assert statements == []
    seconds[0] += 1
    assert catalogue.refresh() is False
    assert len(statements) == 1


def test_a_change_is_seen_after_at_most_a_second(engine: Engine, loaded: Session, now: datetime) -> None:
    seconds = [100.0]
    catalogue = Catalogue(session_factory(engine), "tal", monotonic=lambda: seconds[0], today=lambda: TODAY)
    catalogue.refresh()
    before = catalogue.revision
    service = loaded.get(models.Service, entity_id("tal", "service", "schutz"))
    assert service is not None
    confirm(loaded, service, on=TODAY, now=now)
    loaded.commit()
    seconds[0] += 1.1
    assert catalogue.refresh() is True
    assert catalogue.revision == before + 1
    found = catalogue.service("schutz")
    assert found is not None
    assert found.freshness == Freshness("confirmed", "2026-11-20")


def test_answers_are_cached_until_the_next_revision(engine: Engine, loaded: Session, now: datetime) -> None:
    seconds = [100.0]
    catalogue = Catalogue(session_factory(engine), "tal", monotonic=lambda: seconds[0], today=lambda: TODAY)
    made: list[int] = []

    def make() -> int:
        made.append(1)
        return len(made)

    assert [catalogue.cached("key", make), catalogue.cached("key", make)] == [1, 1]
    revision.bump(loaded, "tal", [], now=now)
    loaded.commit()
    seconds[0] += 2
    catalogue.refresh()
    assert catalogue.cached("key", make) == 2


def test_a_region_that_was_never_loaded(engine: Engine) -> None:
    with pytest.raises(UnknownRegion):
        Catalogue(session_factory(engine), "nowhere").refresh()


def test_regions_do_not_mix(engine: Engine, loaded: Session) -> None:
    a_region(loaded, "berg", name="Landkreis Berg")
    a_service(loaded, "schutz", region="berg", name="Anderswo")
    loaded.commit()
    catalogue = Catalogue(session_factory(engine), "berg", today=lambda: TODAY)
    assert [service.name for service in catalogue.services()] == ["Anderswo"]
    assert view(loaded, "schutz").name == "Schutz"


def test_a_large_region_is_read_as_asked(engine: Engine, loaded: Session) -> None:
    eager = Catalogue(session_factory(engine), "tal", today=lambda: TODAY)
    lazy = Catalogue(session_factory(engine), "tal", today=lambda: TODAY, eager_limit=3, kept_services=2)
    assert lazy.service_count == eager.service_count == 8
    assert {kind: {desk.slug for desk in desks} for kind, desks in lazy.desks.items()} == {
        kind: {desk.slug for desk in desks} for kind, desks in eager.desks.items()
    }
    assert [service.slug for service in lazy.helplines] == [service.slug for service in eager.helplines]
    a_service(loaded, "kein-tresen", topics=("geld",))
    loaded.commit()
    statements = count_statements(engine)
    lazy = Catalogue(session_factory(engine), "tal", today=lambda: TODAY, eager_limit=3, kept_services=2)
    lazy.refresh()
    statements.clear()
    found = lazy.service("kein-tresen")
    assert found is not None
    assert statements
    statements.clear()
    assert lazy.service("kein-tresen") == found
    assert statements == []
    assert {service.slug for service in lazy.services()} == {service.slug for service in eager.services()} | {
        "kein-tresen"
    }
    assert {service.slug for service in lazy.services_of_topic("geld")} == {
        "jobcenter",
        "clearing",
        "kein-tresen",
    }
    organization = lazy.organization("jobcenter-tal")
    assert organization is not None
    assert [service.slug for service in organization[1]] == ["jobcenter"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("You get help until age 25.", "de"), ("You get help from age 16 to 27.", "en"), ("Come in.", "de")],
)
def test_an_outdated_translation_is_shown_unless_it_says_other_numbers(
    session: Session, text: str, shown: str
) -> None:
    service = a_service(session, "rat", description="Hilfe von 16 bis 27 Jahren.")
    a_translation(session, service, "description", text=text, source_hash="0" * 12)
    found = queries.service_views(session, REGION, [service.id])[0].text("description", "en")
    assert found is not None and found.language == shown
    assert found.status == ("original" if shown == "de" else "outdated")


def test_a_translation_knows_its_german_text_and_when_it_was_checked(session: Session, now: datetime) -> None:
    service = a_service(session, "rat", description="Hier ist jemand.")
    a_translation(session, service, "description", text="Here.", status="checked", edited_at=now)
    found = queries.service_views(session, REGION, [service.id])[0].text("description", "en")
    assert found is not None
    assert (found.german, found.checked_date) == ("Hier ist jemand.", now.date())


def test_a_bracket_behind_a_latin_word_keeps_to_the_side_it_is_read_from(session: Session) -> None:
    service = a_service(session, "rat", name="Rat (KoBa)")
    for language in ("ar", "fa", "ku", "uk"):
        a_translation(session, service, "name", language=language, text="Rat (KoBa)")
    found = queries.service_views(session, REGION, [service.id])[0]
    shown = {code: text.text for code in ("de", "ar", "fa", "ku", "uk") if (text := found.text("name", code))}
    plain, marked = "Rat (KoBa)", "Rat \u200f(KoBa)"
    assert shown == {"de": plain, "ar": marked, "fa": marked, "ku": plain, "uk": plain}


def test_threads_share_one_snapshot(engine: Engine, loaded: Session) -> None:
    catalogue = Catalogue(session_factory(engine), "tal", today=lambda: TODAY)
    statements = count_statements(engine)
    barrier = threading.Barrier(4)
    seen: list[int] = []

    def work() -> None:
        barrier.wait()
        catalogue.refresh()
        seen.append(len(catalogue.services()))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [8] * 4
    assert len([statement for statement in statements if "FROM place" in statement]) <= 2


def test_today_is_the_regions_day(engine: Engine, loaded: Session) -> None:
    catalogue = Catalogue(session_factory(engine), "tal")
    berlin = ZoneInfo("Europe/Berlin")
    before = datetime.now(berlin).date()
    assert before <= catalogue.today <= datetime.now(berlin).date()


def test_deleting_a_region_leaves_nothing(loaded: Session) -> None:
    target: Any = table(models.Region)
    loaded.execute(delete(target).where(target.c.slug == "tal"))
    left = {
        name
        for name, rows in models.Table.metadata.tables.items()
        if name not in ("taxonomy", "taxonomy_term", "attribute", "translation")
        and loaded.execute(rows.select()).first()
    }
    assert left == set()
