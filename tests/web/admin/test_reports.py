"""What visitors report, and what waits for a confirmation, as coordinators see it."""

from datetime import date, timedelta
from uuid import uuid4

import pytest
from bs4 import Tag
from sqlmodel import Session, select

from portal.accounts.models import AuditEvent
from portal.catalogue import editing, reports
from portal.catalogue.models import Confirmation, Service, ServiceArea, VisitorReport
from tests.web.admin.conftest import Clock, SignIn
from tests.web.admin.pages import AdminClient
from tests.web.conftest import NOW

SLUG = "reha-team"
ATTACK = '<script>alert(1)</script> "><img src=x onerror=alert(1)>'


def service(database: Session, slug: str = SLUG) -> Service:
    return database.exec(select(Service).where(Service.slug == slug)).one()


def a_report(database: Session, slug: str = SLUG, reason: str = "phone", text: str = "") -> VisitorReport:
    reports.report(database, service(database, slug), reason, text, language="de", day=NOW.date())
    database.commit()
    return database.exec(select(VisitorReport).order_by(VisitorReport.id)).all()[-1]  # type: ignore[arg-type]


def rows(page: object) -> list[Tag]:
    return page.all("main tbody tr")  # type: ignore[attr-defined, no-any-return]


def test_reports_are_listed_and_decided(admin: AdminClient, database: Session) -> None:
    report = a_report(database, text="Es ist die 12.")
    page = admin.page("/admin/reports")
    (row,) = rows(page)
    assert "Es ist die 12." in row.text
    assert row.find("a", href=f"/admin/services/{SLUG}")
    response = admin.submit(
        "/admin/reports",
        {"decision": "done", "back": "/admin/reports?page=1"},
        to=f"/admin/reports/{report.id}",
    )
    assert response.location == "/admin/reports?page=1"
    assert rows(admin.page("/admin/reports")) == []
    assert len(rows(admin.page("/admin/reports?show=done"))) == 1
    database.expire_all()
    assert report.state == "done"
    assert report.decided_by is not None
    events = database.exec(select(AuditEvent).where(AuditEvent.action == "report.decided")).all()
    assert [event.details["decision"] for event in events] == ["done"]
    admin.submit("/admin/reports?show=done", {"decision": "open"}, to=f"/admin/reports/{report.id}")
    assert len(rows(admin.page("/admin/reports"))) == 1


def test_whoever_comes_second_is_told(admin: AdminClient, database: Session) -> None:
    report = a_report(database)
    for _ in range(2):
        assert admin.send(f"/admin/reports/{report.id}", {"decision": "dismissed"}).status_code == 303
    assert admin.page("/admin/reports").one(".box.info")
    events = database.exec(select(AuditEvent).where(AuditEvent.action == "report.decided")).all()
    assert len(events) == 1


def test_nonsense_decides_nothing(admin: AdminClient, database: Session) -> None:
    report = a_report(database)
    assert admin.send(f"/admin/reports/{report.id}", {"decision": "erase"}).status_code == 400
    assert admin.send(f"/admin/reports/{uuid4()}", {"decision": "done"}).status_code == 404
    token_missing = admin.client.post(f"/admin/reports/{report.id}", data={"decision": "done"})
    assert token_missing.status_code == 400
    database.expire_all()
    assert report.state == "open"


def test_leads_nowhere_else(admin: AdminClient, database: Session) -> None:
    report = a_report(database)
    response = admin.send(
        f"/admin/reports/{report.id}", {"decision": "done", "back": "https://evil.example/admin/"}
    )
    assert response.location == "/admin/reports"


def test_what_visitors_typed_is_text(admin: AdminClient, database: Session) -> None:
    a_report(database, text=ATTACK)
    page = admin.page("/admin/reports")
    assert "<img src=x" not in page.response.get_data(as_text=True)
    assert "<script>alert" in page.text


def narrow(database: Session, slug: str, area: str) -> None:
    """Let the offer serve that area only."""
    found = service(database, slug)
    areas = database.exec(select(ServiceArea).where(ServiceArea.service_id == found.id)).all()
    for index, own in enumerate(areas):
        if index:
            database.delete(own)
        else:
            own.area = area
            database.add(own)
    database.commit()


