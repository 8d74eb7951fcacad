"""The edit pages: look, save, propose, collide, and nothing lost."""

from typing import Any

import pytest
from bs4 import BeautifulSoup
from sqlmodel import Session, col, select

from portal.accounts.models import AuditEvent, KeptForm, User
from portal.catalogue import editing, models, proposals
from portal.catalogue.models import EntryVersion, Proposal, entity_id
from portal.catalogue.records import ScheduleRecord
from portal.web.application import Portal
from tests.web.admin.conftest import Clock, MakeUser, SignIn
from tests.web.admin.pages import AdminClient
from tests.web.pages import Page, PageClient, text_of

REGION = "musterkreis"


def fields_of(page: Page, form: str = "#edit") -> list[tuple[str, str]]:
    """What a browser would send of the form, without the buttons."""
    fields = []
    for tag in page.one(form).select("input, select, textarea"):
        name = tag.get("name")
        if not name or name == "csrf_token" or tag.get("type") in ("submit", "button"):
            continue
        if tag.name == "select":
            chosen = tag.select("option[selected]") or tag.select("option")[:1]
            fields += [(str(name), str(option.get("value", ""))) for option in chosen]
        elif tag.name == "textarea":
            fields.append((str(name), tag.get_text().removeprefix("\n")))
        elif tag.get("type") not in ("checkbox", "radio") or tag.has_attr("checked"):
            fields.append((str(name), str(tag.get("value", "on"))))
    return fields


def filled(fields: list[tuple[str, str]], **changes: Any) -> list[tuple[str, str]]:
    """With other values; `__` stands for a dot, a list replaces all of a name, None takes it away."""
    wanted = {name.replace("__", "."): value for name, value in changes.items()}
    left = [(name, value) for name, value in fields if name not in wanted]
    for name, value in wanted.items():
        for item in value if isinstance(value, list) else [value]:
            if item is not None:
                left.append((name, item))
    return left


def look_again(public: PageClient) -> None:
    """The public pages ask for changes once a second; do not wait for it."""
    public.app.extensions["portal"].catalogue._checked_at = float("-inf")


def record(database: Session, slug: str, entity: str = "service") -> Any:
    database.expire_all()
    return editing.entry(database, REGION, entity, slug).record


@pytest.fixture
def slugs(admin_portal: Portal) -> list[str]:
    return [view.slug for view in admin_portal.catalogue.services()]


def test_every_service_opens_and_a_save_without_a_change_changes_nothing(
    admin: AdminClient, database: Session, slugs: list[str]
) -> None:
    for slug in slugs[:100:4]:
        before = record(database, slug)
        page = admin.page(f"/admin/services/{slug}")
        answer = admin.send(f"/admin/services/{slug}", [*fields_of(page), ("action", "save")])
        assert answer.status_code == 303, slug
        after = record(database, slug)
        found = editing.differences(editing.plain(before), editing.plain(after))
        assert found == [], "\n".join(str(d) for d in found)
    assert database.exec(select(EntryVersion)).all() == []


def test_topics_and_groups_are_proposed_from_the_words_until_they_are_ticked(
    admin: AdminClient, slugs: list[str]
) -> None:
    path = f"/admin/services/{slugs[0]}"
    words = {"name": "Schuldnerberatung", "description": "Hilfe bei Schulden, Mahnungen und Inkasso."}
    fields = filled(fields_of(admin.page(path)), **words, topics=["allgemein"])

    def proposed(fields: list[tuple[str, str]]) -> set[str]:
        shown = admin.sent(admin.send(path, [*fields, ("action", "add:phones")]), path)
        chips = shown.all("#f-topics label.chip")
        assert all(shown.all(f"#{chip['for']}[type=checkbox]:not([checked])") for chip in chips)
        return {str(chip["for"]).removeprefix("f-topics-") for chip in chips}

    assert "schulden" in proposed(fields)
    assert "schulden" not in proposed(filled(fields, topics=["allgemein", "schulden"]))


def test_organizations_and_locations_open_and_come_back_unchanged(
    admin: AdminClient, database: Session, admin_portal: Portal
) -> None:
    views = admin_portal.catalogue.services()[::9]
    paths = {f"organizations/{view.organization.slug}": "organization" for view in views}
    paths |= {f"locations/{location.slug}": "location" for view in views for location in view.locations}
    for path, entity in paths.items():
        before = record(database, path.split("/")[1], entity)
        page = admin.page(f"/admin/{path}")
        assert admin.send(f"/admin/{path}", fields_of(page)).status_code == 303, path
        after = record(database, path.split("/")[1], entity)
        assert editing.differences(editing.plain(before), editing.plain(after)) == [], path
    assert database.exec(select(EntryVersion)).all() == []


@pytest.fixture
def slug(slugs: list[str]) -> str:
    return slugs[0]


@pytest.fixture
def path(slug: str) -> str:
    return f"/admin/services/{slug}"


