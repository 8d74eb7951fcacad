"""Which desk, which house, and what else fits."""

from collections.abc import Callable
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from portal.catalogue.exporting import UnknownRegion
from portal.catalogue.loading import load_region, read_region, region_slugs
from portal.catalogue.matching import NoDesk, UnknownKind, desks, fitting_offers, resolve
from portal.catalogue.queries import Catalogue
from portal.db import session_factory
from tests.catalogue.conftest import ContentFolder
from tests.catalogue.test_reading import shipped_content
from tests.factories import a_location, a_place, a_region, a_service, a_term, an_organization

TODAY = date(2026, 11, 20)
OBERSTADT, NIEDERSTADT, WALDAU = "15987001", "15987002", "15987003"

Open = Callable[[], Catalogue]


@pytest.fixture
def open_catalogue(engine: Engine, session: Session) -> Open:
    """Commits what the test has built and reads it."""

    def read() -> Catalogue:
        session.commit()
        return Catalogue(session_factory(engine), "tal", today=lambda: TODAY)

    return read


@pytest.fixture
def tal(session: Session, content: ContentFolder, now: datetime, open_catalogue: Open) -> Catalogue:
    load_region(session, content.read(), now=now)
    return open_catalogue()


@pytest.fixture
def towns(session: Session) -> None:
    """Two towns 11 km apart, and a clearing desk."""
    a_place(session, OBERSTADT, "Oberstadt", latitude=51.90, longitude=11.90)
    a_place(session, NIEDERSTADT, "Niederstadt", latitude=51.80, longitude=11.90)
    a_service(session, "clearing", desk_for=("clearing",), phones=[{"number": "030 23125 113"}])


@pytest.mark.parametrize(
    ("kind", "place", "service", "location", "level"),
    [
        ("notruf", OBERSTADT, "notruf", None, "nation"),
        ("notruf", None, "notruf", None, "nation"),
        ("berufsberatung", OBERSTADT, "berufsberatung", None, "state"),
        ("berufsberatung", None, "berufsberatung", None, "state"),
        ("berufsberatung", WALDAU, "berufsberatung-waldau", None, "municipality"),
        ("jobcenter", OBERSTADT, "jobcenter", "jobcenter-ober", "county"),
        ("jobcenter", NIEDERSTADT, "jobcenter", "jobcenter-nieder", "county"),
        ("jobcenter", WALDAU, "jobcenter", "jobcenter-nieder", "county"),
        ("jobcenter", None, "jobcenter", None, "county"),
        ("jugendamt_schutz", OBERSTADT, "schutz", "landratsamt", "county"),
        ("gewaltschutz", OBERSTADT, "frauenhaus", None, "county"),
        ("wohngeldstelle", OBERSTADT, "clearing", None, "clearing"),
        ("wohngeldstelle", None, "clearing", None, "clearing"),
        ("jobcenter", "09162000", "clearing", None, "clearing"),
        ("notruf", "09162000", "notruf", None, "nation"),
    ],
)
def test_the_desk_for_a_place(
    tal: Catalogue, kind: str, place: str | None, service: str, location: str | None, level: str
) -> None:
    desk = resolve(tal, kind, place=place)
    assert (desk.kind, desk.service.slug, desk.level) == (kind, service, level)
    assert (desk.location.slug if desk.location else None) == location


def test_the_desks_own_numbers(tal: Catalogue) -> None:
    assert [phone.number for phone in resolve(tal, "jobcenter", place=NIEDERSTADT).phones] == [
        "030 23125 106"
    ]
    assert [phone.number for phone in resolve(tal, "jobcenter", place=OBERSTADT).phones] == ["030 23125 104"]


