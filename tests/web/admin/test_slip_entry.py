"""The desk opens a slip: what was ticked, in German, and nothing that can be tried out."""

import pytest
from sqlalchemy import select
from sqlmodel import Session

from portal.accounts.models import AuditEvent
from portal.referral import slips
from portal.referral.personal import Line, Situation
from portal.web.application import Portal
from tests.web.admin.conftest import Clock, SignIn
from tests.web.admin.pages import AdminClient

PATH = "/admin/slip"


@pytest.fixture
def desk(signed_in: SignIn, admin_portal: Portal) -> AdminClient:
    return signed_in("counsellor", organization=admin_portal.catalogue.services()[0].organization.slug)


@pytest.fixture
def code(database: Session, admin_portal: Portal, clock: Clock) -> str:
    assert admin_portal.referrals is not None
    made = slips.create(
        database,
        admin_portal.referrals.keyring,
        region="musterkreis",
        situation=Situation(
            language="ar",
            lines=(
                Line(
                    key="answer:age",
                    label="كم عمرك؟",
                    label_de="Wie alt bist du?",
                    value="١٦",
                    value_de="15 bis <17>",
                ),
            ),
            service_name="",
            interpreter=True,
        ),
        words=admin_portal.referrals.words_for("de"),
        now=clock(),
    )
    database.commit()
    return made


def opened(database: Session) -> list[AuditEvent]:
    database.expire_all()
    found = database.execute(select(AuditEvent).where(AuditEvent.action == "slip.opened"))  # type: ignore[arg-type]
    return list(found.scalars())


def test_the_desk_reads_what_was_ticked(desk: AdminClient, database: Session, code: str) -> None:
    sloppy = f"  {code.upper().replace(' ', ' - ')}. "
    page = desk.sent(desk.submit(PATH, {"code": sloppy}, status=200), PATH)
    for words in ("Wie alt bist du?", "15 bis <17>", "Arabisch", "wird gebraucht", "04.12.2026"):
        assert words in page.text
    for words in ("كم", "Jemand kommt mit", code):
        assert words not in page.response.get_data(as_text=True)
    (event,) = opened(database)
    assert event.actor_name
    assert event.details == {}
    assert not event.entity_name
    assert desk.page("/admin/").all(f'nav a[href="{PATH}"]')


def test_a_wrong_code_says_so_and_can_be_put_right(desk: AdminClient, database: Session, code: str) -> None:
    page = desk.sent(desk.submit(PATH, {"code": "falsch 1234"}, status=422), PATH, status=422)
    field = page.one("#code")
    assert field["value"] == "falsch 1234"
    assert field["aria-invalid"] == "true"
    assert "gibt es keinen" in page.text
    assert opened(database) == []
    desk.submit(PATH, {"code": " "}, status=422)


def test_it_is_gone_after_fourteen_days(desk: AdminClient, clock: Clock, code: str) -> None:
    clock.later(days=14, seconds=-1)
    page = desk.send(PATH, {"code": code})
    assert page.status_code in (200, 303)
    clock.later(seconds=1)
    assert "Arabisch" not in desk.send(PATH, {"code": code}).get_data(as_text=True)


def test_whoever_tries_codes_is_stopped(desk: AdminClient, signed_in: SignIn, code: str) -> None:
    for number in range(10):
        assert desk.send(PATH, {"code": f"versuch {number}"}).status_code == 422
    late = desk.send(PATH, {"code": code})
    assert late.status_code == 429
    assert "Arabisch" not in late.get_data(as_text=True)
    assert signed_in("coordinator").send(PATH, {"code": code}).status_code == 200, "the others go on"


def test_without_keys_there_is_no_such_page(desk: AdminClient, admin_portal: Portal) -> None:
    admin_portal.referrals = None
    assert desk.get(PATH).status_code == 404
    assert not desk.page("/admin/").all(f'nav a[href="{PATH}"]')
