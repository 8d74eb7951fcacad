"""Lists: what they show to whom, how they narrow, and what happens to many entries at once."""

import csv
import io
from datetime import date

import pytest
from openpyxl import load_workbook
from sqlmodel import Session, select

from portal.accounts.models import AuditEvent
from portal.catalogue import editing, models, proposals
from portal.catalogue.models import Status, entity_id
from portal.catalogue.queries import ServiceView
from portal.catalogue.records import LocationRecord
from portal.web.admin import lists
from portal.web.application import Portal
from tests.web.admin.conftest import Clock, SignIn
from tests.web.admin.pages import AdminClient
from tests.web.conftest import NOW
from tests.web.pages import Page, text_of

REGION = "musterkreis"
LISTS = ("services", "organizations", "locations", "contacts")


def names(page: Page) -> list[str]:
    return [text_of(head) for head in page.all("tbody th[scope=row]")]


def ticks(page: Page) -> list[str]:
    return [str(box["value"]) for box in page.all("input[name=chosen]")]


@pytest.fixture
def some(admin_portal: Portal) -> list[ServiceView]:
    """Published offers of different organizations, none of them the clearing desk or another first desk."""
    desk = admin_portal.region.clearing_desk
    found: dict[str, ServiceView] = {}
    for service in admin_portal.catalogue.services():
        if service.slug != desk and not service.helpline_needs and not service.desk_for:
            found.setdefault(service.organization.slug, service)
    return list(found.values())


def row(session: Session, slug: str) -> models.Service:
    session.expire_all()
    found = session.get(models.Service, entity_id(REGION, "service", slug))
    assert found is not None
    return found


# Looking.


@pytest.mark.parametrize("name", LISTS)
def test_a_list_shows_a_page_and_leads_to_the_next(admin: AdminClient, name: str) -> None:
    page = admin.page(f"/admin/{name}")
    assert 0 < len(names(page)) <= lists.PER_PAGE
    following = page.all("nav.pages a")
    if not following:
        return
    second = admin.page(str(following[-1]["href"]))
    assert names(second) and not set(names(second)) & set(names(page))
    assert len(second.all("nav.pages [aria-current=page]")) == 1


def test_words_filters_and_order_stand_in_the_address(admin: AdminClient, some: list[ServiceView]) -> None:
    wanted = some[0]
    page = admin.page(f"/admin/services?q={wanted.slug}&sort=-changed")
    assert wanted.name in names(page)
    assert page.one("#q")["value"] == wanted.slug
    hidden = {str(field["name"]): field["value"] for field in page.all('input[type=hidden][form="search"]')}
    assert hidden == {"sort": "-changed"}
    assert page.one("th[aria-sort]")["aria-sort"] == "descending"
    by_name = page.one("#s-name")["href"]
    assert "sort=" not in str(by_name) and f"q={wanted.slug}" in str(by_name)


def test_every_chip_leads_to_as_many_lines_as_it_says(admin: AdminClient) -> None:
    for name in LISTS:
        for chip in admin.page(f"/admin/{name}").all(".facets a.chip"):
            said = text_of(chip).rpartition("(")[2].rstrip(")")
            found = admin.page(str(chip["href"]))
            total = text_of(found.one("[data-announce]")).split()[0]
            assert total == said, chip


def test_a_chosen_filter_can_be_taken_away(admin: AdminClient, some: list[ServiceView]) -> None:
    organization = some[0].organization.slug
    page = admin.page(f"/admin/services?organization={organization}")
    chip = page.one(".facetbox a[aria-current=true]")
    assert chip["href"] == "/admin/services"


@pytest.mark.parametrize(
    "query",
    [
        "page=999999",
        "page=-1",
        "page=x",
        "sort=nothing",
        "state=nothing",
        "attention=nothing",
        "contact=nothing",
        "area=nothing",
        "topic=%27%3B--",
        "q=%25%5C_",
        "columns=nothing",
    ],
)
def test_nonsense_in_the_address_still_shows_a_page(admin: AdminClient, query: str) -> None:
    for name in LISTS:
        admin.page(f"/admin/{name}?{query}")


