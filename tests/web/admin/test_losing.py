"""The last desk for somebody does not go by accident: on the edit page, in the list, in the review, on the first page."""

import pytest
from sqlmodel import Session

from portal.catalogue import editing, last_desks
from portal.catalogue.models import Status
from portal.catalogue.queries import ServiceView
from portal.catalogue.vocabulary import DANGER_KINDS
from portal.web.application import Portal
from tests.web.admin.conftest import SignIn
from tests.web.admin.pages import AdminClient
from tests.web.admin.test_editing import REGION, fields_of, filled


def status(database: Session, slug: str) -> str:
    database.expire_all()
    return editing.entry(database, REGION, "service", slug).status


def only_desk(portal: Portal, *, dangerous: bool) -> ServiceView:
    """The only first desk for one of its kinds; where danger is meant also for such a kind, else for none."""
    desks = portal.catalogue.desks
    for service in portal.catalogue.services():
        if service.slug == portal.region.clearing_desk:
            continue
        alone = [kind for kind in service.desk_for if len(desks[kind]) == 1]
        if alone and dangerous == any(kind in DANGER_KINDS for kind in alone):
            return service
    raise AssertionError("the region has no such offer")


def kind_names(portal: Portal, service: ServiceView) -> list[str]:
    terms = {term.code: term for term in portal.catalogue.terms("contact_kinds")}
    return [
        terms[kind].short_name or terms[kind].name
        for kind in service.desk_for
        if len(portal.catalogue.desks[kind]) == 1
    ]


@pytest.fixture
def desk(admin_portal: Portal) -> ServiceView:
    return only_desk(admin_portal, dangerous=False)


@pytest.fixture
def lifeline(admin_portal: Portal) -> ServiceView:
    return only_desk(admin_portal, dangerous=True)


@pytest.mark.parametrize("action", ["withdraw", "archive"])
def test_the_last_desk_goes_only_after_a_question(
    admin: AdminClient, admin_portal: Portal, database: Session, desk: ServiceView, action: str
) -> None:
    path = f"/admin/services/{desk.slug}"
    asked = admin.sent(admin.send(path, {"action": action, "comment": "Ende"}), path, status=422)
    for name in kind_names(admin_portal, desk):
        assert name in asked.text
    assert status(database, desk.slug) == Status.PUBLISHED
    fields = fields_of(asked, "main form")
    assert ("comment", "Ende") in fields
    assert admin.send(path, [*fields, ("action", action)]).status_code == 303
    assert status(database, desk.slug) != Status.PUBLISHED


def test_where_somebody_may_be_in_danger_it_stays_until_somebody_stands_in(
    admin: AdminClient, database: Session, lifeline: ServiceView
) -> None:
    path = f"/admin/services/{lifeline.slug}"
    asked = admin.sent(admin.send(path, {"action": "archive"}), path, status=422)
    fields = [*fields_of(asked, "main form"), ("action", "archive")]
    assert admin.send(path, fields).status_code == 422
    assert status(database, lifeline.slug) == Status.PUBLISHED
    assert admin.send(path, [*fields, ("arranged", "y")]).status_code == 303
    assert status(database, lifeline.slug) == Status.ARCHIVED


def test_a_yes_to_other_losses_is_no_yes(admin: AdminClient, database: Session, desk: ServiceView) -> None:
    answer = admin.send(
        f"/admin/services/{desk.slug}", {"action": "archive", "loses": "0" * 16, "arranged": "y"}
    )
    assert answer.status_code == 422
    assert status(database, desk.slug) == Status.PUBLISHED


@pytest.mark.parametrize("change", ["desk_for", "service_areas", "valid_to"])
def test_a_save_with_the_same_effect_asks_too_and_keeps_what_was_typed(
    admin: AdminClient, admin_portal: Portal, database: Session, desk: ServiceView, change: str
) -> None:
    path = f"/admin/services/{desk.slug}"
    some_place = admin_portal.catalogue.places.all()[0].ags
    values = {"desk_for": None, "service_areas": some_place, "valid_to": "2020-01-01"}
    before = fields_of(admin.page(path))
    typed = filled(before, description="Ganz neu beschrieben.", **{change: values[change]})
    asked = admin.sent(admin.send(path, [*typed, ("action", "save")]), path, status=422)
    assert asked.one("#loses")
    assert asked.one("[name=description]").get_text().strip() == "Ganz neu beschrieben."
    assert "neu" not in editing.entry(database, REGION, "service", desk.slug).record.description
    again = [*fields_of(asked), ("loses", asked.one("#loses")["value"]), ("action", "save")]
    assert admin.send(path, again).status_code == 303
    database.expire_all()
    saved = editing.entry(database, REGION, "service", desk.slug).record
    assert saved.description == "Ganz neu beschrieben."


