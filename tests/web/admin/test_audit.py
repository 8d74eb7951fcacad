"""The log: who may read it, how it narrows, what leaves as a file, and when it forgets."""

import csv
import io
import os
from datetime import timedelta
from uuid import uuid4

import pytest
from click.testing import CliRunner
from sqlmodel import Session, select

from portal.accounts import audit
from portal.accounts.models import AuditEvent, User
from portal.catalogue.queries import ServiceView
from portal.config import Settings
from portal.web.application import Portal
from portal.web.cli import main
from tests.web.admin.conftest import NOW, MakeUser
from tests.web.admin.pages import AdminClient
from tests.web.pages import Page, text_of

REGION = "musterkreis"


@pytest.fixture
def service(admin_portal: Portal) -> ServiceView:
    return admin_portal.catalogue.services()[0]


@pytest.fixture
def anna(a_user: MakeUser) -> User:
    return a_user("coordinator", email="anna@example.org")


@pytest.fixture
def events(database: Session, anna: User, service: ServiceView) -> None:
    def record(action: str, days: int, **values: object) -> None:
        audit.record(database, action, now=NOW - timedelta(days=days), region=REGION, **values)  # type: ignore[arg-type]

    record(
        "service.saved",
        1,
        actor=anna,
        entity="service",
        entity_id=service.id,
        entity_name=service.name,
        fields=["name", "phones"],
    )
    record(
        "service.archived",
        5,
        actor=anna,
        entity="service",
        entity_id=uuid4(),
        entity_name="=1+1 <b>Ärger</b>",
    )
    audit.record(database, "sign_in.failed", now=NOW - timedelta(days=3))
    record("unheard.of", 10)
    audit.record(database, "service.saved", now=NOW, region="harz", entity_name="Nicht von hier")
    database.commit()


def lines(page: Page) -> list[str]:
    return [text_of(line) for line in page.all("tbody tr")]


def test_the_newest_stands_first_and_leads_to_the_entry(
    admin: AdminClient, events: None, service: ServiceView
) -> None:
    page = admin.page("/admin/audit")
    found = lines(page)
    assert len(found) == 4
    assert service.name in found[0] and "Coordinator" in found[0]
    assert "unheard.of" in found[3], "an action without words is shown as it is"
    assert page.one("tbody a")["href"] == f"/admin/service/{service.slug}/history"
    assert "Nicht von hier" not in page.text
    assert "<b>Ärger" not in page.response.get_data(as_text=True)


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("action=service.saved", 1),
        ("action=nothing", 0),
        ("person=-", 2),
        ("person=nobody", 0),
        ("q=ärger", 1),
        ("since=2026-11-17", 2),
        ("until=2026-11-16", 2),
        ("since=2026-11-15&until=2026-11-15", 1),
        ("since=yesterday&until=99999-01-01", 4),
        ("page=900", 4),
    ],
)
def test_filters(admin: AdminClient, events: None, query: str, number: int) -> None:
    assert len(lines(admin.page(f"/admin/audit?{query}"))) == number


def test_one_person(admin: AdminClient, events: None, anna: User) -> None:
    page = admin.page(f"/admin/audit?person={anna.id}")
    assert len(lines(page)) == 2
    assert text_of(page.one("#person option[selected]")) == anna.name


def test_pages(admin: AdminClient, database: Session) -> None:
    for number in range(60):
        audit.record(
            database,
            "service.saved",
            now=NOW + timedelta(minutes=number),
            region=REGION,
            entity_name=f"E{number}",
        )
    database.commit()
    page = admin.page("/admin/audit?action=service.saved")
    assert len(lines(page)) == 50 and "E59" in lines(page)[0]
    older = admin.page(str(page.one("nav.pages a")["href"]))
    assert len(lines(older)) == 10 and "E0" in lines(older)[-1]


def test_the_file_has_what_the_filters_leave_and_no_formulas(
    admin: AdminClient, events: None, database: Session
) -> None:
    href = str(admin.page("/admin/audit?action=service.archived").one(".headrow a")["href"])
    answer = admin.get(href)
    assert answer.headers["Content-Disposition"].startswith("attachment")
    rows = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig")), delimiter=";"))
    assert len(rows) == 2
    assert rows[1][3] == "'=1+1 <b>Ärger</b>"
    assert rows[1][0] == "2026-11-15T09:00:00+00:00"
    exported = database.exec(select(AuditEvent).where(AuditEvent.action == "audit.exported")).one()
    assert exported.details == {"lines": 1}


def test_the_log_forgets_after_the_days_of_the_settings(
    admin_settings: Settings, database: Session, events: None
) -> None:
    from datetime import UTC, datetime

    now = datetime.now(UTC)
    audit.record(database, "service.saved", now=now - timedelta(days=31), region=REGION, entity_name="alt")
    audit.record(database, "service.saved", now=now - timedelta(days=29), region=REGION, entity_name="neu")
    database.commit()
    before = len(database.exec(select(AuditEvent)).all())
    environ = {
        **{name: None for name in os.environ if name.startswith("PORTAL_")},
        "PORTAL_DATA_DIR": str(admin_settings.data_dir),
        "PORTAL_REGION": REGION,
        "PORTAL_AUDIT_DAYS": "30",
    }
    result = CliRunner().invoke(main, ["users", "audit-prune"], env=environ)
    assert result.exit_code == 0, result.output
    database.expire_all()
    left = database.exec(select(AuditEvent)).all()
    assert "alt" not in [event.entity_name for event in left]
    assert "neu" in [event.entity_name for event in left]
    assert result.output.strip() == f"{before - len(left)} events erased"


def test_a_person_whose_account_is_gone_still_stands_there(admin: AdminClient, database: Session) -> None:
    database.add(
        AuditEvent(at=NOW, actor_id=uuid4(), actor_name="Frau Fort", action="service.saved", region=REGION)
    )
    database.commit()
    assert "Frau Fort" in [text_of(option) for option in admin.page("/admin/audit").all("#person option")]


def test_events_without_a_person_say_where_they_came_from(admin: AdminClient, database: Session) -> None:
    for action in ("user.invited", "confirmation.asked", "sign_in.failed"):
        audit.record(database, action, now=NOW, region=REGION)
    database.commit()
    who = {
        action: text_of(admin.page(f"/admin/audit?action={action}").all("tbody tr")[0])
        for action in ("user.invited", "confirmation.asked", "sign_in.failed")
    }
    assert "Befehl auf dem Server" in who["user.invited"]
    assert "automatisch" in who["confirmation.asked"]
    assert not any(words in who["sign_in.failed"] for words in ("Befehl auf dem Server", "automatisch"))