def test_what_people_type_comes_back_as_text(admin: AdminClient) -> None:
    page = admin.page("/admin/services?q=<script>alert(1)</script>&organization=<b>&topic=<i>&attention=<u>")
    assert page.one("#q")["value"] == "<script>alert(1)</script>"
    for mark in ("<script>alert", "<b>", "<i>", "<u>"):
        assert mark not in page.response.get_data(as_text=True).split("</head>")[1]


def test_htmx_gets_only_the_list(admin: AdminClient) -> None:
    answer = admin.get("/admin/services?q=a", headers={"HX-Request": "true"})
    body = answer.get_data(as_text=True)
    assert "<h1" not in body and "<tbody" in body
    assert "HX-Request" in answer.headers["Vary"]


def test_columns_are_remembered(admin: AdminClient) -> None:
    chosen = admin.page("/admin/services?columns=name&columns=phone")
    assert [text_of(head) for head in chosen.all("thead th")] and len(chosen.all("thead th")) == 2
    assert len(admin.page("/admin/services").all("thead th")) == 2
    assert len(admin.page("/admin/organizations").all("thead th")) > 2
    assert len(admin.page("/admin/services?columns=name").all("thead th")) == 1


# Who sees what.


def test_an_editor_sees_the_own_organization_and_changes_nothing_here(
    signed_in: SignIn, some: list[ServiceView], admin_portal: Portal
) -> None:
    own = some[0].organization.slug
    editor = signed_in("editor", organization=own)
    of_own = {s.name for s in admin_portal.catalogue.services() if s.organization.slug == own}
    page = editor.page("/admin/services")
    assert of_own <= set(names(page))
    assert {str(a["href"]) for a in page.all("tbody td a")} <= {f"/admin/services?organization={own}"}
    assert ticks(page) == []
    assert names(editor.page("/admin/organizations")) == [some[0].organization.name]
    assert some[1].name not in names(editor.page(f"/admin/services?q={some[1].slug}"))
    assert (
        editor.send("/admin/services/bulk", {"action": "archive", "chosen": some[0].slug}).status_code == 403
    )
    assert editor.send(f"/admin/archive/service/{some[0].slug}").status_code == 403


def test_a_coordinator_of_a_part_acts_only_there(
    signed_in: SignIn, admin_portal: Portal, database: Session, some: list[ServiceView]
) -> None:
    inside = next(
        s for s in admin_portal.catalogue.services() if any(len(area) == 8 for area in s.service_areas)
    )
    place = next(area for area in inside.service_areas if len(area) == 8)
    whole = next(s for s in some if admin_portal.region.county_area in s.service_areas)
    coordinator = signed_in("coordinator", area=place)
    assert whole.name not in names(coordinator.page("/admin/services"))
    form = {"action": "archive", "confirmed": "yes", "chosen": whole.slug}
    page = coordinator.sent(coordinator.send("/admin/services/bulk", form), "bulk", status=200)
    assert page.all(".box.wrong dd")
    assert row(database, whole.slug).status == Status.PUBLISHED
    assert coordinator.send(f"/admin/archive/service/{whole.slug}").status_code == 404


# Many at once.


def test_nothing_ticked_and_unknown_slugs_lead_back(admin: AdminClient) -> None:
    for form in ({"action": "publish"}, {"action": "publish", "chosen": "no-such"}, {"action": "no-such"}):
        answer = admin.send("/admin/services/bulk", {**form, "back": "/admin/services?page=2"})
        assert (answer.status_code, answer.location) == (303, "/admin/services?page=2")
    elsewhere = admin.send("/admin/services/bulk", {"action": "publish", "back": "https://evil.example/"})
    assert elsewhere.location == "/admin/services"


def test_archiving_asks_first_and_says_what_did_not_work(
    admin: AdminClient, admin_portal: Portal, database: Session, some: list[ServiceView]
) -> None:
    desk = admin_portal.region.clearing_desk
    chosen = [some[0].slug, some[1].slug, desk]
    form = {"action": "archive", "chosen": chosen, "back": "/admin/services"}
    asked = admin.sent(admin.send("/admin/services/bulk", form), "bulk", status=200)
    for service in some[:2]:
        assert service.name in asked.text
        assert row(database, service.slug).status == Status.PUBLISHED, "nothing happens before the question"
    done = admin.sent(
        admin.send("/admin/services/bulk", {**form, "confirmed": "yes", "comment": "Zum Jahresende"}),
        "bulk",
        status=200,
    )
    desk_name = row(database, desk).name
    assert [text_of(dt) for dt in done.all(".box.wrong dt")] == [desk_name]
    assert done.one(".box.wrong dd").get_text(strip=True)
    for service in some[:2]:
        found = row(database, service.slug)
        assert (found.status, found.archived_at is not None) == (Status.ARCHIVED, True)
        newest = editing.versions(database, found.id)[0]
        assert (newest.cause, newest.comment, newest.author_name) == (
            "archived",
            "Zum Jahresende",
            "Administrator 1",
        )
    assert row(database, desk).status == Status.PUBLISHED
    events = database.exec(select(AuditEvent).where(AuditEvent.action == "service.archived")).all()
    assert {event.entity_name for event in events} == {service.name for service in some[:2]}