def test_a_save_stands_in_record_history_and_log(
    admin: AdminClient, database: Session, path: str, slug: str
) -> None:
    fields = filled(fields_of(admin.page(path)), name="Wir sortieren das", comment="Der Name war zu lang")
    answer = admin.send(path, fields)
    assert answer.location == path
    assert record(database, slug).name == "Wir sortieren das"
    newest = database.exec(select(EntryVersion).order_by(col(EntryVersion.number).desc())).first()
    assert newest is not None
    assert (newest.comment, newest.fields) == ("Der Name war zu lang", ["name"])
    event = database.exec(select(AuditEvent).where(AuditEvent.action == "service.saved")).one()
    assert (event.entity_name, event.details["fields"]) == ("Wir sortieren das", ["name"])
    page = admin.page(path)
    assert page.h1 == "Wir sortieren das"
    assert "Der Name war zu lang" in page.text


def test_the_public_page_and_the_search_follow(
    admin: AdminClient, public: PageClient, path: str, slug: str, clock: Clock
) -> None:
    fields = filled(fields_of(admin.page(path)), name="Purpurner Lotsendienst")
    assert admin.send(path, fields).status_code == 303
    look_again(public)
    assert public.page(f"/de/offers/{slug}").h1 == "Purpurner Lotsendienst"
    assert "Purpurner Lotsendienst" in public.page("/de/offers?q=Purpurner").text


def test_a_save_never_moves_the_day_of_the_check(
    admin: AdminClient, database: Session, path: str, slug: str, admin_portal: Portal
) -> None:
    before = record(database, slug).assured_date
    fields = filled(fields_of(admin.page(path)), name="Anders", assured_date="2020-01-01")
    admin.send(path, fields)
    assert record(database, slug).assured_date == before
    fields = [*fields_of(admin.page(path)), ("action", "confirm")]
    admin.send(path, fields)
    assert record(database, slug).assured_date == admin_portal.catalogue.today
    assert record(database, slug).confidence == "confirmed"


def test_what_is_wrong_stands_at_its_field_and_nothing_typed_is_lost(
    admin: AdminClient, database: Session, path: str, slug: str
) -> None:
    before = record(database, slug)
    fields = filled(
        fields_of(admin.page(path)),
        name="Ganz anderer Name",
        phones__0__number="0123 1",
        email="kein at",
        topics=None,
        minimum_age="30",
        maximum_age="20",
        valid_to="irgendwann",
        review_days="nie",
    )
    page = admin.sent(admin.send(path, fields), path, status=422)
    assert record(database, slug) == before
    assert page.one("#f-name")["value"] == "Ganz anderer Name"
    assert page.one("#f-email")["value"] == "kein at"
    for name in ("email", "topics", "valid_to", "review_days"):
        assert page.all(f"#f-{name}-error"), name
    anchors = [str(a["href"])[1:] for a in page.all(".box.wrong a")]
    assert all(page.soup.find(id=anchor) for anchor in anchors), anchors
    fields = filled(fields_of(admin.page(path)), phones__0__number="030 23125 999 1")
    page = admin.sent(admin.send(path, fields), path, status=422)
    assert page.all("#f-phones-0-number-error")


def test_rows_can_be_added_and_taken_away_without_javascript(admin: AdminClient, path: str) -> None:
    page = admin.page(path)
    count = len(page.all('[name^="phones."][name$=".number"]'))
    more = admin.sent(admin.send(path, [*fields_of(page), ("action", "add:phones")]), path, status=200)
    assert len(more.all('[name^="phones."][name$=".number"]')) == count + 1
    typed = filled(fields_of(more), name="Noch nicht gespeichert")
    fewer = admin.sent(admin.send(path, [*typed, ("action", "remove:phones.0")]), path, status=200)
    assert len(fewer.all('[name^="phones."][name$=".number"]')) == count
    assert fewer.one("#f-name")["value"] == "Noch nicht gespeichert"
    for action in (
        "add:schedules", "add:contacts", "add:locations", "add:expectations", "add:contacts.0.phones",
        "add:locations.0.schedules", "add:locations.0.schedules.0.specials", "add:locations.0.phones",
    ):  # fmt: skip
        page = admin.sent(admin.send(path, [*fields_of(page), ("action", action)]), path, status=200)


@pytest.mark.parametrize(
    "action",
    ["add:nothing", "add:", "add:phones.0.phones.0.phones", "remove:name", "remove:phones.x", "rewrite:x"],
)
def test_actions_that_no_button_has_change_nothing(admin: AdminClient, path: str, action: str) -> None:
    page = admin.page(path)
    answer = admin.sent(admin.send(path, [*fields_of(page), ("action", action)]), path, status=200)
    assert [f for f in fields_of(answer) if "new" not in f[0]] == fields_of(page)


def opening_hours(database: Session, slug: str) -> list[str]:
    return [schedule.opening_hours for schedule in record(database, slug).schedules]


