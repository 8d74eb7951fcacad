"""Duplicates on the pages: look, call different, merge; and contacts of several offers."""

import time
from typing import Any

import pytest
from sqlmodel import Session, select
from werkzeug.test import TestResponse

from portal.accounts.models import AuditEvent, Role, RoleGrant
from portal.catalogue import duplicates, editing
from portal.catalogue.models import Location, Place, entity_id
from portal.web.admin import duplicates as web
from portal.web.application import Portal
from tests.web.admin.conftest import Clock, MakeUser, SignIn
from tests.web.admin.pages import AdminClient
from tests.web.pages import Page, PageClient

REGION = "musterkreis"


def entry(database: Session, slug: str, entity: str = "service") -> editing.Entry:
    database.expire_all()
    return editing.entry(database, REGION, entity, slug)


def doubled(database: Session, entity: str, slug: str, **changes: Any) -> str:
    """The entry once more, under another slug."""
    original = entry(database, slug, entity)
    twin = original.record.model_copy(update={"slug": f"{slug}-2", **changes})
    editing.save(database, REGION, entity, twin, base_hash=None, author=None, now=original.row.last_modified)
    database.commit()
    return f"{slug}-2"


@pytest.fixture
def service(admin_portal: Portal) -> str:
    """One that is no desk and no helpline."""
    return next(
        view.slug
        for view in admin_portal.catalogue.services()
        if view.slug not in admin_portal.region.helplines and view.slug != admin_portal.region.clearing_desk
    )


def pairs(page: Page) -> list[str]:
    return [" | ".join(one.get_text() for one in row.select("th small")) for row in page.all("tbody tr")]


def hidden(page: Page) -> dict[str, str]:
    return {
        str(tag["name"]): str(tag["value"])
        for tag in page.all('main form input[type="hidden"]')
        if tag["name"] != "csrf_token"
    }


def test_a_duplicate_is_listed_with_its_reasons(admin: AdminClient, database: Session, service: str) -> None:
    twin = doubled(database, "service", service)
    page = admin.page("/admin/duplicates?entity=service")
    assert f"{service} | {twin}" in pairs(page)
    assert "same name" in page.text or "gleicher Name" in page.text