def test_the_question_about_one_offer_speaks_of_one(admin: AdminClient, some: list[ServiceView]) -> None:
    for number, words in ((1, "Dieses Angebot verschwindet aus dem Portal."), (2, "Sie verschwinden")):
        form = {"action": "archive", "chosen": [one.slug for one in some[:number]]}
        asked = admin.sent(admin.send("/admin/services/bulk", form), "bulk", status=200)
        assert words in asked.text


def test_a_proposal_shows_in_the_list_the_filter_and_the_state(
    admin: AdminClient, admin_portal: Portal, database: Session, some: list[ServiceView]
) -> None:
    waiting = some[0]
    for entity, entry in (("service", waiting), ("organization", waiting.organization)):
        current = editing.entry(database, REGION, entity, entry.slug)
        made = proposals.propose(
            database, REGION, entity, current.record, base=current, author=None, now=admin_portal.now(),
            organization_id=waiting.organization.id,
        )  # fmt: skip
        database.commit()
        chip = admin.page(f"/admin/{entity}s").one("#f-attention-in_review")
        assert text_of(chip) == "In Prüfung (1)"
        line = admin.page(str(chip["href"])).one("tbody tr")
        assert entry.name in text_of(line)
        assert [text_of(tag) for tag in line.select("td .tag.wait")][:1] == ["In Prüfung"]
        answer = admin.send(f"/admin/lists/{entity}s/export", {"format": "csv", "chosen": entry.slug})
        assert "Veröffentlicht, In Prüfung" in rows_of(answer.data)[1]
        state = admin.page(f"/admin/{entity}s/{entry.slug}").one('[aria-labelledby="state-head"]')
        assert "in Prüfung" in text_of(state) and state.find("a", href=f"/admin/review/{made.id}")
    assert not admin.page(f"/admin/services/{some[1].slug}").one('[aria-labelledby="state-head"]').find("a")


def test_an_editor_is_not_told_of_translations(
    signed_in: SignIn, some: list[ServiceView], database: Session, admin_portal: Portal
) -> None:
    organization = some[0].organization.slug
    current = editing.entry(database, REGION, "service", some[0].slug)
    changed = current.record.model_copy(update={"description": "Ganz anders als bisher."})
    editing.save(
        database, REGION, "service", changed, base_hash=current.hash, author=None, now=admin_portal.now()
    )
    database.commit()
    told = {
        role: [
            a["href"] for a in signed_in(role, **given).page("/admin/services").all('a[href*="attention="]')
        ]
        for role, given in (("editor", {"organization": organization}), ("coordinator", {}))
    }
    assert any("outdated" in str(address) for address in told["coordinator"])
    assert not any("outdated" in str(address) for address in told["editor"])


def test_withdraw_and_publish_again(admin: AdminClient, database: Session, some: list[ServiceView]) -> None:
    for action, status in (("withdraw", Status.DRAFT), ("publish", Status.PUBLISHED)):
        form = {"action": action, "chosen": some[0].slug, "confirmed": "yes"}
        admin.sent(admin.send("/admin/services/bulk", form), "bulk", status=200)
        assert row(database, some[0].slug).status == status