def test_hours_are_entered_as_weekdays(admin: AdminClient, database: Session, path: str, slug: str) -> None:
    page = admin.page(path)
    fields = [name for name in fields_of(page) if not name[0].startswith("schedules.")]
    fields += [
        ("schedules.0.channel", "visit"),
        ("schedules.0.mode", "rows"),
        ("schedules.0.holidays", "y"),
        *[("schedules.0.rows.0.days", str(n)) for n in range(5)],
        ("schedules.0.rows.0.kind", "open"),
        ("schedules.0.rows.0.from1", "8"),
        ("schedules.0.rows.0.to1", "12.30"),
        ("schedules.0.rows.1.days", "1"),
        ("schedules.0.rows.1.kind", "appointment"),
        ("schedules.0.rows.1.from1", "14:00"),
        ("schedules.0.rows.1.to1", "18:00"),
        ("schedules.0.rows.2.kind", "open"),
        ("schedules.0.specials.0.first", "2026-12-24"),
        ("schedules.0.specials.0.last", "2027-01-02"),
        ("schedules.0.specials.0.kind", "closed"),
        ("schedules.0.specials.0.words", "Betriebsferien"),
        ("schedules.0.arrangement", "y"),
    ]
    assert admin.send(path, fields).status_code == 303
    (written,) = opening_hours(database, slug)
    assert written == (
        'Mo,We-Fr 08:00-12:30; Tu 08:00-12:30, Tu 14:00-18:00 "nach Vereinbarung"; '
        '2026 Dec 24-2027 Jan 02 off "Betriebsferien"; PH off'
    )
    assert record(database, slug).schedules[0].description == "Auch nach Vereinbarung."
    page = admin.page(path)
    said = page.one("#g-schedules-0-words").get_text()
    assert "Dienstag" in said
    assert "24. Dezember 2026" in said
    assert page.one('[name="schedules.0.arrangement"]').has_attr("checked")
    assert "PH off" not in page.text
    before = opening_hours(database, slug)
    admin.send(path, filled(fields_of(page), name="Anders"))
    assert opening_hours(database, slug) == before


def test_hours_with_mistakes_say_where(admin: AdminClient, path: str) -> None:
    fields = [name for name in fields_of(admin.page(path)) if not name[0].startswith("schedules.")]
    fields += [
        ("schedules.0.mode", "rows"),
        ("schedules.0.rows.0.from1", "25:00"),
        ("schedules.0.rows.0.to1", "12:00"),
        ("schedules.0.rows.1.days", "0"),
        ("schedules.0.specials.0.words", "Ferien"),
        ("schedules.0.specials.0.kind", "closed"),
    ]
    fields += [("schedules.0.rows.1.from1", "08:00")]
    page = admin.sent(admin.send(path, fields), path, status=422)
    for name in ("rows-0-days", "rows-0-from1", "rows-1-to1"):
        assert page.all(f"#f-schedules-0-{name}-error"), name
    assert page.one("#f-schedules-0-rows-0-from1")["value"] == "25:00"


def test_hours_that_rows_cannot_show_are_kept_until_somebody_writes_them_anew(
    admin: AdminClient, database: Session, path: str, slug: str, admin_portal: Portal
) -> None:
    special = "Tu[1,3] 08:00-09:00"
    found = editing.entry(database, REGION, "service", slug)
    changed = found.record.model_copy(update={"schedules": (ScheduleRecord(opening_hours=special),)})
    editing.save(
        database, REGION, "service", changed, base_hash=found.hash, author=None, now=admin_portal.now()
    )
    database.commit()
    page = admin.page(path)
    assert special not in page.text
    assert "2026" in page.one("#g-schedules-0-words").get_text(), "the next times"
    admin.send(path, filled(fields_of(page), name="Anders"))
    assert opening_hours(database, slug) == [special]
    page = admin.page(path)
    anew = admin.sent(
        admin.send(path, [*fields_of(page), ("action", "rewrite:schedules.0")]), path, status=200
    )
    fields = filled(
        fields_of(anew),
        schedules__0__rows__0__days=["1"],
        schedules__0__rows__0__from1="08:00",
        schedules__0__rows__0__to1="09:00",
    )
    assert admin.send(path, fields).status_code == 303
    assert opening_hours(database, slug) == ["Tu 08:00-09:00; PH off"]