def test_distance_is_from_the_middle_of_the_place(tal: Catalogue) -> None:
    assert resolve(tal, "jobcenter", place=OBERSTADT).distance_km == pytest.approx(0.18, abs=0.05)
    assert resolve(tal, "jugendamt_schutz", place=OBERSTADT).distance_km == pytest.approx(11.6, abs=0.3)
    assert resolve(tal, "jobcenter", place=None).distance_km is None
    assert resolve(tal, "gewaltschutz", place=OBERSTADT).distance_km is None


def test_an_unknown_kind_is_a_mistake(tal: Catalogue) -> None:
    with pytest.raises(UnknownKind):
        resolve(tal, "zahnarzt", place=None)


def test_every_kind_has_a_desk_for_every_place(tal: Catalogue) -> None:
    for term in tal.terms("contact_kinds"):
        for place in (None, *(option.ags for option in tal.places.all())):
            assert resolve(tal, term.code, place=place).service.slug


@pytest.mark.usefixtures("towns")
def test_the_most_specific_area_wins(session: Session, open_catalogue: Open) -> None:
    for slug, area in (("bund", ""), ("land", "15"), ("kreis", "15987"), ("stadt", OBERSTADT)):
        a_service(session, slug, desk_for=("kammer",), service_areas=(area,))
    catalogue = open_catalogue()
    assert [desk.service.slug for desk in desks(catalogue, "kammer", place=OBERSTADT)] == [
        "stadt", "kreis", "land", "bund",
    ]  # fmt: skip
    assert [desk.level for desk in desks(catalogue, "kammer", place=OBERSTADT)] == [
        "municipality", "county", "state", "nation",
    ]  # fmt: skip
    assert resolve(catalogue, "kammer", place=NIEDERSTADT).service.slug == "kreis"
    assert resolve(catalogue, "kammer", place=None).service.slug == "kreis"


@pytest.mark.usefixtures("towns")
def test_then_the_house_that_serves_the_place_then_the_nearest(
    session: Session, open_catalogue: Open
) -> None:
    near = a_location(session, "nah", latitude=51.90, longitude=11.90)
    far = a_location(session, "fern", latitude=51.70, longitude=11.90)
    a_service(session, "a-nah", desk_for=("kammer",), locations=[{"location": near.slug}])
    a_service(session, "b-fern", desk_for=("kammer",), locations=[{"location": far.slug}])
    a_service(
        session,
        "c-haus",
        desk_for=("jobcenter",),
        locations=[
            {"location": near.slug, "service_areas": [NIEDERSTADT]},
            {"location": far.slug, "service_areas": [OBERSTADT]},
        ],
    )
    a_service(session, "d-nah", desk_for=("jobcenter",), locations=[{"location": near.slug}])
    catalogue = open_catalogue()
    assert resolve(catalogue, "kammer", place=OBERSTADT).service.slug == "a-nah"
    desk = resolve(catalogue, "jobcenter", place=OBERSTADT)
    assert (desk.service.slug, desk.location.slug if desk.location else None) == ("c-haus", "fern")


@pytest.mark.usefixtures("towns")
def test_then_the_better_known_then_the_name(session: Session, open_catalogue: Open) -> None:
    a_service(session, "a", desk_for=("kammer",), confidence="low")
    a_service(session, "c", desk_for=("kammer",), confidence="confirmed")
    a_service(session, "b", desk_for=("kammer",), confidence="confirmed")
    catalogue = open_catalogue()
    assert [desk.service.slug for desk in desks(catalogue, "kammer", place=OBERSTADT)] == ["b", "c", "a"]


@pytest.mark.usefixtures("towns")
def test_drafts_and_ended_projects_are_no_desks(session: Session, open_catalogue: Open) -> None:
    a_service(session, "entwurf", desk_for=("kammer",), status="draft")
    a_service(session, "vorbei", desk_for=("kammer",), valid_to="2025-12-31")
    a_service(session, "bald", desk_for=("kammer",), valid_from="2027-01-01")
    a_service(session, "weg", desk_for=("kammer",), organization=an_organization(session, status="draft"))
    assert resolve(open_catalogue(), "kammer", place=OBERSTADT).level == "clearing"


