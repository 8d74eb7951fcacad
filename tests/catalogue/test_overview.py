"""Lists and numbers of the admin pages, on both databases."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlmodel import Session

from portal.catalogue import editing, models, overview, proposals, revision
from portal.catalogue.models import Status, entity_id
from portal.catalogue.overview import Facets, Filter, Reach, Scope
from portal.catalogue.translation_gaps import TranslationGaps
from tests.factories import (
    NOW,
    REGION,
    a_location,
    a_place,
    a_region,
    a_service,
    a_translation,
    an_organization,
)

TODAY = date(2026, 11, 20)
EVERYTHING = Scope(REGION, TODAY)


def slugs(
    session: Session, wanted: Filter | None = None, scope: Scope = EVERYTHING, **options: Any
) -> list[str]:
    listed = overview.services(session, scope, wanted or Filter(), **{"limit": 50, **options})
    assert listed.total == overview.number_of_services(
        session, scope, wanted or Filter(), gaps=options.get("gaps")
    )
    return [line.slug for line in listed.lines]


def attention(session: Session, scope: Scope = EVERYTHING, **options: Any) -> dict[str, int]:
    """The numbers, after each was compared with its own list."""
    facets: Facets = overview.service_facets(session, scope, Filter(state="published"), **options)
    for name, number in facets.attention.items():
        chosen = Filter(state="published", attention=name, words="e")
        found = overview.resolved(session, scope, chosen, **options)
        assert overview.service_facets(session, scope, found, **options) == overview.service_facets(
            session, scope, chosen, **options
        )
        assert number == len(slugs(session, Filter(state="published", attention=name), scope, **options)), (
            name
        )
    return dict(facets.attention)


# Words and filters.


def test_words_are_found_in_names_slugs_and_organizations_whatever_their_case(session: Session) -> None:
    aemter = an_organization(session, "amt", name="Ämterhaus Nord")
    a_service(session, "ueben", name="Üben für die Prüfung", organization=aemter)
    a_service(session, "reden", name="Reden", alternate_name="Gesprächskreis")
    assert slugs(session, Filter(words="üBEN")) == ["ueben"]
    assert slugs(session, Filter(words="PRÜFUNG amterhaus")) == ["ueben"]
    assert slugs(session, Filter(words="gespraechs")) == []
    assert slugs(session, Filter(words="gesprächs")) == ["reden"]
    assert slugs(session, Filter(words="red en")) == ["reden"]
    assert slugs(session, Filter(words="100%")) == []


def test_a_phone_number_is_found_however_it_is_written_and_wherever_it_hangs(session: Session) -> None:
    office = an_organization(session, phones=({"number": "03943 000-11"},))
    house = a_location(session, "haus", phones=({"number": "+49 3943 00022"},))
    a_service(session, "by-office", organization=office)
    a_service(session, "by-house", locations=({"location": "haus"},))
    a_service(session, "own", phones=({"number": "03943 (00) 033"},))
    a_service(session, "by-contact", contacts=({"name": "Büro", "phones": ({"number": "03943/00044"},)},))
    a_service(session, "silent")
    assert house.slug == "haus"
    assert slugs(session, Filter(words="0394300011")) == ["by-office"]
    assert slugs(session, Filter(words="03943 00022")) == ["by-house"]
    assert slugs(session, Filter(words="+49 3943 000 33")) == ["own"]
    assert slugs(session, Filter(words="00044")) == ["by-contact"]
    assert sorted(slugs(session, Filter(words="03943"))) == ["by-contact", "by-house", "by-office", "own"]


def test_filters_narrow_and_each_facet_ignores_only_itself(session: Session) -> None:
    one, two = an_organization(session, "one"), an_organization(session, "two")
    a_service(session, "a", organization=one, topics=("geld",), service_areas=("15987001",))
    a_service(session, "b", organization=one, topics=("geld", "wohnen"), status="draft")
    a_service(session, "c", organization=two, topics=("wohnen",), service_areas=("",))
    editing_archive(session, "d", organization=two)
    assert sorted(slugs(session)) == ["a", "b", "c"]
    assert slugs(session, Filter(state="archived")) == ["d"]
    assert sorted(slugs(session, Filter(topic="geld"))) == ["a", "b"]
    assert slugs(session, Filter(topic="geld", state="draft")) == ["b"]
    assert slugs(session, Filter(area="15987001")) == ["a"]
    assert slugs(session, Filter(area="")) == ["c"]
    assert sorted(slugs(session, Filter(organization="one"))) == ["a", "b"]
    facets = overview.service_facets(session, EVERYTHING, Filter(topic="geld", state="published"))
    assert facets.topics == {"geld": 1, "wohnen": 1}
    assert facets.states == {"": 2, "draft": 1, "published": 1, "archived": 1}
    assert facets.areas == {"15987001": 1}
    assert {slug: number for slug, (_name, number) in facets.organizations.items()} == {"one": 1}


def editing_archive(session: Session, slug: str, **fields: Any) -> models.Service:
    service = a_service(session, slug, **fields)
    service.status = Status.ARCHIVED.value
    service.archived_at = NOW
    session.add(service)
    session.flush()
    return service


def test_pages_and_orders(session: Session) -> None:
    for name, assured in (("Zebra", None), ("Ähre", date(2026, 1, 1)), ("Apfel", date(2025, 1, 1))):
        a_service(session, editing.slug_of(name), name=name, assured_date=assured)
    assert slugs(session) == ["aehre", "apfel", "zebra"]
    assert slugs(session, descending=True) == ["zebra", "apfel", "aehre"]
    assert slugs(session, order="checked") == ["zebra", "apfel", "aehre"]
    assert slugs(session, order="checked", descending=True) == ["aehre", "apfel", "zebra"]
    assert slugs(session, order="no such column") == ["aehre", "apfel", "zebra"]
    assert slugs(session, limit=2) == ["aehre", "apfel"]
    assert slugs(session, limit=2, offset=2) == ["zebra"]
    assert slugs(session, limit=2, offset=10) == []
    for order in overview.SERVICE_ORDERS:
        assert len(slugs(session, order=order)) == 3


def test_a_line_says_topics_areas_and_the_first_number_to_call(session: Session) -> None:
    a_service(
        session,
        "a",
        topics=("geld", "wohnen"),
        service_areas=("15987001", "15987002"),
        phones=({"number": "0111", "type": "fax"}, {"number": "0222"}),
    )
    (line,) = overview.services(session, EVERYTHING, Filter(), limit=10).lines
    assert (line.topics, line.areas, line.phone) == (("Geld", "Wohnen"), ("15987001", "15987002"), "0222")


# Who sees what.


def test_an_editor_sees_one_organization(session: Session) -> None:
    mine, other = an_organization(session, "mine"), an_organization(session, "other")
    own_house = a_location(session, "own-house", organization=mine)
    a_location(session, "other-house", organization=other)
    a_service(session, "a", organization=mine, contacts=({"name": "Büro"},))
    a_service(session, "b", organization=other, contacts=({"name": "Empfang"},))
    scope = Scope(REGION, TODAY, (Reach(organization_id=mine.id),))
    assert slugs(session, scope=scope) == ["a"]
    assert attention(session, scope)["no_phone"] == 1
    listed = overview.organizations(session, scope, Filter(), limit=10)
    assert [line.slug for line in listed.lines] == ["mine"]
    assert [line.id for line in overview.locations(session, scope, Filter(), limit=10).lines] == [
        own_house.id
    ]
    assert [line.name for line in overview.contacts(session, scope, Filter(), limit=10).lines] == ["Büro"]
    assert [line.slug for line in overview.archived(session, scope)] == []
    assert overview.figures(session, scope).no_phone == 1


def test_a_part_of_the_county_sees_what_lies_wholly_in_it(session: Session) -> None:
    a_service(session, "inside", service_areas=("15987001",))
    a_service(session, "both", service_areas=("15987001", "15987002"))
    a_service(session, "county", service_areas=("15987",))
    scope = Scope(REGION, TODAY, (Reach(area="15987001"),))
    assert slugs(session, scope=scope) == ["inside"]
    assert len(overview.organizations(session, scope, Filter(), limit=10).lines) == 1
    two = Scope(REGION, TODAY, (Reach(area="15987001"), Reach(area="15987002")))
    # Each grant stands for itself, as in `Powers.may_for`.
    assert slugs(session, scope=two) == ["inside"]


def test_no_reach_sees_nothing(session: Session) -> None:
    a_service(session, contacts=({"name": "Büro"},))
    nobody = Scope(REGION, TODAY, ())
    assert slugs(session, scope=nobody) == []
    for lister in (overview.organizations, overview.locations, overview.contacts):
        assert lister(session, nobody, Filter(), limit=10).lines == []


# What needs attention.


def test_due_is_what_reviewing_says(session: Session) -> None:
    """The rule itself has its tests in `test_reviewing`; here only that list and number use it."""
    a_service(session, "old", assured_date=TODAY - timedelta(days=180))
    a_service(session, "fresh", assured_date=TODAY - timedelta(days=1))
    a_service(session, "old-draft", assured_date=TODAY - timedelta(days=180), status="draft")
    planned = a_service(session, "planned", assured_date=TODAY - timedelta(days=180))
    planned.review_due = TODAY + timedelta(days=1)
    session.add(planned)
    session.flush()
    assert slugs(session, Filter(attention="due")) == ["old"]
    assert attention(session)["due"] == 1


def test_phone_and_hours_may_hang_anywhere(session: Session) -> None:
    opened = ({"opening_hours": "Mo 08:00-12:00"},)
    a_location(session, "open-house", schedules=opened, phones=({"number": "0111"},))
    a_location(session, "bare-house")
    a_service(session, "nothing")
    a_service(session, "fax-only", phones=({"number": "0999", "type": "fax"},), schedules=opened)
    a_service(session, "by-house", locations=({"location": "open-house"},))
    a_service(
        session,
        "by-desk",
        locations=({"location": "bare-house", "phones": ({"number": "0222"},), "schedules": opened},),
    )
    assert sorted(slugs(session, Filter(attention="no_phone"))) == ["fax-only", "nothing"]
    assert slugs(session, Filter(attention="no_hours")) == ["nothing"]


def a_proposal(session: Session, entity: str, slug: str) -> models.Proposal:
    current = editing.entry(session, REGION, entity, slug)
    return proposals.propose(
        session, REGION, entity, current.record, base=current, author=None, now=NOW, organization_id=None
    )


def test_what_waits_for_a_decision_is_in_review_until_it_is_decided(session: Session) -> None:
    for slug in ("asked", "settled", "quiet"):
        a_service(session, slug)
    a_proposal(session, "service", "asked")
    proposals.withdraw(session, a_proposal(session, "service", "settled"), now=NOW)
    assert slugs(session, Filter(attention="in_review")) == ["asked"]
    assert attention(session)["in_review"] == 1
    lines = overview.services(session, EVERYTHING, Filter(), limit=10).lines
    assert [line.slug for line in lines if line.in_review] == ["asked"]


def test_reports_links_and_ends(session: Session) -> None:
    reported = a_service(session, "reported")
    session.add(
        models.VisitorReport(region=REGION, service_id=reported.id, reason="phone", language="de", day=TODAY)
    )
    session.add(
        models.VisitorReport(
            region=REGION, service_id=a_service(session, "settled").id, reason="phone", language="de", day=TODAY,
            state="done",
        )
    )  # fmt: skip
    a_service(session, "dead", url="https://dead.example.org/")
    a_service(session, "fine", url="https://fine.example.org/")
    a_service(session, "mail", contacts=({"name": "Büro", "email": "info@gone.example.org"},))
    a_service(session, "number", phones=({"number": "0111 000"},))
    for kind, value, problem in (
        ("url", "https://dead.example.org/", "not_found"),
        ("url", "https://fine.example.org/", None),
        ("phone", "0111 000", "not_a_number"),
        ("email", "info@gone.example.org", "no_such_host"),
    ):
        session.add(
            models.CheckedAddress(region=REGION, kind=kind, value=value, problem=problem, checked_at=NOW)
        )
    a_service(session, "ends", valid_to=TODAY + timedelta(days=90))
    a_service(session, "ends-later", valid_to=TODAY + timedelta(days=91))
    a_service(session, "ended", valid_to=TODAY - timedelta(days=1))
    session.flush()
    assert slugs(session, Filter(attention="reported")) == ["reported"]
    assert slugs(session, Filter(attention="broken_link")) == ["dead", "mail", "number"]
    assert slugs(session, Filter(attention="ends_soon")) == ["ends"]
    numbers = attention(session)
    assert (numbers["reported"], numbers["broken_link"], numbers["ends_soon"]) == (1, 3, 1)


def test_figures_count_published_offers_only(session: Session) -> None:
    a_service(session, "public", assured_date=date(2020, 1, 1))
    a_service(session, "draft", status="draft")
    editing_archive(session, "gone")
    found = overview.figures(session, EVERYTHING)
    assert (found.due, found.no_phone, found.no_hours, found.drafts) == (1, 1, 1, 1)


def test_what_nobody_ever_confirmed_is_found_though_it_is_not_due_yet(session: Session) -> None:
    a_service(session, "confirmed", assured_date=TODAY)
    a_service(session, "over", valid_to=TODAY - timedelta(days=1))
    a_service(session, "draft", status="draft")
    a_service(session, "never")
    assert slugs(session, Filter(attention="never")) == ["never"]
    found = overview.figures(session, EVERYTHING)
    assert (found.never, found.due) == (1, 0)


# Translations.


def test_gaps_follow_every_change(session: Session) -> None:
    gaps = TranslationGaps(REGION, ("en", "ar"))
    service = a_service(session, "a", expectations=("Du klingelst.",))
    draft = a_service(session, "draft", status="draft")
    assert gaps.ids(session, "missing-en") == {service.id}
    assert draft.id not in gaps.ids(session, "missing-en")
    for field in ("name", "description"):
        a_translation(session, service, field)
    assert gaps.ids(session, "missing-en") == {service.id}
    session.add(
        models.Translation(
            id=uuid4(), region=REGION, entity="service", entity_id=service.id, field="expectations.0", language="en",
            text="You ring.", source_hash=revision.text_hash("Du klingelst."), last_modified=NOW,
        )
    )  # fmt: skip
    session.flush()
    revision.bump(session, REGION, [service.id], now=NOW)
    assert gaps.ids(session, "missing-en") == frozenset()
    assert gaps.ids(session, "missing-ar") == {service.id}
    assert gaps.ids(session, "outdated-en") == frozenset()
    service.description = "Hier  hilft dir\njemand."
    session.add(service)
    revision.bump(session, REGION, [service.id], now=NOW)
    assert gaps.ids(session, "outdated-en") == frozenset(), "white space is no change"
    service.description = "Hier hilft dir niemand."
    session.add(service)
    session.flush()
    revision.bump(session, REGION, [service.id], now=NOW)
    assert gaps.ids(session, "outdated-en") == {service.id}
    assert slugs(session, Filter(attention="outdated-en"), gaps=gaps) == ["a"]
    assert slugs(session, Filter(attention="missing-ar", state="published"), gaps=gaps) == ["a"]
    assert slugs(session, Filter(attention="missing-xx"), gaps=gaps) == []
    assert attention(session, gaps=gaps)["outdated-en"] == 1


# Organizations, locations, contacts.


def test_organizations(session: Session) -> None:
    called = an_organization(session, "called", phones=({"number": "03943 1234"},), name="Ägidienhaus")
    an_organization(session, "idle", kind="verein", website="https://dead.example.org/")
    a_proposal(session, "organization", "idle")
    a_service(session, organization=called)
    a_service(session, organization=called, status="draft")
    editing_archive(session, "gone", organization=called)
    session.add(
        models.CheckedAddress(
            region=REGION, kind="url", value="https://dead.example.org/", problem="timeout", checked_at=NOW
        )
    )
    session.flush()

    def found(wanted: Filter, **options: Any) -> list[str]:
        return [
            line.slug
            for line in overview.organizations(session, EVERYTHING, wanted, **{"limit": 10, **options}).lines
        ]

    assert found(Filter()) == ["called", "idle"]
    assert found(Filter(), order="services") == ["idle", "called"]
    assert found(Filter(words="03943-1234")) == ["called"]
    assert found(Filter(kind="verein")) == ["idle"]
    facets = overview.organization_facets(session, EVERYTHING, Filter())
    assert facets.kinds == {"amt": 1, "verein": 1}
    assert facets.attention == {"in_review": 1, "no_phone": 1, "no_services": 1, "broken_link": 1}
    for name in overview.ORGANIZATION_ATTENTION:
        assert found(Filter(attention=name)) == ["idle"]
    for order in overview.ORGANIZATION_ORDERS:
        assert sorted(found(Filter(), order=order)) == ["called", "idle"]
    lines = overview.organizations(session, EVERYTHING, Filter(), limit=10).lines
    assert [(line.services, line.phone, line.kind, line.in_review) for line in lines] == [
        (2, "03943 1234", "Amt", False),
        (0, None, "Verein", True),
    ]
    assert overview.organizations(session, EVERYTHING, Filter(), limit=1).total == 2


def test_the_address_of_a_shelter_is_neither_listed_nor_found(session: Session) -> None:
    a_place(session, "15987001", "Talstadt")
    shelter = an_organization(session, "shelter", confidential=True)
    # A row that should not be there: an address at a house of a confidential organization.
    house = a_location(session, "safe", organization=shelter)
    session.add(
        models.Address(
            id=uuid4(), location_id=house.id, address_1="Geheimweg 1", city="Talstadt", postal_code="00101",
            state_province="Sachsen-Anhalt",
        )
    )  # fmt: skip
    a_location(
        session, "open", address={"address_1": "Marktplatz 1", "city": "Talstadt", "postal_code": "00101"},
        place="15987001", latitude=51.9, longitude=11.9,
    )  # fmt: skip
    session.flush()
    lines = {line.slug: line for line in overview.locations(session, EVERYTHING, Filter(), limit=10).lines}
    assert (lines["open"].street, lines["open"].town) == ("Marktplatz 1", "Talstadt")
    assert (lines["safe"].street, lines["safe"].town) == (None, None)
    for words in ("Geheimweg", "Talstadt", "00101"):
        found = overview.locations(session, EVERYTHING, Filter(words=words), limit=10).lines
        assert "safe" not in [line.slug for line in found]
    facets = overview.location_facets(session, EVERYTHING, Filter())
    assert facets.areas == {"15987001": 1}
    assert facets.attention == {"no_address": 0, "no_point": 0, "no_hours": 1, "unused": 2}
    for name, number in facets.attention.items():
        assert overview.locations(session, EVERYTHING, Filter(attention=name), limit=10).total == number
    for order in overview.LOCATION_ORDERS:
        assert overview.locations(session, EVERYTHING, Filter(), order=order, limit=10).total == 2


def test_a_contact_of_several_offers_is_one_line(session: Session) -> None:
    office = an_organization(session, "office")
    shared = {"name": "Empfang", "email": "empfang@example.org", "phones": ({"number": "03943 1"},)}
    a_service(session, "a", organization=office, contacts=(shared,))
    a_service(session, "b", organization=office, contacts=(shared, {"department": "Kasse"}))
    a_service(session, "c", contacts=({"name": "Empfang", "email": "empfang@example.org"},))
    listed = overview.contacts(session, EVERYTHING, Filter(), limit=10, order="services", descending=True)
    assert [(line.name or line.department, line.services, line.phone) for line in listed.lines] == [
        ("Empfang", 2, "03943 1"),
        ("Kasse", 1, None),
        ("Empfang", 1, None),
    ]
    assert listed.total == 3
    assert sorted(slugs(session, Filter(contact=listed.lines[0].id))) == ["a", "b"]
    facets = overview.contact_facets(session, EVERYTHING, Filter())
    assert facets.attention == {"unreachable": 1}
    assert overview.contacts(session, EVERYTHING, Filter(attention="unreachable"), limit=10).total == 1
    assert facets.organizations["office"][1] == 2
    assert overview.contacts(session, EVERYTHING, Filter(organization="office"), limit=1).total == 2
    for order in overview.CONTACT_ORDERS:
        assert overview.contacts(session, EVERYTHING, Filter(), order=order, limit=10).total == 3


# Archive, funding, misses.


def test_the_archive_counts_down(session: Session) -> None:
    old = editing_archive(session, "old")
    old.archived_at = NOW - timedelta(days=89, hours=1)
    gone = editing_archive(session, "gone-from-the-files")
    gone.archived_at = None
    session.add_all([old, gone])
    session.flush()
    editing_archive(session, "new")
    lines = overview.archived(session, EVERYTHING)
    assert [(line.slug, line.days_left(NOW)) for line in lines] == [
        ("old", 0),
        ("new", 90),
        ("gone-from-the-files", None),
    ]


def test_a_place_taken_away_is_in_the_archive_for_90_days(session: Session) -> None:
    mine, other = an_organization(session, "mine"), an_organization(session, "other")
    for slug, organization in (("old", mine), ("new", mine), ("back", mine), ("foreign", other)):
        a_location(session, slug, organization=organization)

    def take_away(slug: str, *, days: int) -> int:
        at = NOW - timedelta(days=days)
        return editing.delete_location(session, REGION, slug, author=None, now=at)

    take_away("old", days=91)
    take_away("foreign", days=3)
    number = take_away("back", days=2)
    version = next(
        one
        for one in editing.versions(session, entity_id(REGION, "location", "back"))
        if one.number == number
    )
    editing.restore(session, REGION, version, author=None, now=NOW)
    take_away("new", days=1)
    lines = overview.places_taken_away(session, EVERYTHING, now=NOW)
    assert {(line.slug, line.organization_id, line.days_left(NOW)) for line in lines} == {
        ("new", mine.id, 89),
        ("foreign", other.id, 87),
    }
    own = Scope(REGION, TODAY, (Reach(organization_id=mine.id),))
    assert [line.slug for line in overview.places_taken_away(session, own, now=NOW)] == ["new"]
    elsewhere = Scope(REGION, TODAY, (Reach(area="15987001"),))
    assert overview.places_taken_away(session, elsewhere, now=NOW) == []


def test_what_ends_between_two_days(session: Session) -> None:
    for slug, last in (("first", 0), ("second", 30), ("later", 600), ("gone", -1)):
        a_service(session, slug, valid_to=TODAY + timedelta(days=last))
    a_service(session, "draft", valid_to=TODAY, status="draft")
    found = overview.ending(session, EVERYTHING, since=TODAY, until=TODAY + timedelta(days=550))
    assert [line.slug for line in found] == ["first", "second"]
    assert found[0].topics == ("Geld",)
    assert found[0].towns == ()


def test_what_ends_says_in_which_towns_but_not_of_a_shelter(session: Session) -> None:
    for slug in ("a", "b"):
        a_location(session, slug, address={"postal_code": "06502", "city": "Thale"})
    shelter = a_location(session, "c", confidential=True)
    session.add(models.Address(id=uuid4(), location_id=shelter.id, city="Geheim", state_province="ST"))
    session.flush()
    a_service(
        session, "ends", valid_to=TODAY, locations=({"location": "a"}, {"location": "b"}, {"location": "c"})
    )
    (line,) = overview.ending(session, EVERYTHING, since=TODAY)
    assert line.towns == ("Thale",)


def test_words_in_vain_until_somebody_decides(session: Session) -> None:
    a_region(session)
    for term, count in (("mofa", 3), ("tattoo", 9), ("zelt", 5)):
        session.add(
            models.SearchMiss(
                region=REGION, language="de", term=term, count=count, first_day=TODAY, last_day=TODAY
            )
        )
    session.add(
        models.SearchMissDecision(
            region=REGION, language="de", term="zelt", decision="ignored", decided_at=NOW
        )
    )
    session.flush()
    found = overview.open_misses(session, REGION, limit=1)
    assert ([line.term for line in found.lines], found.lines[0].count, found.total) == (["tattoo"], 9, 2)


def test_names(session: Session) -> None:
    a_service(session, "a", name="Reden")
    assert overview.names(session, REGION, "service", ["a", "b"]) == {"a": "Reden"}


@pytest.mark.parametrize("now", [datetime(2027, 6, 1, tzinfo=UTC)])
def test_days_left_never_fall_below_zero(session: Session, now: datetime) -> None:
    editing_archive(session, "old")
    assert overview.archived(session, EVERYTHING)[0].days_left(now) == 0