def test_many_at_once_are_asked_about_together(
    admin: AdminClient, database: Session, desk: ServiceView, lifeline: ServiceView
) -> None:
    form = {"action": "archive", "chosen": [desk.slug, lifeline.slug], "back": "/admin/services"}
    asked = admin.sent(admin.send("/admin/services/bulk", form), "bulk", status=200)
    assert asked.one("#arranged")
    fields = fields_of(asked, "main form")
    assert admin.send("/admin/services/bulk", fields).status_code == 422
    assert {status(database, one.slug) for one in (desk, lifeline)} == {Status.PUBLISHED}
    assert admin.send("/admin/services/bulk", [*fields, ("arranged", "y")]).status_code == 200
    assert {status(database, one.slug) for one in (desk, lifeline)} == {Status.ARCHIVED}


def test_two_desks_of_a_kind_are_only_missed_together(
    admin_portal: Portal, database: Session, desk: ServiceView
) -> None:
    today = admin_portal.catalogue.today
    current = editing.entry(database, REGION, "service", desk.slug)
    twin = current.record.model_copy(update={"slug": "ein-zwilling"})
    editing.save(database, REGION, "service", twin, base_hash=None, author=None, now=admin_portal.now())
    assert last_desks.losses(database, REGION, {desk.slug: None}, today=today) == ()
    both = last_desks.losses(database, REGION, {desk.slug: None, twin.slug: None}, today=today)
    assert both
    assert last_desks.losses(database, REGION, {desk.slug: current.record}, today=today) == ()


def test_accepting_that_it_no_longer_exists_asks_too(
    admin: AdminClient, signed_in: SignIn, database: Session, desk: ServiceView
) -> None:
    editor = signed_in("editor", organization=desk.organization.slug)
    assert editor.send(f"/admin/services/{desk.slug}", {"action": "wish_archive"}).status_code == 303
    queue = admin.page("/admin/review")
    path = str(next(a["href"] for a in queue.all("main a") if "/admin/review/" in str(a["href"])))
    form = [*fields_of(admin.page(path), "main form"), ("decision", "accept")]
    asked = admin.sent(admin.send(path, form), path, status=422)
    assert status(database, desk.slug) == Status.PUBLISHED
    assert admin.send(path, [*form, ("loses", asked.one("#loses")["value"])]).status_code == 303
    assert status(database, desk.slug) == Status.ARCHIVED


def test_ways_that_end_nowhere_stand_on_top_of_the_first_page(
    admin: AdminClient, admin_portal: Portal, database: Session, lifeline: ServiceView
) -> None:
    names = kind_names(admin_portal, lifeline)
    assert admin.page("/admin/").all("#dead-ends") == []
    editing.set_status(
        database, REGION, "service", lifeline.slug, Status.DRAFT, author=None, now=admin_portal.now()
    )
    database.commit()
    admin_portal.catalogue._checked_at = float("-inf")
    page = admin.page("/admin/")
    assert page.all("main h2")[0]["id"] == "dead-ends"
    assert any(name in page.all("main section")[0].get_text() for name in names)


def test_a_merge_that_forgets_the_desk_asks_too(
    admin: AdminClient, admin_portal: Portal, database: Session, desk: ServiceView
) -> None:
    current = editing.entry(database, REGION, "service", desk.slug)
    twin = current.record.model_copy(update={"slug": "ein-zwilling", "desk_for": ()})
    editing.save(database, REGION, "service", twin, base_hash=None, author=None, now=admin_portal.now())
    database.commit()
    path = f"/admin/duplicates/service/{twin.slug}/{desk.slug}"
    chosen = [("field-desk_for", "left"), ("action", "preview")]
    page = admin.sent(admin.send(path, chosen), path, status=200)
    fields = fields_of(page, "main form")
    merge = [("action", "merge")]
    without = [(name, value) for name, value in fields if name != "loses"]
    assert admin.send(path, without + merge).status_code == 422
    assert status(database, desk.slug) == Status.PUBLISHED
    assert admin.send(path, fields + merge).status_code == 303
    assert status(database, desk.slug) == Status.ARCHIVED


def test_an_older_version_without_the_desk_asks_too(
    admin: AdminClient, admin_portal: Portal, database: Session, desk: ServiceView
) -> None:
    current = editing.entry(database, REGION, "service", desk.slug)
    for desk_for in ((), current.record.desk_for):
        now = editing.entry(database, REGION, "service", desk.slug)
        editing.save(
            database, REGION, "service", now.record.model_copy(update={"desk_for": desk_for}),
            base_hash=now.hash, author=None, now=admin_portal.now(),
        )  # fmt: skip
    database.commit()
    versions = editing.versions(database, current.id)
    number = next(one.number for one in versions if not one.record["desk_for"])
    path = f"/admin/service/{desk.slug}/history/{number}"
    asked = admin.sent(admin.send(path, {}), path, status=422)
    assert admin.send(path, {"loses": asked.one("#loses")["value"]}).status_code == 303
    database.expire_all()
    assert editing.entry(database, REGION, "service", desk.slug).record.desk_for == ()