@pytest.mark.usefixtures("towns")
def test_a_desk_ends_with_its_project(session: Session, engine: Engine) -> None:
    a_service(session, "projekt", desk_for=("kammer",), valid_to="2026-12-31")
    session.commit()
    today = [date(2026, 12, 31)]
    catalogue = Catalogue(session_factory(engine), "tal", today=lambda: today[0])
    assert resolve(catalogue, "kammer", place=None).service.slug == "projekt"
    today[0] = date(2027, 1, 1)
    assert resolve(catalogue, "kammer", place=None).service.slug == "clearing"


def test_without_a_clearing_desk_somebody_still_answers(session: Session, open_catalogue: Open) -> None:
    a_term(session, "contact_kinds", "kammer")
    a_service(session, "clearing", status="draft")
    a_service(session, "angebot")
    a_service(session, "zuhoeren", helpline_needs=("krise",))
    assert resolve(open_catalogue(), "kammer", place=None).service.slug == "zuhoeren"


def test_an_empty_region_has_no_desk(session: Session, open_catalogue: Open) -> None:
    a_region(session)
    a_term(session, "contact_kinds", "kammer")
    with pytest.raises(NoDesk):
        resolve(open_catalogue(), "kammer", place=None)
    assert not issubclass(NoDesk, UnknownRegion)


@pytest.mark.usefixtures("towns")
def test_in_danger_a_closed_desk_gives_way(session: Session, open_catalogue: Open) -> None:
    by_day = [{"opening_hours": "Mo-Fr 09:00-17:00", "channel": "phone"}]
    a_service(session, "tags", desk_for=("krisentelefon", "kammer"), schedules=by_day)
    a_service(session, "immer", desk_for=("krisentelefon", "kammer"), service_areas=("",),
              schedules=[{"opening_hours": "24/7", "channel": "phone"}])  # fmt: skip
    catalogue = open_catalogue()
    night = datetime(2026, 11, 20, 23, 0, tzinfo=ZoneInfo("Europe/Berlin"))
    day = night.replace(hour=10)
    assert resolve(catalogue, "krisentelefon", place=OBERSTADT, at=day).service.slug == "tags"
    assert resolve(catalogue, "krisentelefon", place=OBERSTADT, at=night).service.slug == "immer"
    assert resolve(catalogue, "krisentelefon", place=OBERSTADT).service.slug == "tags"
    assert resolve(catalogue, "kammer", place=OBERSTADT, at=night).service.slug == "tags", (
        "an office can wait"
    )


@pytest.mark.usefixtures("towns")
def test_in_danger_all_closed_is_still_the_best_one(session: Session, open_catalogue: Open) -> None:
    by_day = [{"opening_hours": "Mo-Fr 09:00-17:00", "channel": "phone"}]
    a_service(session, "erste", desk_for=("krisentelefon",), schedules=by_day, confidence="high")
    a_service(session, "zweite", desk_for=("krisentelefon",), schedules=by_day)
    night = datetime(2026, 11, 20, 23, 0, tzinfo=ZoneInfo("Europe/Berlin"))
    assert resolve(open_catalogue(), "krisentelefon", place=None, at=night).service.slug == "erste"


# Fitting offers.


def slugs(catalogue: Catalogue, **question: object) -> list[str]:
    return [offer.service.slug for offer in fitting_offers(catalogue, **question)]  # type: ignore[arg-type]