def test_the_page_opens_where_there_is_something(
    admin: AdminClient, database: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    slug = next(one.slug for one in database.exec(select(Location)).all() if not one.confidential)
    twin = doubled(database, "location", slug)
    found = web._pairs
    monkeypatch.setattr(web, "_pairs", lambda entity: found(entity) if entity == "location" else [])
    page = admin.page("/admin/duplicates")
    assert f"{slug} | {twin}" in pairs(page)
    assert page.all("main nav a")[0].get("aria-current") is None


def test_two_that_are_called_different_do_not_come_back(
    admin: AdminClient, database: Session, service: str
) -> None:
    twin = doubled(database, "service", service)
    admin.submit("/admin/duplicates", to=f"/admin/duplicates/service/{twin}/{service}/distinct")
    admin.send(f"/admin/duplicates/service/{service}/{twin}/distinct")
    assert f"{service} | {twin}" not in pairs(admin.page("/admin/duplicates"))
    assert len(database.exec(select(AuditEvent).where(AuditEvent.action == "duplicates.distinct")).all()) == 1


def test_a_merge_shows_what_it_does_and_then_does_it(
    admin: AdminClient, database: Session, service: str
) -> None:
    twin = doubled(database, "service", service, name="Ein besserer Name", minimum_age=14)
    path = f"/admin/duplicates/service/{service}/{twin}"
    page = admin.page(path)
    assert page.all('input[name="field-name"][value="left"][checked]')
    preview = admin.sent(admin.submit(path, {"action": "preview", "field-name": "right"}, status=200), path)
    assert "Ein besserer Name" in preview.text
    assert entry(database, service).record.name != "Ein besserer Name"
    answer = admin.send(path, {**hidden(preview), "action": "merge"})
    assert answer.status_code == 303, answer.get_data(as_text=True)[-800:]
    assert entry(database, service).record.name == "Ein besserer Name"
    assert entry(database, twin).status == "archived"
    assert (
        database.exec(select(AuditEvent).where(AuditEvent.action == "service.merged")).one().details["moved"]
        == 0
    )
    assert admin.client.get(path).status_code == 404


def test_a_card_on_paper_leads_to_what_is_left(
    admin: AdminClient, database: Session, service: str, public: PageClient
) -> None:
    """Its QR code and the links that people kept name the address of before."""

    def gives(address: str, status: int) -> TestResponse:
        until = time.monotonic() + 30
        while True:
            answer = public.client.get(address)
            if answer.status_code == status or time.monotonic() > until:
                assert answer.status_code == status
                return answer
            time.sleep(0.1)

    twin = doubled(database, "service", service)
    gives(f"/de/offers/{twin}", 200)
    path = f"/admin/duplicates/service/{service}/{twin}"
    preview = admin.sent(admin.submit(path, {"action": "preview"}, status=200), path)
    assert admin.send(path, {**hidden(preview), "action": "merge"}).status_code == 303
    for address in ("", "/card", "/both"):
        assert gives(f"/ar/offers/{twin}{address}", 301).location == f"/ar/offers/{service}{address}"
    assert public.client.get(f"/de/offers/{twin}", follow_redirects=True).status_code == 200
    assert public.client.get("/de/offers/never-there").status_code == 404


def test_a_change_after_the_preview_is_not_overwritten(
    admin: AdminClient, database: Session, service: str, clock: Clock
) -> None:
    twin = doubled(database, "service", service, name="Ein besserer Name")
    path = f"/admin/duplicates/service/{service}/{twin}"
    preview = admin.sent(admin.submit(path, {"action": "preview"}, status=200), path)
    known = entry(database, service)
    changed = known.record.model_copy(update={"description": "Von jemand anderem."})
    editing.save(database, REGION, "service", changed, base_hash=known.hash, author=None, now=clock())
    database.commit()
    again = admin.sent(admin.send(path, {**hidden(preview), "action": "merge"}), path, status=409)
    assert entry(database, twin).status != "archived"
    assert admin.send(path, {**hidden(again), "action": "merge"}).status_code == 303
    assert entry(database, service).record.description == "Von jemand anderem."


def test_the_clearing_desk_has_to_be_the_one_that_stays(
    admin: AdminClient, database: Session, admin_portal: Portal
) -> None:
    desk = admin_portal.region.clearing_desk
    twin = doubled(database, "service", desk)
    path = f"/admin/duplicates/service/{twin}/{desk}"
    preview = admin.sent(admin.submit(path, {"action": "preview"}, status=200), path)
    admin.sent(admin.send(path, {**hidden(preview), "action": "merge"}), path, status=409)
    assert entry(database, desk).status == "published"


def test_people_of_a_merged_organization_go_on_with_the_other(
    admin: AdminClient, database: Session, a_user: MakeUser, admin_portal: Portal
) -> None:
    owner = admin_portal.catalogue.services()[0].organization.slug
    twin = doubled(database, "organization", owner)
    moved, both = a_user(Role.EDITOR, organization=twin), a_user(Role.EDITOR, organization=twin)
    grant = database.exec(select(RoleGrant).where(RoleGrant.user_id == both.id)).one()
    database.add(
        RoleGrant(
            **{
                **grant.model_dump(exclude={"id"}),
                "organization_id": entity_id(REGION, "organization", owner),
            }
        )
    )
    database.commit()
    path = f"/admin/duplicates/organization/{owner}/{twin}"
    preview = admin.sent(admin.submit(path, {"action": "preview"}, status=200), path)
    assert admin.send(path, {**hidden(preview), "action": "merge"}).status_code == 303
    database.expire_all()
    for user in (moved, both):
        (found,) = database.exec(select(RoleGrant).where(RoleGrant.user_id == user.id)).all()
        assert found.organization_id == entity_id(REGION, "organization", owner)


def test_a_coordinator_of_a_part_sees_and_merges_only_there(
    signed_in: SignIn, database: Session, service: str, admin_portal: Portal
) -> None:
    twin = doubled(database, "service", service, service_areas=(admin_portal.region.county_area,))
    client = signed_in("coordinator", area=database.exec(select(Place.ags)).first() or "")
    assert pairs(client.page("/admin/duplicates")) == []
    for path in (f"{service}/{twin}", f"{service}/{twin}/distinct"):
        assert client.send(f"/admin/duplicates/service/{path}", {"action": "merge"}).status_code == 404


# Contacts.

CONTACT = {"name": "Anmeldung", "email": "post@example.org", "phones": [{"number": "030 23125 111"}]}


@pytest.fixture
def shared(database: Session, admin_portal: Portal, clock: Clock) -> list[str]:
    """Two offers with the same contact."""
    slugs = [view.slug for view in admin_portal.catalogue.services()[:2]]
    for slug in slugs:
        known = entry(database, slug)
        record = editing.parsed("service", {**editing.plain(known.record), "contacts": [CONTACT]})
        editing.save(database, REGION, "service", record, base_hash=known.hash, author=None, now=clock())
    database.commit()
    return slugs


def key(database: Session, slug: str) -> str:
    return duplicates.contact_key(entry(database, slug).record.contacts[0])


def contact(database: Session, slug: str) -> Any:
    return entry(database, slug).record.contacts[0]


FORM = {
    "name": "Empfang",
    "title": "",
    "department": "",
    "email": "neu@example.org",
    "phones": "030 23125 222 | description=Zentrale",
}


def test_a_contact_is_changed_once_for_all_its_offers(
    admin: AdminClient, database: Session, shared: list[str]
) -> None:
    assert "post@example.org" in admin.page("/admin/contacts/shared?q=anmeldung").text
    assert "post@example.org" not in admin.page("/admin/contacts/shared?q=unbekannt").text
    path = f"/admin/contacts/shared/{key(database, shared[0])}"
    page = admin.page(path)
    assert page.one("#phones").get_text().strip() == "030 23125 111"
    assert {str(tag["value"]) for tag in page.all('input[name="service"][checked]')} == set(shared)
    fields = {**FORM, "service": shared}
    preview = admin.sent(admin.submit(path, {**fields, "action": "preview"}, status=200), path)
    assert contact(database, shared[0]).name == "Anmeldung"
    assert len(preview.all("main form h3")) == 2
    assert "Zentrale" in " ".join(tag.get_text() for tag in preview.all("ins"))
    answer = admin.send(path, {**fields, **hidden(preview), "action": "save"})
    assert answer.status_code == 303, answer.get_data(as_text=True)[-800:]
    for slug in shared:
        found = contact(database, slug)
        assert (found.name, found.title, found.email) == ("Empfang", None, "neu@example.org")
        assert found.phones[0].description == "Zentrale"
        assert editing.versions(database, entry(database, slug).id)[0].fields == ["contacts"]


def test_an_offer_that_is_not_ticked_stays(admin: AdminClient, database: Session, shared: list[str]) -> None:
    path = f"/admin/contacts/shared/{key(database, shared[0])}"
    fields = {**FORM, "service": shared[:1]}
    preview = admin.sent(admin.submit(path, {**fields, "action": "preview"}, status=200), path)
    admin.send(path, {**fields, **hidden(preview), "action": "save"})
    assert [contact(database, slug).name for slug in shared] == ["Empfang", "Anmeldung"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "kein Postfach"}, "email"),
        ({"phones": "12"}, "phones"),
        ({"phones": "030 23125 222 | Zentrale"}, "phones"),
        ({"name": "x" * 201}, "name"),
    ],
)
def test_what_is_wrong_with_a_contact_stands_at_its_field(
    admin: AdminClient, database: Session, shared: list[str], changes: dict[str, str], field: str
) -> None:
    path = f"/admin/contacts/shared/{key(database, shared[0])}"
    answer = admin.submit(path, {**FORM, **changes, "service": shared, "action": "preview"}, status=422)
    page = admin.sent(answer, path, status=422)
    assert page.all(f'#{field}[aria-invalid="true"]')
    value = page.one(f"#{field}")
    typed = {**FORM, **changes}[field]
    assert typed in (value.get("value", ""), value.get_text().strip())