def test_a_new_offer_is_a_draft_until_it_is_published(
    admin: AdminClient, database: Session, admin_portal: Portal, clock: Clock
) -> None:
    organization = admin_portal.catalogue.services()[0].organization.slug
    page = admin.page(f"/admin/services/new?organization={organization}")
    fields = filled(
        fields_of(page), name="Gitarre für alle", description="Wir üben zusammen.", topics=["allgemein"]
    )
    asked = admin.sent(admin.send("/admin/services/new", fields), "/admin/services/new", status=422)
    assert [a["href"] for a in asked.all(".mistakes a")] == ["#f-service_areas"], "for whom, nobody can guess"
    fields = filled(fields, service_areas=[admin_portal.region.county_area])
    answer = admin.send("/admin/services/new", fields)
    assert answer.location == "/admin/services/gitarre-fuer-alle"
    assert record(database, "gitarre-fuer-alle").status == "draft"
    fields = [*fields_of(admin.page(answer.location)), ("action", "publish")]
    admin.send(answer.location, fields)
    assert record(database, "gitarre-fuer-alle").status == "published"
    again = admin.send("/admin/services/new", filled(fields, description="Zwei."))
    assert again.location == "/admin/services/gitarre-fuer-alle-2"


def test_a_new_organization_and_its_place(admin: AdminClient, database: Session) -> None:
    page = admin.page("/admin/organizations/new")
    fields = filled(fields_of(page), name="Verein Neuland", kind=str(page.all("#f-kind option")[1]["value"]))
    assert admin.send("/admin/organizations/new", fields).location == "/admin/organizations/verein-neuland"
    page = admin.page("/admin/locations/new?organization=verein-neuland")
    fields = filled(
        fields_of(page),
        name="Vereinsheim",
        address__city="Quellmünde",
        address__zip="00101",
        accessibility__0__description="Ohne Stufen",
    )
    assert admin.send("/admin/locations/new", fields).location == "/admin/locations/vereinsheim"
    saved = record(database, "vereinsheim", "location")
    assert (saved.organization, saved.address.postal_code) == ("verein-neuland", "00101")
    page = admin.page("/admin/locations/vereinsheim")
    wrong = admin.send("/admin/locations/vereinsheim", filled(fields_of(page), confidential="y"))
    assert wrong.status_code == 422, "a secret place must not have an address"
    answer = admin.send("/admin/locations/vereinsheim", {"action": "delete"})
    assert answer.location == "/admin/organizations/verein-neuland"
    assert admin.get("/admin/locations/vereinsheim").status_code == 404


def test_a_place_that_offers_use_stays(admin: AdminClient, admin_portal: Portal) -> None:
    location = admin_portal.catalogue.services()[0].locations[0].slug
    assert admin.send(f"/admin/locations/{location}", {"action": "delete"}).status_code == 303
    assert "startpunkt-gespraech" in admin.page(f"/admin/locations/{location}").text


def test_states(admin: AdminClient, database: Session, admin_portal: Portal) -> None:
    slug = next(one.slug for one in admin_portal.catalogue.services() if not one.desk_for)
    path = f"/admin/services/{slug}"

    def status() -> str:
        database.expire_all()
        return editing.entry(database, REGION, "service", slug).status

    for action, wanted in (
        ("withdraw", "draft"), ("publish_only", "published"), ("archive", "archived"), ("restore", "draft"),
    ):  # fmt: skip
        answer = admin.send(path, {"action": action, "comment": "weil"})
        assert answer.status_code == 303
        assert status() == wanted
        admin.page(path)
    newest = editing.versions(database, entity_id(REGION, "service", slug))[0]
    assert newest.comment == "weil"
    desk = admin_desk(database)
    admin.send(f"/admin/services/{desk}", {"action": "archive"})
    database.expire_all()
    assert editing.entry(database, REGION, "service", desk).status == "published"


def admin_desk(database: Session) -> str:
    region = database.get(models.Region, REGION)
    assert region is not None
    return str(region.settings["clearing_desk"])


# Two people, one entry.


def test_two_coordinators_collide_and_both_texts_survive(
    signed_in: SignIn, database: Session, path: str, slug: str
) -> None:
    kim, robin = signed_in("coordinator"), signed_in("coordinator")
    typed = filled(
        fields_of(robin.page(path)), name="Robins Name", description="Robins Text.", comment="kürzer"
    )
    kim.send(path, filled(fields_of(kim.page(path)), name="Kims Name", legal_text="§ 1"))
    page = robin.sent(robin.send(path, typed), path, status=409)
    for text in ("Robins Name", "Kims Name", "Robins Text.", "§ 1"):
        assert text in page.text
    assert [str(r["name"]) for r in page.all('input[type="radio"][value="mine"]')] == ["choose.name"]
    fields = [*fields_of(page, "main form"), ("action", "merge")]
    answer = robin.send(path, filled(fields, choose__name="theirs"))
    assert answer.status_code == 303
    saved = record(database, slug)
    assert (saved.name, saved.description, saved.legal_text) == ("Kims Name", "Robins Text.", "§ 1")
    newest = editing.versions(database, entity_id(REGION, "service", slug))[0]
    assert newest.comment == "kürzer"
    assert database.exec(select(KeptForm)).all() == []


