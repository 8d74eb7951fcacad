"""The coordinators' list: what nobody answers, without a word of what somebody told."""

from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update
from sqlmodel import Session, col

from portal.accounts.models import AuditEvent, KeptForm, Letter
from portal.referral import actions, escalation
from portal.referral.actions import Counsellor
from portal.referral.choosing import Desk
from portal.referral.models import Actor, Notice, Referral, ReferralEvent, Team
from portal.referral.personal import Agreed, Line, Person
from portal.web.application import Portal
from portal.web.referrals import Referrals
from tests.web.admin.conftest import Clock, MakeUser, SignIn
from tests.web.admin.pages import AdminClient

REGION = "musterkreis"
LIST = "/admin/referrals/watch"
SECRET = "Sternchen"
AGREED = Agreed(
    statement="Ja.",
    statement_de="Ja.",
    lines=(Line(key="name", label="Name", label_de="Name", value=SECRET, value_de=SECRET),),
)


@dataclass(frozen=True)
class Office:
    desk: Desk
    counsellor: Counsellor


@pytest.fixture
def tools(admin_portal: Portal) -> Referrals:
    assert admin_portal.referrals is not None
    return admin_portal.referrals


@pytest.fixture
def offices(database: Session, admin_portal: Portal, a_user: MakeUser, clock: Clock) -> tuple[Office, ...]:
    """Two teams that take referrals."""
    by_organization = {one.organization.id: one for one in reversed(admin_portal.catalogue.services())}
    found = []
    for service in list(by_organization.values())[:2]:
        id_ = service.organization.id
        user = a_user("counsellor", organization=service.organization.slug)
        assert user.id is not None
        database.add(Team(organization_id=id_, region=REGION, accepts=True, changed_at=clock()))
        found.append(Office(Desk(service.id, id_), Counsellor(user.id, frozenset({id_}))))
    database.commit()
    return tuple(found)


@pytest.fixture
def referral(database: Session, offices: tuple[Office, ...], tools: Referrals, clock: Clock) -> Referral:
    """Sent to the first team."""
    now = clock()
    sent, _token = actions.begin(
        database, tools.keyring, region=REGION, language="ar", desk=offices[0].desk, now=now
    )
    actions.write(database, tools.keyring, sent, Person(name=SECRET), now=now)
    actions.submit(database, tools.keyring, sent, AGREED, text_version="1", days=tools.days, now=now)
    database.commit()
    return sent


@pytest.fixture
def coordinator(signed_in: SignIn) -> AdminClient:
    return signed_in("coordinator")


@pytest.fixture
def refused(
    database: Session, referral: Referral, offices: tuple[Office, ...], tools: Referrals, clock: Clock
) -> str:
    """Path of one that the team refused without knowing a better desk."""
    actions.reject(
        database, tools.keyring, referral, offices[0].counsellor, reason="Falsch.", better=None, now=clock()
    )
    database.commit()
    return f"{LIST}/{referral.id}"


def now_is(database: Session, id_: UUID) -> Referral:
    database.expire_all()
    found = database.get(Referral, id_)
    assert found is not None
    return found


def propose(client: AdminClient, path: str, status: int = 303, **fields: str) -> str:
    """Send the form as the page shows it; returns the answer's words."""
    page = client.page(path)
    (form,) = page.all(f'form[action="{path}/desk"]')
    data = {str(one["name"]): str(one["value"]) for one in form.select('input[type="hidden"]')}
    answer = client.client.post(f"{path}/desk", data=data | fields)
    assert answer.status_code == status
    return "" if status == 303 else client.sent(answer, path, status=status).text


def test_a_team_that_fell_silent_stands_here(
    coordinator: AdminClient,
    database: Session,
    referral: Referral,
    offices: tuple[Office, ...],
    tools: Referrals,
    clock: Clock,
) -> None:
    actions.accept(database, referral, offices[0].counsellor, now=clock())
    actions.contact(database, referral, offices[0].counsellor, days=tools.days, now=clock())
    later = clock() + timedelta(days=30)
    escalation.run(database, tools.keyring, REGION, days=tools.days, now=later)
    database.commit()
    page = coordinator.page(LIST)
    assert referral.label in page.text
    assert "lange nichts" in page.text