def test_a_topic_is_added_and_taken_away_but_never_the_last_one(
    admin: AdminClient, database: Session, admin_portal: Portal, some: list[ServiceView]
) -> None:
    def topics() -> tuple[str, ...]:
        database.expire_all()
        found: tuple[str, ...] = editing.entry(database, REGION, "service", wanted.slug).record.topics
        return found

    wanted = some[0]
    before = topics()
    code = next(term.code for term in admin_portal.catalogue.terms("topics") if term.code not in before)
    form = {"action": "topic", "chosen": wanted.slug, "confirmed": "yes", "topic": code}
    admin.sent(admin.send("/admin/services/bulk", {**form, "way": "add"}), "bulk", status=200)
    assert topics() == (*before, code)
    assert editing.versions(database, wanted.id)[0].fields == ["topics"]
    for one in before:
        admin.sent(
            admin.send("/admin/services/bulk", {**form, "way": "remove", "topic": one}), "bulk", status=200
        )
    assert topics() == (code,)
    refused = admin.sent(admin.send("/admin/services/bulk", {**form, "way": "remove"}), "bulk", status=200)
    assert len(refused.all(".box.wrong dd")) == 1
    assert topics() == (code,)
    unchosen = admin.sent(
        admin.send("/admin/services/bulk", {**form, "topic": "no-such"}), "bulk", status=422
    )
    assert unchosen.all("[role=alert]")


def test_a_day_to_ask_again_is_today_or_later(
    admin: AdminClient, database: Session, some: list[ServiceView]
) -> None:
    form = {"action": "review", "chosen": [some[0].slug, some[1].slug], "confirmed": "yes"}
    for wrong in ("", "tomorrow", "2026-11-19"):
        again = admin.sent(admin.send("/admin/services/bulk", {**form, "on": wrong}), "bulk", status=422)
        assert again.one("#on")["value"] == wrong
        assert len(again.all("input[name=chosen]")) == 2
    admin.sent(admin.send("/admin/services/bulk", {**form, "on": "2026-11-20"}), "bulk", status=200)
    assert row(database, some[1].slug).review_due == date(2026, 11, 20)
    assert some[1].name in names(admin.page(f"/admin/services?attention=due&q={some[1].slug}"))


def test_an_archived_offer_does_not_come_back_through_its_topics(
    admin: AdminClient, admin_portal: Portal, database: Session, some: list[ServiceView]
) -> None:
    code = admin_portal.catalogue.terms("topics")[0].code
    send = {"chosen": some[0].slug, "confirmed": "yes"}
    admin.send("/admin/services/bulk", {**send, "action": "archive"})
    page = admin.sent(
        admin.send("/admin/services/bulk", {**send, "action": "topic", "topic": code}), "bulk", status=200
    )
    assert len(page.all(".box.wrong dd")) == 1
    assert row(database, some[0].slug).status == Status.ARCHIVED


def test_an_organization_with_offers_stays(
    admin: AdminClient, database: Session, some: list[ServiceView]
) -> None:
    organization = some[0].organization
    form = {"action": "archive", "chosen": organization.slug, "confirmed": "yes"}
    page = admin.sent(admin.send("/admin/organizations/bulk", form), "bulk", status=200)
    assert some[0].name in text_of(page.one(".box.wrong dd"))
    found = database.get(models.Organization, organization.id)
    assert found is not None and found.status == Status.PUBLISHED


def test_only_places_that_nothing_uses_are_taken_away(
    admin: AdminClient, admin_portal: Portal, database: Session, some: list[ServiceView]
) -> None:
    used = next(house for one in some for house in one.locations)
    for slug in ("leer-eins", "leer-zwei"):
        empty_place(database, used.slug, slug)
    form = {"action": "remove", "chosen": ["leer-eins", "leer-zwei", used.slug]}
    asked = admin.sent(admin.send("/admin/locations/bulk", form), "bulk", status=200)
    assert len(asked.all("input[name=chosen]")) == 3
    assert admin.get("/admin/locations/leer-eins").status_code == 200, "nothing happens before the question"
    form |= {"confirmed": "yes", "comment": "Umgezogen"}
    done = admin.sent(admin.send("/admin/locations/bulk", form), "bulk", status=200)
    assert [text_of(dt) for dt in done.all(".box.wrong dt")] == [used.name]
    assert admin.get(f"/admin/locations/{used.slug}").status_code == 200
    for slug in ("leer-eins", "leer-zwei"):
        assert admin.get(f"/admin/locations/{slug}").status_code == 404
        newest = editing.versions(database, entity_id(REGION, "location", slug))[0]
        assert (newest.cause, newest.comment) == ("archived", "Umgezogen")
    events = database.exec(select(AuditEvent).where(AuditEvent.action == "location.deleted")).all()
    assert len(events) == 2