def test_a_collision_that_is_not_settled_keeps_what_was_typed(signed_in: SignIn, path: str) -> None:
    kim, robin = signed_in("coordinator"), signed_in("coordinator")
    typed = filled(fields_of(robin.page(path)), name="Robins Name")
    kim.send(path, filled(fields_of(kim.page(path)), name="Kims Name"))
    robin.sent(robin.send(path, typed), path, status=409)
    assert robin.page(path).one("#f-name")["value"] == "Robins Name"


def test_a_third_save_while_merging_shows_the_merge_again(
    signed_in: SignIn, database: Session, path: str, slug: str
) -> None:
    kim, robin = signed_in("coordinator"), signed_in("coordinator")
    typed = filled(fields_of(robin.page(path)), name="Robins Name")
    kim.send(path, filled(fields_of(kim.page(path)), name="Kims Name"))
    page = robin.sent(robin.send(path, typed), path, status=409)
    kim.send(path, filled(fields_of(kim.page(path)), name="Kims zweiter Name"))
    fields = [*fields_of(page, "main form"), ("action", "merge")]
    again = robin.sent(robin.send(path, fields), path, status=409)
    assert "Kims zweiter Name" in again.text
    fields = [*fields_of(again, "main form"), ("action", "merge"), ("look", "y")]
    form = robin.sent(robin.send(path, fields), path, status=200)
    assert form.one("#f-name")["value"] == "Robins Name"
    assert robin.send(path, fields_of(form)).status_code == 303
    assert record(database, slug).name == "Robins Name"


@pytest.mark.parametrize(
    "sent", [{"mine": "{}"}, {"mine": "no json", "base": "null"}, {"mine": "[]", "base": "1"}]
)
def test_a_merge_that_no_page_made_is_refused(admin: AdminClient, path: str, sent: dict[str, str]) -> None:
    assert admin.send(path, {"action": "merge", **sent}).status_code == 400


# Nothing lost.


def test_what_is_kept_stands_in_the_form_again_until_it_is_discarded(
    admin: AdminClient, database: Session, path: str, slug: str
) -> None:
    before = record(database, slug)
    fields = filled(fields_of(admin.page(path)), name="Halb getippt", phones__0__number="0")
    assert admin.send("/admin/keep-form", fields).status_code == 204
    assert record(database, slug) == before
    page = admin.page(path)
    assert page.one("#f-name")["value"] == "Halb getippt"
    assert page.one("#f-phones-0-number")["value"] == "0"
    answer = admin.send("/admin/keep-form", {"action": "discard", "form_page": path})
    assert answer.location == path
    assert admin.page(path).one("#f-name")["value"] == before.name


def test_keeping_for_a_page_elsewhere_is_refused(admin: AdminClient) -> None:
    answer = admin.send("/admin/keep-form", {"action": "discard", "form_page": "https://evil.example/"})
    assert answer.location == "/admin/keep-form"


def test_a_session_that_ran_out_loses_nothing(
    signed_in: SignIn, a_user: MakeUser, path: str, clock: Clock, database: Session
) -> None:
    user = a_user("coordinator")
    client = signed_in(user=user)
    typed = filled(fields_of(client.page(path)), name="Lange getippt", contacts__0__title="Empfang")
    clock.later(days=3)
    answer = client.send(path, typed)
    assert answer.location == "/admin/sign-in"
    assert "Was Sie eingegeben haben" in client.page("/admin/sign-in").text
    again = signed_in(user=user).page(path)
    assert again.one("#f-name")["value"] == "Lange getippt"


def test_postcodes_are_kept_too(admin: AdminClient, admin_portal: Portal) -> None:
    location = admin_portal.catalogue.services()[0].locations[0].slug
    path = f"/admin/locations/{location}"
    admin.send("/admin/keep-form", filled(fields_of(admin.page(path)), address__zip="00999"))
    assert admin.page(path).one("#f-address-zip")["value"] == "00999"


# Editors.


@pytest.fixture
def organization(admin_portal: Portal) -> str:
    return admin_portal.catalogue.services()[0].organization.slug


def test_an_editors_change_waits_for_a_coordinator(
    signed_in: SignIn, database: Session, path: str, slug: str, organization: str, admin_portal: Portal
) -> None:
    editor = signed_in("editor", organization=organization)
    page = editor.page(path)
    assert not page.all(
        '[value="publish"], [value="archive"], [value="confirm"], #f-review_days, #f-confidence'
    )
    before = record(database, slug)
    typed = filled(fields_of(page), name="Vorschlag", confidence="confirmed", status="draft", comment="bitte")
    assert editor.send(path, typed).status_code == 303
    assert record(database, slug) == before
    (made,) = proposals.waiting(database, REGION)
    assert (made.record["name"], made.record["confidence"], made.comment) == (
        "Vorschlag", before.confidence.value, "bitte",
    )  # fmt: skip
    page = editor.page(path)
    assert page.one("#f-name")["value"] == "Vorschlag"
    assert page.h1 == before.name
    coordinator = signed_in("coordinator")
    assert coordinator.page(path).one("#f-name")["value"] == before.name
    proposals.reject(
        database, made, by=coordinator_of(database), now=admin_portal.now(), comment="Der alte ist bekannter."
    )
    database.commit()
    page = editor.page(path)
    assert "Der alte ist bekannter." in page.text
    assert page.one("#f-name")["value"] == before.name