def test_notices_that_fail_are_listed_for_coordinators(
    coordinator: AdminClient, admin: AdminClient, database: Session, referral: Referral, clock: Clock
) -> None:
    database.add(
        Letter(
            key="x", recipient="p@example.org", subject="Ihr Link", body="", written_at=clock(),
            next_try_at=clock(), tries=1, failure="OSError",
        )
    )  # fmt: skip
    database.execute(update(Notice).values(failure="Unreachable", tries=40))
    database.commit()
    page = coordinator.page("/admin/letters")
    assert referral.label in page.text and "Unreachable" in page.text and "aufgegeben" in page.text
    assert "p@example.org" not in page.text, "those who sign in are the administrators' matter"
    assert coordinator.page("/admin/").all('main a[href="/admin/letters"]')
    both = admin.page("/admin/letters").text
    assert referral.label in both and "p@example.org" in both


def test_nothing_waits(coordinator: AdminClient, referral: Referral) -> None:
    page = coordinator.page(LIST)
    assert referral.label not in page.text
    assert "Niemand wartet" in page.text
    assert coordinator.get(f"{LIST}/{referral.id}").status_code == 404
    assert not coordinator.page("/admin/").all(f'main a[href="{LIST}"]')


def test_an_alarm_stands_here_and_on_the_start_page(
    coordinator: AdminClient, database: Session, referral: Referral, clock: Clock
) -> None:
    actions.alarm(database, referral, now=clock())
    database.commit()
    page = coordinator.page(LIST)
    assert referral.label in page.text
    assert "Niemand hat angerufen" in page.text
    assert SECRET not in page.text
    assert coordinator.page("/admin/").all(f'main a[href="{LIST}"]')
    # Everything a coordinator sees of it.
    assert SECRET not in coordinator.page(f"{LIST}/{referral.id}").text


def test_another_part_of_the_county_sees_nothing_of_it(
    signed_in: SignIn, admin_portal: Portal, refused: str, offices: tuple[Office, ...]
) -> None:
    part = signed_in("coordinator", area=admin_portal.region.county_area + "999")
    assert "Niemand wartet" in part.page(LIST).text
    assert part.get(refused).status_code == 404
    data = {"desk": str(offices[1].desk.service_id), "reason": "Dort."}
    assert part.send(f"{refused}/desk", data).status_code in (303, 404)
    assert not part.page("/admin/").all(f'main a[href="{LIST}"]')


def test_overdue_is_told_in_working_days(
    signed_in: SignIn, database: Session, referral: Referral, tools: Referrals, clock: Clock
) -> None:
    actions.escalate(database, referral, 2, now=clock())
    database.commit()
    assert referral.due_date is not None
    late = tools.days.after(referral.due_date, 4)
    today = tools.days.today(clock())
    clock.later(days=(late - today).days)
    assert "Seit 4 Werktagen überfällig" in signed_in("coordinator").page(LIST).text


def test_who_does_not_answer_a_proposal_is_there_with_the_reason(
    coordinator: AdminClient, database: Session, referral: Referral, offices: tuple[Office, ...],
    tools: Referrals, clock: Clock,
) -> None:  # fmt: skip
    actions.reject(
        database, tools.keyring, referral, offices[0].counsellor, reason="Falsch.", better=offices[1].desk, now=clock()
    )  # fmt: skip
    actions.escalate(database, referral, 2, now=clock())
    database.commit()
    assert "noch keine Antwort" in coordinator.page(LIST).text
    assert "noch keine Antwort" in coordinator.page(f"{LIST}/{referral.id}").text