def test_a_place_of_another_organization_stays(
    signed_in: SignIn, database: Session, some: list[ServiceView]
) -> None:
    house, other = (next(iter(one.locations)) for one in [one for one in some if one.locations][:2])
    empty_place(database, other.slug, "leer")
    form = {"action": "remove", "chosen": "leer", "confirmed": "yes"}
    editor = signed_in("editor", organization=record_of(database, house.slug).organization)
    assert editor.send("/admin/locations/bulk", form).status_code == 403
    coordinator = signed_in("coordinator", organization=record_of(database, house.slug).organization)
    page = coordinator.sent(coordinator.send("/admin/locations/bulk", form), "bulk", status=200)
    assert len(page.all(".box.wrong dd")) == 1
    assert record_of(database, "leer").name == "leer"


def record_of(session: Session, slug: str) -> LocationRecord:
    session.expire_all()
    found: LocationRecord = editing.entry(session, REGION, "location", slug).record
    return found


def empty_place(session: Session, like: str, slug: str) -> None:
    """At the same house, and no offer uses it."""
    record = record_of(session, like).model_copy(update={"slug": slug, "name": slug})
    editing.save(session, REGION, "location", record, base_hash=None, author=None, now=NOW)
    session.commit()


# Files.


@pytest.mark.parametrize("name", ["locations", "contacts"])
def test_chosen_places_and_contacts_alone_go_into_the_file(admin: AdminClient, name: str) -> None:
    page = admin.page(f"/admin/{name}")
    (first, _, third), (one, _, two) = ticks(page)[:3], names(page)[:3]
    answer = admin.send(f"/admin/lists/{name}/export", {"format": "csv", "chosen": [first, third]})
    assert [line[0] for line in rows_of(answer.data)[1:]] == [one, two]


def rows_of(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode("utf-8-sig")), delimiter=";"))


@pytest.mark.parametrize("name", LISTS)
def test_a_list_as_a_file_says_what_the_page_says(admin: AdminClient, name: str) -> None:
    page = admin.page(f"/admin/{name}")
    heads = [text_of(head).rstrip(" ↑↓") for head in page.all("thead th")]
    answer = admin.send(f"/admin/lists/{name}/export", {"format": "csv"})
    found = rows_of(answer.data)
    assert found[0] == heads
    assert len(found) - 1 == int(text_of(page.one("[data-announce]")).split()[0])
    book = load_workbook(io.BytesIO(admin.send(f"/admin/lists/{name}/export", {"format": "xlsx"}).data))
    assert [cell.value for cell in next(book.active.rows)] == heads
    assert book.active.max_row == len(found)


def test_the_file_has_the_ticked_lines_or_those_of_the_filters(
    admin: AdminClient, some: list[ServiceView]
) -> None:
    ticked = admin.send(
        "/admin/lists/services/export", {"format": "csv", "chosen": [some[0].slug, some[2].slug]}
    )
    assert {line[0] for line in rows_of(ticked.data)[1:]} == {some[0].name, some[2].name}
    filtered = admin.send("/admin/lists/services/export", {"format": "csv", "query": f"q={some[1].slug}"})
    assert some[1].name in {line[0] for line in rows_of(filtered.data)[1:]}
    assert some[0].name not in {line[0] for line in rows_of(filtered.data)[1:]}
    assert admin.send("/admin/lists/people/export").status_code == 404


def test_an_editor_takes_out_only_the_own_lines(signed_in: SignIn, some: list[ServiceView]) -> None:
    editor = signed_in("editor", organization=some[0].organization.slug)
    answer = editor.send(
        "/admin/lists/services/export", {"format": "csv", "chosen": [some[1].slug, some[0].slug]}
    )
    assert [line[0] for line in rows_of(answer.data)[1:]] == [some[0].name]


def test_a_cell_is_never_a_formula(admin: AdminClient, database: Session, some: list[ServiceView]) -> None:
    found = row(database, some[0].slug)
    found.name = '=HYPERLINK("https://evil.example/")'
    database.add(found)
    database.commit()
    form = {"chosen": some[0].slug}
    line = rows_of(admin.send("/admin/lists/services/export", {**form, "format": "csv"}).data)[1]
    assert line[0].startswith("'=")
    book = load_workbook(
        io.BytesIO(admin.send("/admin/lists/services/export", {**form, "format": "xlsx"}).data)
    )
    cell = book.active["A2"]
    assert (cell.data_type, cell.value) == ("s", found.name)