def coordinator_of(database: Session) -> User:
    found = database.exec(select(User).where(col(User.email).startswith("coordinator"))).first()
    assert found is not None
    return found


def test_an_editor_keeps_a_draft_and_takes_back(
    signed_in: SignIn, database: Session, path: str, organization: str
) -> None:
    editor = signed_in("editor", organization=organization)
    editor.send(path, [*filled(fields_of(editor.page(path)), name="Entwurf"), ("action", "draft")])
    assert proposals.waiting(database, REGION) == []
    assert editor.page(path).one("#f-name")["value"] == "Entwurf"
    editor.send(path, {"action": "take_back"})
    assert editor.page(path).one("#f-name")["value"] != "Entwurf"
    editor.send(path, {"action": "wish_archive", "comment": "Seit Juli zu"})
    (made,) = proposals.waiting(database, REGION)
    assert (made.wish, made.comment) == ("archive", "Seit Juli zu")


def test_an_editors_new_offer_is_a_proposal(
    signed_in: SignIn, database: Session, organization: str, admin_portal: Portal
) -> None:
    editor = signed_in("editor", organization=organization)
    page = editor.page("/admin/services/new")
    fields = filled(
        fields_of(page),
        name="Chor für alle",
        description="Wir singen.",
        topics=["allgemein"],
        service_areas=[admin_portal.region.county_area],
    )
    answer = editor.send("/admin/services/new", fields)
    assert answer.location == "/admin/services/chor-fuer-alle"
    page = editor.page(answer.location)
    editor.send(answer.location, filled(fields_of(page), name="Chor für wirklich alle"))
    (made,) = proposals.waiting(database, REGION)
    assert (made.wish, made.slug, made.record["name"]) == (
        "create",
        "chor-fuer-alle",
        "Chor für wirklich alle",
    )
    assert signed_in("editor", organization=organization).get(answer.location).status_code == 404
    proposals.accept(database, made, by=made_by(database), now=admin_portal.now())
    database.commit()
    assert editing.entry(database, REGION, "service", "chor-fuer-alle").status == "published"


def made_by(database: Session) -> User:
    found = database.exec(select(User)).first()
    assert found is not None
    return found


# Whose entry.


@pytest.fixture
def foreign(admin_portal: Portal, organization: str) -> Any:
    return next(
        view for view in admin_portal.catalogue.services()
        if view.organization.slug != organization and view.locations
    )  # fmt: skip


def test_an_editor_opens_nothing_of_another_organization(
    signed_in: SignIn, database: Session, organization: str, foreign: Any
) -> None:
    editor = signed_in("editor", organization=organization)
    for address in (
        f"/admin/services/{foreign.slug}",
        f"/admin/organizations/{foreign.organization.slug}",
        f"/admin/locations/{foreign.locations[0].slug}",
    ):
        assert editor.get(address).status_code == 404, address
        for action in ("save", "archive", "publish_only", "take_back", "wish_archive", "merge", "add:phones"):
            assert editor.send(address, {"action": action, "name": "X"}).status_code == 404, (address, action)
    assert editor.send(f"/admin/services/{foreign.slug}/capacity", {"capacity": "full"}).status_code == 404
    assert database.exec(select(Proposal)).all() == []


def test_an_editor_cannot_move_an_offer_or_make_one_elsewhere(
    signed_in: SignIn, database: Session, path: str, organization: str, foreign: Any
) -> None:
    editor = signed_in("editor", organization=organization)
    typed = filled(fields_of(editor.page(path)), organization=foreign.organization.slug)
    assert editor.send(path, typed).status_code == 422
    page = editor.page("/admin/services/new")
    typed = filled(
        fields_of(page),
        organization=foreign.organization.slug,
        name="X",
        description="Y",
        topics=["allgemein"],
    )
    assert editor.send("/admin/services/new", typed).status_code == 422
    assert editor.send("/admin/services/preview", typed).status_code == 422
    assert database.exec(select(Proposal)).all() == []


@pytest.mark.parametrize(
    "action", ["publish", "confirm", "archive", "withdraw", "publish_only", "restore", "merge"]
)
def test_an_editor_cannot_do_what_only_coordinators_do(
    signed_in: SignIn, database: Session, path: str, slug: str, organization: str, action: str
) -> None:
    editor = signed_in("editor", organization=organization)
    before = record(database, slug)
    editor.send(path, [*filled(fields_of(editor.page(path)), name="X"), ("action", action)])
    assert record(database, slug) == before