def test_a_contact_that_changed_meanwhile_is_not_overwritten(
    admin: AdminClient, database: Session, shared: list[str], clock: Clock
) -> None:
    path = f"/admin/contacts/shared/{key(database, shared[0])}"
    fields = {**FORM, "service": shared}
    preview = admin.sent(admin.submit(path, {**fields, "action": "preview"}, status=200), path)
    known = entry(database, shared[1])
    changed = known.record.model_copy(update={"description": "Anders."})
    editing.save(database, REGION, "service", changed, base_hash=known.hash, author=None, now=clock())
    database.commit()
    admin.sent(admin.send(path, {**fields, **hidden(preview), "action": "save"}), path, status=409)
    assert [contact(database, slug).name for slug in shared] == ["Anmeldung", "Anmeldung"]


def test_what_was_typed_after_the_preview_is_shown_before_it_is_written(
    admin: AdminClient, database: Session, shared: list[str]
) -> None:
    path = f"/admin/contacts/shared/{key(database, shared[0])}"
    fields = {**FORM, "service": shared}
    preview = admin.sent(admin.submit(path, {**fields, "action": "preview"}, status=200), path)
    later = {**fields, **hidden(preview), "name": "Pforte", "action": "save"}
    again = admin.sent(admin.send(path, later), path)
    assert "Pforte" in again.text
    assert contact(database, shared[0]).name == "Anmeldung"
    assert admin.send(path, {**later, **hidden(again)}).status_code == 303
    assert contact(database, shared[0]).name == "Pforte"