def test_a_coordinator_of_one_town_decides_only_what_lies_there(
    signed_in: SignIn, database: Session, admin_portal: object
) -> None:
    county = admin_portal.region.county_area  # type: ignore[attr-defined]
    narrow(database, "jobcenter", county + "001")
    mine, other = a_report(database, "jobcenter"), None
    a_report(database, SLUG)
    other = database.exec(select(VisitorReport).where(VisitorReport.service_id == service(database).id)).one()
    mine = database.exec(
        select(VisitorReport).where(VisitorReport.service_id == service(database, "jobcenter").id)
    ).one()
    client = signed_in("coordinator", area=county + "001")
    (row,) = rows(client.page("/admin/reports"))
    assert row.find("a", href="/admin/services/jobcenter")
    assert client.send(f"/admin/reports/{other.id}", {"decision": "done"}).status_code == 404
    assert client.send(f"/admin/reports/{mine.id}", {"decision": "done"}).status_code == 303
    assert client.send(f"/admin/confirmations/{SLUG}").status_code == 404


def test_many_reports_come_in_pages(admin: AdminClient, database: Session) -> None:
    for found in database.exec(select(Service)).all():
        for reason in ("phone", "hours"):
            reports.report(database, found, reason, "", language="de", day=NOW.date())
    database.commit()
    page = admin.page("/admin/reports")
    assert len(rows(page)) == 50
    following = str(page.one('a[rel="next"]')["href"])
    assert len(rows(admin.page(following))) == 50
    assert admin.page("/admin/reports?page=999").one('a[rel="prev"]')
    assert admin.page("/admin/reports?page=nonsense&show=nonsense")


# Confirmations.


@pytest.fixture
def due(database: Session) -> Service:
    """The only offer that is due."""
    for found in database.exec(select(Service)).all():
        found.assured_date = NOW.date()
        database.add(found)
    found = service(database)
    found.assured_date = date(2026, 1, 1)
    database.add(found)
    database.commit()
    return found


def asked(database: Session, due: Service, **fields: object) -> None:
    database.add(
        Confirmation(
            region=due.region, service_id=due.id, recipient="a@example.org", token_hash=str(uuid4()),
            asked_at=NOW - timedelta(days=30), expires_at=NOW + timedelta(days=30), **fields,
        )
    )  # fmt: skip
    database.commit()


def test_confirmed_by_phone_with_one_tap(admin: AdminClient, database: Session, due: Service) -> None:
    (row,) = rows(admin.page("/admin/confirmations"))
    assert row.find("a", href=f"/admin/services/{SLUG}")
    assert row.find("a", href=lambda href: str(href).startswith("tel:"))
    response = admin.submit(
        "/admin/confirmations",
        {"back": "/admin/confirmations?show=silent"},
        to=f"/admin/confirmations/{SLUG}",
    )
    assert response.location == "/admin/confirmations?show=silent"
    page = admin.page("/admin/confirmations")
    assert rows(page) == []
    database.expire_all()
    assert service(database).assured_date == NOW.date()
    newest = editing.versions(database, due.id)[0]
    assert newest.cause == "confirmed"
    assert newest.author_id is not None
    assert database.exec(select(AuditEvent).where(AuditEvent.action == "service.confirmed")).one()


def test_the_lists_of_those_who_do_not_answer_and_of_those_to_be_phoned(
    admin: AdminClient, database: Session, due: Service
) -> None:
    assert rows(admin.page("/admin/confirmations?show=silent")) == []
    asked(database, due, reminded_at=NOW - timedelta(days=16), escalated_at=NOW - timedelta(days=2))
    assert len(rows(admin.page("/admin/confirmations?show=silent"))) == 1
    assert rows(admin.page("/admin/confirmations?show=phone")) == []
    organization = due.organization_id
    from portal.catalogue.models import Organization

    owner = database.get(Organization, organization)
    assert owner is not None
    owner.email, due.email = None, None
    database.add_all([owner, due])
    database.commit()
    assert len(rows(admin.page("/admin/confirmations?show=phone"))) == 1


@pytest.mark.parametrize("answer", ["corrected", "gone"])
def test_an_answer_that_waits_for_a_review_is_said(
    admin: AdminClient, database: Session, due: Service, answer: str, clock: Clock
) -> None:
    plain = rows(admin.page("/admin/confirmations"))[0].text
    asked(database, due, answer=answer, answered_at=clock())
    (row,) = rows(admin.page("/admin/confirmations"))
    assert row.text != plain
    assert rows(admin.page("/admin/confirmations?show=silent")) == []