def test_a_coordinator_of_a_part_stays_in_it(
    signed_in: SignIn, database: Session, admin_portal: Portal, path: str
) -> None:
    view = next(
        view for view in admin_portal.catalogue.services()
        if len(view.service_areas) == 1 and len(view.service_areas[0]) == 8
    )  # fmt: skip
    part = view.service_areas[0]
    client = signed_in("coordinator", area=part)
    own = f"/admin/services/{view.slug}"
    page = client.page(own)
    assert client.send(own, filled(fields_of(page), name="Hier darf ich")).status_code == 303
    assert client.get(path).status_code == 404
    page = client.page(own)
    wider = filled(fields_of(page), service_areas=[admin_portal.region.county_area])
    answer = client.sent(client.send(own, wider), own, status=422)
    assert answer.all("#f-service_areas-error")


def test_a_form_from_elsewhere_is_refused(
    admin: AdminClient, path: str, slug: str, database: Session
) -> None:
    before = record(database, slug)
    fields = filled(fields_of(admin.page(path)), name="Untergeschoben")
    data: dict[str, list[str]] = {}
    for name, value in fields:
        data.setdefault(name, []).append(value)
    for address in (
        path,
        f"{path}/capacity",
        "/admin/services/preview",
        "/admin/keep-form",
        "/admin/services/new",
    ):
        answer = admin.client.post(address, data={**data, "csrf_token": "x"})
        assert answer.status_code == 400, address
        answer = admin.client.post(
            address, data={**data, "csrf_token": admin.csrf}, headers={"Sec-Fetch-Site": "cross-site"}
        )
        assert answer.status_code == 400, address
    assert record(database, slug) == before


# Free places.


def test_one_tap_says_whether_there_are_places(
    signed_in: SignIn,
    public: PageClient,
    path: str,
    slug: str,
    organization: str,
    clock: Clock,
    database: Session,
) -> None:
    editor = signed_in("editor", organization=organization)
    editor.page(path)
    assert editor.send(f"{path}/capacity", {"capacity": "few"}).location == path
    look_again(public)
    assert "Nur noch wenige Plätze" in public.page(f"/de/offers/{slug}").text or (
        "Few places left" in public.page(f"/de/offers/{slug}").text
    )
    row = database.get(models.Service, entity_id(REGION, "service", slug))
    assert row is not None
    assert row.edited_at is None
    editor.send(f"{path}/capacity", {"capacity": "full", "until": "2020-01-01"})
    database.refresh(row)
    assert row.capacity == "few", "a day that is over"
    editor.send(f"{path}/capacity", {"capacity": "free", "form_page": "//evil.example/"})
    database.refresh(row)
    assert row.capacity == "free"
    assert editor.send(f"{path}/capacity", {"capacity": "nonsense"}).status_code == 303


# What people type is text, everywhere.

TRY = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'"


def test_scripts_in_every_text_field_stay_text(
    admin: AdminClient, public: PageClient, database: Session, path: str, slug: str
) -> None:
    page = admin.page(path)
    page = admin.sent(admin.send(path, [*fields_of(page), ("action", "add:contacts")]), path, status=200)
    texts = {
        str(tag["name"])
        for tag in page.all('#edit input[type="text"], #edit textarea')
        if not any(part in str(tag["name"]) for part in (".languages", "_age", ".rows.", ".date", "review_"))
    }
    assert len(texts) > 15
    fields = [(name, value) for name, value in fields_of(page) if name not in texts]
    answer = admin.send(path, [*fields, *[(name, TRY + name) for name in sorted(texts)]])
    refused = BeautifulSoup(answer.get_data(as_text=True), "html5lib").select(".error, .box.wrong a")
    assert answer.status_code == 303, [(tag.get("id"), tag.get("href"), text_of(tag)) for tag in refused]
    assert record(database, slug).name == TRY + "name"
    look_again(public)
    preview = admin.send("/admin/services/preview", fields_of(admin.page(path)))
    for body in (
        admin.get(path).get_data(as_text=True),
        admin.send(path, [*fields_of(admin.page(path)), ("action", "preview")]).get_data(as_text=True),
        preview.get_data(as_text=True),
        public.get(f"/de/offers/{slug}").get_data(as_text=True),
    ):
        assert "<script>alert" not in body
        assert "<img src=x" not in body
        assert "alert(2)" in body


def test_scripts_in_what_is_refused_stay_text_too(admin: AdminClient, path: str) -> None:
    fields = fields_of(admin.page(path))
    changed = [(name, TRY if name != "form_page" else value) for name, value in fields]
    answer = admin.send(path, changed)
    assert answer.status_code == 422
    assert "<script>alert" not in answer.get_data(as_text=True)
    assert "<img src=x" not in answer.get_data(as_text=True)


# The preview.