@pytest.mark.usefixtures("towns")
def test_what_shares_most_comes_first(session: Session, open_catalogue: Open) -> None:
    a_service(session, "beides", contact_kinds=("kammer",), topics=("ausbildung",))
    a_service(session, "art", contact_kinds=("kammer",), topics=("sport",))
    a_service(session, "thema", topics=("ausbildung",))
    a_service(session, "nichts", topics=("sport",))
    catalogue = open_catalogue()
    assert slugs(catalogue, kinds=["kammer"], topics=["ausbildung"]) == ["beides", "art", "thema"]
    assert slugs(catalogue, kinds=["kammer"], topics=["ausbildung"], exclude={"beides"}) == ["art", "thema"]
    assert slugs(catalogue, kinds=["kammer"], topics=["ausbildung"], limit=1) == ["beides"]
    assert slugs(catalogue) == []
    assert slugs(catalogue, topics=["gibtesnicht"]) == []


@pytest.mark.usefixtures("towns")
def test_age_and_place_rule_out(session: Session, open_catalogue: Open) -> None:
    a_service(session, "alle", topics=("ausbildung",))
    a_service(session, "ab-18", topics=("ausbildung",), minimum_age=18)
    a_service(session, "bis-17", topics=("ausbildung",), maximum_age=17)
    a_service(session, "oben", topics=("ausbildung",), service_areas=(OBERSTADT,))
    catalogue = open_catalogue()
    assert set(slugs(catalogue, topics=["ausbildung"], age=17)) == {"alle", "bis-17", "oben"}
    assert set(slugs(catalogue, topics=["ausbildung"], age=18)) == {"alle", "ab-18", "oben"}
    assert slugs(catalogue, topics=["ausbildung"], age=17)[0] == "bis-17", "made for this age"
    assert set(slugs(catalogue, topics=["ausbildung"], place=NIEDERSTADT)) == {"alle", "ab-18", "bis-17"}
    assert slugs(catalogue, topics=["ausbildung"], place=OBERSTADT)[0] == "oben"
    assert "oben" in slugs(catalogue, topics=["ausbildung"]), (
        "somewhere in the county, when no place is known"
    )


@pytest.mark.usefixtures("towns")
def test_confirmed_and_near_ones_come_first(session: Session, open_catalogue: Open) -> None:
    near = a_location(session, latitude=51.90, longitude=11.90)
    far = a_location(session, latitude=51.70, longitude=11.90)
    a_service(session, "fern", topics=("ausbildung",), locations=[{"location": far.slug}])
    a_service(session, "nah", topics=("ausbildung",), locations=[{"location": near.slug}])
    a_service(session, "sicher", topics=("ausbildung",), assured_date="2026-10-01")
    catalogue = open_catalogue()
    assert slugs(catalogue, topics=["ausbildung"], place=OBERSTADT) == ["sicher", "nah", "fern"]
    offer = fitting_offers(catalogue, topics=["ausbildung"], place=OBERSTADT)[1]
    assert offer.location is not None
    assert offer.distance_km == pytest.approx(0, abs=0.1)
    assert (offer.kinds, offer.topics) == ((), ("ausbildung",))


def test_a_shelter_is_offered_without_its_place(tal: Catalogue) -> None:
    (offer,) = (
        offer
        for offer in fitting_offers(tal, kinds=["gewaltschutz"], place=OBERSTADT)
        if offer.service.slug == "frauenhaus"
    )
    assert (offer.location, offer.distance_km) == (None, None)


@pytest.mark.parametrize("slug", region_slugs(shipped_content()))
def test_every_kind_of_every_shipped_region_ends_at_a_desk(
    engine: Engine, session: Session, slug: str, now: datetime
) -> None:
    load_region(session, read_region(shipped_content(), slug), now=now)
    session.commit()
    catalogue = Catalogue(session_factory(engine), slug, today=lambda: TODAY)
    for term in catalogue.terms("contact_kinds"):
        for place in (None, *(option.ags for option in catalogue.places.all())):
            desk = resolve(catalogue, term.code, place=place)
            assert desk.service.is_visible(TODAY)
            if term.code in ("notruf", "krisentelefon", "jugendamt_schutz", "gewaltschutz"):
                assert desk.level != "clearing"
                assert desk.phones, f"{term.code} in {place}: nobody can be called"