# The archive.


def test_what_is_archived_can_be_put_back_for_ninety_days(
    admin: AdminClient, signed_in: SignIn, database: Session, some: list[ServiceView], clock: Clock
) -> None:
    form = {"action": "archive", "chosen": some[0].slug, "confirmed": "yes"}
    admin.send("/admin/services/bulk", form)
    assert "90" in admin.page("/admin/archive").text
    clock.later(days=3)
    admin = signed_in("coordinator")
    line = admin.page("/admin/archive").one("tbody tr")
    assert some[0].name in text_of(line) and "87" in text_of(line)
    answer = admin.submit("/admin/archive", to=f"/admin/archive/service/{some[0].slug}")
    assert answer.location == "/admin/archive"
    found = row(database, some[0].slug)
    assert (found.status, found.archived_at) == (Status.DRAFT, None)
    assert admin.page("/admin/archive").all("tbody tr") == []


def test_a_place_taken_away_can_be_put_back_from_the_archive(
    admin: AdminClient, signed_in: SignIn, database: Session, some: list[ServiceView]
) -> None:
    used = next(house for one in some for house in one.locations)
    empty_place(database, used.slug, "leer")
    owner = record_of(database, "leer").organization
    answer = admin.send("/admin/locations/leer", {"action": "delete"})
    said = admin.page(answer.location).one("main .box.good")
    assert {str(a["href"]) for a in said.select("a")} == {"/admin/archive", "/admin/location/leer/history"}
    archive = signed_in("editor", organization=owner).page("/admin/archive")
    assert "leer" in archive.text and not archive.all("main form")
    button = admin.page("/admin/archive").one("tbody form")
    admin.submit("/admin/archive", to=str(button["action"]))
    assert record_of(database, "leer").organization == owner
    assert admin.page("/admin/archive").all("tbody tr") == []


def test_an_archived_organization_can_be_put_back(admin: AdminClient, database: Session) -> None:
    from tests.factories import an_organization

    made = an_organization(database, "zu-viel", region=REGION, kind="verein")
    database.commit()
    form = {"action": "archive", "chosen": "zu-viel", "confirmed": "yes"}
    admin.sent(admin.send("/admin/organizations/bulk", form), "bulk", status=200)
    assert made.name in admin.page("/admin/archive").text
    admin.submit("/admin/archive", to="/admin/archive/organization/zu-viel")
    database.expire_all()
    assert made.status == Status.DRAFT
    assert admin.send("/admin/archive/location/x").status_code == 404


# Funding.


def test_funding_by_month_topic_and_town(
    admin: AdminClient, database: Session, some: list[ServiceView]
) -> None:
    for service, last in zip(
        some, (date(2026, 11, 30), date(2027, 1, 31), date(2028, 5, 31), date(2028, 6, 1), date(2026, 11, 1)), strict=False
    ):  # fmt: skip
        found = row(database, service.slug)
        found.valid_to = last
        database.add(found)
        database.commit()
    page = admin.page("/admin/funding")
    sections = {
        text_of(section.h2).rpartition(" (")[0] or text_of(section.h2): [
            text_of(a) for a in section.select("a")
        ]
        for section in page.all("main section.stack")
    }
    assert sections["November 2026"] == [some[0].name]
    assert sections["Januar 2027"] == [some[1].name]
    assert sections["Mai 2028"] == [some[2].name]
    assert sections["Juni 2028"] == [some[3].name], "however far away"
    assert some[4].name in list(sections.values())[-1], "ended, no longer shown"
    assert page.all("#by-topic")
    town = next(house.address.city for one in some[:4] for house in one.locations if house.address)
    narrowed = admin.page(page.one("#by-town ~ table").find("a", string=town)["href"])
    there = [
        one.name
        for one in some[:4]
        if town in {house.address.city for house in one.locations if house.address}
    ]
    listed = [text_of(a) for a in narrowed.all("section[aria-labelledby^=m] tbody a")]
    assert [one.name in listed for one in some[:4]] == [one.name in there for one in some[:4]]
    assert narrowed.one("#by-town ~ table a[aria-current]")["href"] == "/admin/funding"