def test_the_preview_is_the_public_page_of_what_is_typed(
    admin: AdminClient, public: PageClient, database: Session, path: str, slug: str
) -> None:
    answer = admin.send("/admin/services/preview", fields_of(admin.page(path)))
    shown = BeautifulSoup(answer.get_data(as_text=True), "html5lib")
    real = public.page(f"/de/offers/{slug}").soup
    assert text_of(shown.find("main")) == text_of(real.find("main"))
    assert not shown.find_all("script")
    assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_the_preview_bears_what_is_not_finished(admin: AdminClient, database: Session, path: str) -> None:
    fields = filled(
        fields_of(admin.page(path)), name="", topics=None, phones__0__number="x", email="@", minimum_age="alt",
        maximum_age="2", valid_to="nie", languages=["??"],
    )  # fmt: skip
    answer = admin.send("/admin/services/preview", fields)
    assert answer.status_code == 200
    assert database.exec(select(EntryVersion)).all() == []
    assert admin.send("/admin/services/preview", {"name": "X"}).status_code == 422


def test_the_preview_never_shows_a_secret_address(
    admin: AdminClient, database: Session, admin_portal: Portal
) -> None:
    secret = database.exec(select(models.Location).where(col(models.Location.confidential))).first()
    view = admin_portal.catalogue.services()[0]
    assert secret is not None
    fields = filled(fields_of(admin.page(f"/admin/services/{view.slug}")), locations__0__location=secret.slug)
    body = admin.send("/admin/services/preview", fields).get_data(as_text=True)
    assert "openstreetmap.org" not in body.split(secret.name)[-1][:1500]


def test_without_javascript_the_preview_stands_in_the_page(admin: AdminClient, path: str) -> None:
    typed = filled(fields_of(admin.page(path)), name="Nur angesehen")
    page = admin.sent(admin.send(path, [*typed, ("action", "preview")]), path, status=200)
    frame = page.one("iframe")
    assert "Nur angesehen" in str(frame["srcdoc"])
    assert "allow-scripts" not in str(frame["sandbox"])
    assert page.one("#f-name")["value"] == "Nur angesehen"


def test_when_to_ask_again(admin: AdminClient, database: Session, path: str, slug: str) -> None:
    fields = filled(fields_of(admin.page(path)), review_days="60", review_due="2027-01-15")
    assert admin.send(path, fields).status_code == 303
    row = database.get(models.Service, entity_id(REGION, "service", slug))
    assert row is not None
    assert (row.review_days, str(row.review_due)) == (60, "2027-01-15")
    assert row.edited_at is None, "nothing of the record changed"
    assert admin.page(path).one("#f-review_days")["value"] == "60"


@pytest.mark.parametrize(
    ("capacity", "until", "days", "shown"),
    [
        ("free", "", 0, True),
        ("free", "", 60, True),
        ("few", "", 61, False),
        ("full", "", 61, False),
        ("full", "2027-03-01", 61, True),
        ("full", "2026-12-01", 20, False),
        ("", "", 0, False),
    ],
)
def test_what_was_said_about_places_is_shown_while_it_is_fresh(
    admin: AdminClient,
    public: PageClient,
    path: str,
    slug: str,
    clock: Clock,
    capacity: str,
    until: str,
    days: int,
    shown: bool,
) -> None:
    assert admin.send(f"{path}/capacity", {"capacity": capacity, "until": until}).status_code == 303
    look_again(public)
    clock.later(days=days)
    words = ("Places free", "Few places left", "Full (as of", "Full until")
    for address in (f"/en/offers/{slug}", "/en/offers?q=startpunkt"):
        assert any(word in public.page(address).text for word in words) is shown, address


@pytest.mark.parametrize("entity", ["services", "locations"])
def test_a_missing_organization_is_asked_for(admin: AdminClient, entity: str) -> None:
    path = f"/admin/{entity}/new"
    answer = admin.send(path, filled(fields_of(admin.page(path)), name="Ganz neu", organization=""))
    page = admin.sent(answer, path, status=422)
    assert "Bitte wählen Sie eine Organisation." in page.one(".mistakes").get_text()


def test_languages_that_have_no_name_in_the_cldr_can_be_chosen_and_are_shown_by_name(
    admin: AdminClient, public: PageClient, path: str, slug: str, database: Session
) -> None:
    page = admin.page(path)
    names = {str(tag["value"]): tag.parent.get_text(strip=True) for tag in page.all("[name=languages]")}
    assert (names["prs"], names["gsg"]) == ("Dari", "Deutsche Gebärdensprache")
    fields = filled(fields_of(page), languages=["de", "prs", "gsg"])
    assert admin.send(path, [*fields, ("action", "save")]).status_code == 303
    assert record(database, slug).languages == ("de", "prs", "gsg")
    look_again(public)
    assert "Deutsche Gebärdensprache" in public.page(f"/de/offers/{slug}").text


def test_a_place_explains_its_fields_as_a_place(admin: AdminClient) -> None:
    place, offer = (admin.page(f"/admin/{name}/new") for name in ("locations", "services"))
    assert place.one("#f-name-hint").get_text() != offer.one("#f-name-hint").get_text()