def test_another_desk_is_proposed(
    coordinator: AdminClient, database: Session, referral: Referral, refused: str, offices: tuple[Office, ...]
) -> None:
    assert "keine andere Stelle" in coordinator.page(LIST).text
    other = offices[1].desk
    page = coordinator.page(refused)
    values = {str(one["value"]) for one in page.all("#desk option")}
    assert str(other.service_id) in values
    assert str(offices[0].desk.service_id) not in values
    propose(coordinator, refused, desk=str(other.service_id), reason="Dort hilft man dir mit Arabisch.")
    found = now_is(database, referral.id)
    assert found.proposed_organization_id == other.organization_id
    assert found.organization_id == offices[0].desk.organization_id, "the first team until they agree"
    last = database.execute(select(ReferralEvent).order_by(col(ReferralEvent.id).desc())).scalars().first()
    assert last is not None
    assert (last.actor, last.user_id) == (Actor.COORDINATOR, None)
    (event,) = database.execute(
        select(AuditEvent).where(col(AuditEvent.action) == "referral.desk_proposed")
    ).scalars()
    assert event.entity_name == referral.label
    assert event.details == {}, "the reason stands in the sealed event only"
    told = database.execute(select(Notice).where(col(Notice.about) == "person.handover")).scalars().all()
    assert len(told) == 1
    assert coordinator.get(refused).status_code == 404


def test_what_is_missing_stands_at_the_field(
    coordinator: AdminClient, refused: str, offices: tuple[Office, ...]
) -> None:
    words = propose(coordinator, refused, status=422, desk="", reason="Dort passt es.")
    assert "Dort passt es." in words
    propose(coordinator, refused, status=422, desk=str(offices[1].desk.service_id), reason=" ")
    propose(coordinator, refused, status=422, desk=str(offices[0].desk.service_id), reason="Dieselbe.")
    propose(coordinator, refused, status=422, desk=str(offices[1].desk.service_id), reason="x" * 2001)


def test_the_languages_of_a_team_stand_beside_its_name(
    coordinator: AdminClient, database: Session, refused: str, offices: tuple[Office, ...]
) -> None:
    team = database.get(Team, offices[1].desk.organization_id)
    assert team is not None
    team.languages = ["ar", "tr"]
    database.add(team)
    database.commit()
    (office,) = coordinator.page(refused).all("#desk optgroup")
    assert str(office["label"]).endswith(" · Arabisch, Türkisch")


def test_a_desk_that_turned_full_is_not_proposed(
    coordinator: AdminClient, database: Session, referral: Referral, refused: str, offices: tuple[Office, ...]
) -> None:
    team = database.get(Team, offices[1].desk.organization_id)
    assert team is not None
    team.away_from = date(2026, 11, 1)
    database.add(team)
    database.commit()
    assert not coordinator.page(refused).all("#desk")
    answer = coordinator.send(
        f"{refused}/desk",
        {"desk": str(offices[1].desk.service_id), "reason": "Gut.", "version": str(referral.version)},
    )
    assert answer.status_code == 422
    assert now_is(database, referral.id).proposed_organization_id is None


def test_somebody_was_quicker(
    coordinator: AdminClient,
    database: Session,
    referral: Referral,
    refused: str,
    offices: tuple[Office, ...],
    clock: Clock,
) -> None:
    sent = {
        "desk": str(offices[1].desk.service_id),
        "reason": "Dort passt es.",
        "version": str(referral.version),
    }
    actions.alarm(database, referral, now=clock())
    database.commit()
    answer = coordinator.send(f"{refused}/desk", sent)
    assert answer.status_code == 409
    assert "Dort passt es." in answer.get_data(as_text=True)
    actions.withdraw(database, now_is(database, referral.id), now=clock())
    database.commit()
    answer = coordinator.send(f"{refused}/desk", sent)
    assert answer.status_code == 303
    assert answer.location == LIST


def test_the_reason_is_not_kept_when_the_session_ran_out(
    coordinator: AdminClient, database: Session, refused: str, clock: Clock, offices: tuple[Office, ...]
) -> None:
    page = coordinator.page(refused)
    (form,) = page.all(f'form[action="{refused}/desk"]')
    data = {str(one["name"]): str(one["value"]) for one in form.select('input[type="hidden"]')}
    clock.later(days=40)
    answer = coordinator.client.post(f"{refused}/desk", data=data | {"reason": "Geheim"})
    assert answer.status_code == 303
    assert list(database.execute(select(KeptForm)).scalars()) == []


def test_a_counsellor_has_no_such_list(signed_in: SignIn, offices: tuple[Office, ...], refused: str) -> None:
    counsellor = signed_in("counsellor")
    for path in (LIST, refused):
        assert counsellor.get(path).status_code == 403
