"""The team's inbox and the page of a referral: who sees what, and what happens when two are at it."""

from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlmodel import Session, col

from portal.accounts.models import AuditEvent, KeptForm, User
from portal.catalogue.queries import ServiceView
from portal.referral import actions, escalation
from portal.referral.actions import Counsellor
from portal.referral.choosing import Desk
from portal.referral.lifecycle import Move
from portal.referral.models import (
    Appointment,
    AppointmentState,
    Channel,
    Consent,
    ConsentKind,
    GivenHow,
    Message,
    Referral,
    ReferralEvent,
    Status,
    Team,
)
from portal.referral.personal import Agreed, Line, Person
from portal.referral.sealing import Keyring, new_key
from portal.web.application import Portal
from portal.web.referrals import Referrals
from tests.web.admin.conftest import PASSWORD, Clock, MakeUser, SignIn
from tests.web.admin.pages import AdminClient
from tests.web.pages import Page

REGION = "musterkreis"
AGREED = Agreed(
    statement="أوافق.",
    statement_de="Ich bin einverstanden, dass die Stelle das liest.",
    lines=(
        Line(key="name", label="الاسم", label_de="Name", value="Sternchen", value_de="Sternchen"),
        Line(key="phone", label="الهاتف", label_de="Telefon", value="+49 151 2345", value_de="+49 151 2345"),
        Line(key="answer:topic", label="الموضوع", label_de="Thema", value="المدرسة", value_de="Schule"),
    ),
)


@dataclass(frozen=True)
class Office:
    service: ServiceView
    user: User
    counsellor: Counsellor

    @property
    def desk(self) -> Desk:
        return Desk(self.service.id, self.service.organization.id)


@dataclass(frozen=True)
class Case:
    """A referral that was sent, by its id: pages work in sessions of their own."""

    id: UUID
    path: str


@pytest.fixture
def tools(admin_portal: Portal) -> Referrals:
    assert admin_portal.referrals is not None
    return admin_portal.referrals


@pytest.fixture
def offices(database: Session, admin_portal: Portal, a_user: MakeUser, clock: Clock) -> tuple[Office, ...]:
    """Three teams that take referrals."""
    by_organization = {one.organization.id: one for one in reversed(admin_portal.catalogue.services())}
    found = []
    for service in list(by_organization.values())[:3]:
        user = a_user("counsellor", organization=service.organization.slug)
        assert user.id is not None
        database.add(
            Team(organization_id=service.organization.id, region=REGION, accepts=True, changed_at=clock())
        )
        found.append(Office(service, user, Counsellor(user.id, frozenset({service.organization.id}))))
    database.commit()
    return tuple(found)


@pytest.fixture
def first(offices: tuple[Office, ...], signed_in: SignIn) -> AdminClient:
    return signed_in(user=offices[0].user)


@pytest.fixture
def second(offices: tuple[Office, ...], signed_in: SignIn) -> AdminClient:
    return signed_in(user=offices[1].user)


@pytest.fixture
def case(database: Session, offices: tuple[Office, ...], tools: Referrals, clock: Clock) -> Case:
    """Sent to the first team."""
    referral, _token = actions.begin(
        database, tools.keyring, region=REGION, language="ar", desk=offices[0].desk, now=clock()
    )
    actions.write(database, tools.keyring, referral, Person(name="Sternchen"), now=clock())
    actions.submit(database, tools.keyring, referral, AGREED, text_version="1", days=tools.days, now=clock())
    database.commit()
    return Case(referral.id, f"/admin/referrals/{referral.id}")


def now_is(database: Session, case: Case) -> Referral:
    database.expire_all()
    found = database.get(Referral, case.id)
    assert found is not None
    return found


def act(client: AdminClient, case: Case, deed: str, status: int = 303, **fields: str) -> Page | None:
    """Fill in one of the forms of the page, as it stands there."""
    page = client.page(case.path)
    (form,) = page.all(f'form[action="{case.path}/{deed}"]')
    data = {str(one["name"]): str(one.get("value", "")) for one in form.select('input[type="hidden"]')}
    data |= {f"{deed}-{name}": value for name, value in fields.items()}
    answer = client.client.post(f"{case.path}/{deed}", data=data)
    assert answer.status_code == status, answer.get_data(as_text=True)[-1500:]
    return None if status == 303 else client.sent(answer, case.path, status=status)


def deeds(page: Page) -> set[str]:
    return {str(form["action"]).rpartition("/")[2] for form in page.all("main form")}


def logged(database: Session) -> list[AuditEvent]:
    database.expire_all()
    found = database.execute(select(AuditEvent).where(col(AuditEvent.action) == "referral.opened"))
    return list(found.scalars())


def test_the_inbox_names_nobody(
    first: AdminClient, second: AdminClient, case: Case, database: Session
) -> None:
    page = first.page("/admin/referrals")
    referral = now_is(database, case)
    (card,) = page.all("#new li")
    assert referral.label in card.text
    assert "Sternchen" not in page.text
    assert "Schule" not in card.text
    assert "25.11.2026" in card.text, "three working days"
    assert page.one(f'#new a[href="{case.path}"]')
    assert not second.page("/admin/referrals").all(".inbox li")


def test_the_page_says_what_was_agreed_and_opening_is_logged(
    first: AdminClient, case: Case, database: Session, clock: Clock
) -> None:
    page = first.page(case.path)
    told = page.one("section[aria-labelledby=told]")
    assert page.one('a[href="tel:+491512345"]').text == "+49 151 2345"
    for words in ("Sternchen", "Thema", "Schule", "المدرسة", "Ich bin einverstanden", "أوافق."):
        assert words in told.text
    assert deeds(page) == {"accept", "claim", "reject", "message", "appointment"}
    assert page.all('aside a[href^="/admin/case-talks/new?referral="]')
    first.page(case.path)
    (event,) = logged(database)
    assert event.entity_name == now_is(database, case).label
    assert event.details == {}
    clock.later(minutes=11)
    first.page(case.path)
    assert len(logged(database)) == 2


def test_nobody_else_sees_it(
    first: AdminClient, second: AdminClient, case: Case, signed_in: SignIn, offices: tuple[Office, ...]
) -> None:
    assert second.get(case.path).status_code == 404
    assert second.send(f"{case.path}/accept").status_code == 404
    assert first.get(f"/admin/referrals/{uuid4()}").status_code == 404
    for role in ("administrator", "coordinator", "reader"):
        assert signed_in(role).get(case.path).status_code == 403
    assert signed_in("counsellor").get(case.path).status_code == 404, "a counsellor without a team"
    assert "noch keinem Team" in signed_in("counsellor").page("/admin/referrals").text


def test_from_the_first_look_to_the_end(
    first: AdminClient, case: Case, database: Session, offices: tuple[Office, ...]
) -> None:
    act(first, case, "claim")
    act(first, case, "release")
    act(first, case, "accept")
    assert {"contact", "try", "complete", "handover", "joint"} <= deeds(first.page(case.path))
    assert now_is(database, case).status == Status.ACCEPTED
    act(first, case, "try", note="Mailbox war voll.")
    act(first, case, "message", text="Hallo, hier ist die Beratung.")
    assert now_is(database, case).status == Status.IN_PROGRESS
    act(first, case, "appointment", day="2026-11-24", time="14:30", minutes="45", place="Markt 1", note="")
    page = first.page(case.path)
    for words in ("Mailbox war voll.", "Hallo, hier ist die Beratung.", "Dienstag", "14:30", "Markt 1"):
        assert words in page.text
    (appointment,) = database.execute(select(Appointment)).scalars()
    (cancel,) = page.all(f'form[action="{case.path}/cancel"] button')
    assert cancel["value"] == str(appointment.id)
    act(first, case, "cancel", appointment=str(appointment.id))
    database.expire_all()
    assert appointment.state == AppointmentState.CANCELLED
    act(first, case, "complete", outcome="advice_given", note="Alles geklärt.")
    assert now_is(database, case).outcome == "advice_given"
    page = first.page(case.path)
    assert deeds(page) == set()
    assert "Beratung" in page.text
    assert first.page("/admin/referrals").all("#ended li")


def test_what_is_missing_stands_at_the_field_and_nothing_is_lost(
    first: AdminClient, case: Case, database: Session
) -> None:
    before = now_is(database, case).version
    page = act(first, case, "reject", 422, reason="", desk="")
    assert page is not None
    assert page.all("details[open] form")
    assert {str(link["href"]) for link in page.all(".mistakes a")} == {"#reject-reason", "#reject-desk"}
    page = act(
        first, case, "appointment", 422, day="2026-11-01", time="25:00", minutes="x", place="Hier", note=""
    )
    assert page is not None
    assert page.one("#appointment-place")["value"] == "Hier"
    assert len(page.all(".mistakes a")) == 2
    page = act(
        first, case, "appointment", 422, day="2026-11-19", time="10:00", minutes="30", place="Hier", note=""
    )
    assert page is not None
    assert now_is(database, case).version == before


def test_rejecting_names_a_better_desk(
    first: AdminClient, second: AdminClient, case: Case, database: Session, offices: tuple[Office, ...]
) -> None:
    page = first.page(case.path)
    groups = {str(one["label"]) for one in page.all("#reject-desk optgroup")}
    assert groups == {one.service.organization.name for one in offices[1:]}
    act(first, case, "reject", reason="Die Schule weiß mehr.", desk=str(offices[1].desk.service_id))
    referral = now_is(database, case)
    assert (referral.status, referral.proposed_organization_id) == (
        Status.REJECTED,
        offices[1].desk.organization_id,
    )
    assert second.get(case.path).status_code == 404
    assert deeds(first.page(case.path)) == {"handover", "message"}


def test_no_better_desk_is_known(first: AdminClient, case: Case, database: Session) -> None:
    act(first, case, "reject", reason="Das kann hier niemand.", desk="none")
    referral = now_is(database, case)
    assert (referral.status, referral.proposed_organization_id) == (Status.REJECTED, None)
    assert "Koordination" in first.page(case.path).text


def test_a_colleague_was_quicker(
    first: AdminClient,
    case: Case,
    database: Session,
    offices: tuple[Office, ...],
    a_user: MakeUser,
    signed_in: SignIn,
) -> None:
    """Both have the page open; the later one sees the new state and keeps what was typed."""
    colleague = signed_in(user=a_user("counsellor", organization=offices[0].service.organization.slug))
    old = first.page(case.path)
    version = str(old.one('form[action$="/reject"] input[name=version]')["value"])
    act(colleague, case, "accept")
    data = {
        "version": version,
        "reject-reason": "Wir sind leider falsch.",
        "reject-desk": "none",
        "form_page": case.path,
    }
    answer = first.send(f"{case.path}/reject", data)
    page = first.sent(answer, case.path, status=409)
    assert "Wir sind leider falsch." in page.one("section[aria-labelledby=typed-1]").text
    assert "war schneller" in page.text
    assert now_is(database, case).status == Status.ACCEPTED
    answer = first.send(f"{case.path}/message", {"version": version, "message-text": "Guten Tag"})
    page = first.sent(answer, case.path, status=409)
    assert page.one("#message-text").text.strip() == "Guten Tag"
    assert not database.execute(select(Message)).first()


def test_two_at_the_same_moment(
    first: AdminClient,
    case: Case,
    database: Session,
    monkeypatch: pytest.MonkeyPatch,
    tools: Referrals,
    clock: Clock,
) -> None:
    """The other one comes between the look and the move."""
    original = actions.accept

    def late(session: Session, referral: Referral, by: Counsellor, **options: object) -> None:
        other = database.get(Referral, case.id)
        assert other is not None
        actions.claim(database, other, by, now=clock())
        database.commit()
        original(session, referral, by, **options)  # type: ignore[arg-type]

    version = str(now_is(database, case).version)
    database.commit()
    monkeypatch.setattr(actions, "accept", late)
    answer = first.send(f"{case.path}/accept", {"version": version})
    first.sent(answer, case.path, status=409)
    assert now_is(database, case).status == Status.REQUESTED


def test_pressed_twice_counts_once(first: AdminClient, case: Case, database: Session) -> None:
    version = str(now_is(database, case).version)
    for _ in range(2):
        assert first.send(f"{case.path}/accept", {"version": version}).status_code == 303
    version = str(now_is(database, case).version)
    for _ in range(2):
        data = {"version": version, "message-text": "Einmal reicht."}
        assert first.send(f"{case.path}/message", data).status_code == 303
    assert len(list(database.execute(select(Message)).scalars())) == 1
    accepted = select(ReferralEvent).where(col(ReferralEvent.move) == Move.ACCEPT.value)
    assert len(list(database.execute(accepted).scalars())) == 1


def test_withdrawn_means_stop(first: AdminClient, case: Case, database: Session, clock: Clock) -> None:
    act(first, case, "accept")
    version = str(now_is(database, case).version)
    actions.withdraw(database, now_is(database, case), now=clock())
    database.commit()
    page = first.page(case.path)
    assert "Sternchen" not in page.text
    assert "Notizen" in page.text
    assert not page.all("main form")
    answer = first.send(f"{case.path}/message", {"version": version, "message-text": "Noch da?"})
    page = first.sent(answer, case.path, status=409)
    assert "Notizen" in page.text
    assert first.page("/admin/referrals").all("#ended li")


def test_who_takes_part_sees_the_own_side_only(
    first: AdminClient,
    second: AdminClient,
    case: Case,
    database: Session,
    offices: tuple[Office, ...],
    tools: Referrals,
    clock: Clock,
) -> None:
    act(first, case, "accept")
    act(first, case, "message", text="Nur für uns beide.")
    act(first, case, "joint", desk=str(offices[1].desk.service_id))
    assert second.get(case.path).status_code == 404
    referral = now_is(database, case)
    (asked,) = database.execute(select(Consent).where(col(Consent.kind) == ConsentKind.JOINT.value)).scalars()
    line = Line(key="answer:topic", label="الموضوع", label_de="Thema", value="المدرسة", value_de="Schule")
    actions.agree_joint(
        database,
        tools.keyring,
        referral,
        asked,
        Agreed(statement="نعم", statement_de="Ja.", lines=(line,)),
        text_version="1",
        now=clock.later(minutes=1),
    )
    database.commit()
    page = second.page(case.path)
    assert "Schule" in page.text
    assert "Sternchen" not in page.text
    assert "Nur für uns beide." not in page.text
    assert deeds(page) == {"message"}
    act(second, case, "message", text="Guten Tag vom zweiten Team.")
    assert "zweiten Team" not in first.page(case.path).text
    assert "Mit dabei" in first.page(case.path).text
    assert (
        second.send(f"{case.path}/accept", {"version": str(now_is(database, case).version)}).status_code
        == 409
    )
    (card,) = second.page("/admin/referrals").all(".inbox li")
    assert "Sternchen" not in card.text
    act(
        first,
        case,
        "appointment",
        day="2026-11-24",
        time="09:00",
        minutes="60",
        place="Rathaus",
        note="",
        joint="y",
    )
    assert "Rathaus" in second.page(case.path).text
    assert "Noch keine Antwort" in first.page(case.path).text
    (meeting,) = database.execute(select(Appointment)).scalars()
    act(second, case, "attend", appointment=str(meeting.id), fits="no")
    assert "Nicht dabei" in first.page(case.path).text
    (button,) = second.page(case.path).all('button[name="attend-fits"]')
    assert button["value"] == "yes", "who changes their mind says the other thing"
    act(second, case, "attend", appointment=str(meeting.id), fits="yes")
    assert "Nicht dabei" not in first.page(case.path).text
    assert not first.page(case.path).all('form[action$="/attend"]')
    database.expire_all()
    consent = database.get(Consent, asked.id)
    assert consent is not None
    actions.withdraw_joint(database, now_is(database, case), consent, now=clock.later(minutes=1))
    database.commit()
    assert "Notizen" in second.page(case.path).text
    assert "Schule" not in second.page(case.path).text
    page = first.page(case.path)
    assert "Mit dabei" not in page.text, "who was told to stop is not named as taking part"
    assert not page.all('[name="appointment-joint"]')


def test_messages_are_new_until_the_page_was_open(
    first: AdminClient,
    case: Case,
    database: Session,
    offices: tuple[Office, ...],
    tools: Referrals,
    clock: Clock,
) -> None:
    actions.message(
        database,
        tools.keyring,
        now_is(database, case),
        "Wann ruft ihr an?",
        organization_id=offices[0].desk.organization_id,
        by=None,
        days=tools.days,
        now=clock(),
    )
    database.commit()
    assert "1 neue Nachricht" in first.page("/admin/referrals").text
    assert first.page(case.path).all(".thread .theirs .tag.wait")
    assert not first.page(case.path).all(".thread .theirs .tag.wait")
    assert "neue Nachricht" not in first.page("/admin/referrals").text


def test_every_field_asks_to_leave_some_things_out(first: AdminClient, case: Case) -> None:
    seen = set()
    for deed in ("accept", "contact"):
        page = first.page(case.path)
        for field in page.all("main textarea"):
            assert "Bitte nichts über Aufenthalt" in page.one(f"#{field['id']}-hint").text, field["id"]
            seen.add(field["id"])
        act(first, case, deed)
    assert {"message-text", "reject-reason", "try-note", "handover-reason", "complete-note"} <= seen | {
        str(field["id"]) for field in first.page(case.path).all("main textarea")
    }


def ticked_lines(page: Page) -> list[str]:
    return [str(box["value"]) for box in page.all('main input[name="line"][checked]')]


def test_a_consent_given_in_person(
    first: AdminClient, second: AdminClient, case: Case, database: Session, offices: tuple[Office, ...]
) -> None:
    act(first, case, "accept")
    act(first, case, "handover", desk=str(offices[1].desk.service_id), reason="Dort ist mehr Zeit.")
    path = f"{case.path}/in-person"
    assert first.page(case.path).one(f'a[href="{path}"]')
    page = first.page(path)
    assert offices[1].service.organization.name in page.text
    assert "Sternchen" in page.text
    fields = {name: str(page.one(f'main input[name="{name}"]')["value"]) for name in ("version", "shown")}
    first.sent(first.send(path, fields), path, status=422)
    assert ticked_lines(page) == ["phone"], "how to get in touch, and neither name nor answers"
    old = first.send(path, {**fields, "shown": "another text", "together": "y", "line": ["name", "phone"]})
    again = first.sent(old, path, status=409)
    assert not again.one("#together").has_attr("checked")
    assert ticked_lines(again) == ["name", "phone"]
    assert now_is(database, case).organization_id == offices[0].desk.organization_id
    agreed = {**fields, "together": "y", "line": ["phone", "answer:topic"]}
    assert first.send(path, agreed).location == "/admin/referrals"
    assert now_is(database, case).organization_id == offices[1].desk.organization_id
    (consent,) = database.execute(
        select(Consent).where(col(Consent.kind) == ConsentKind.HANDOVER.value)
    ).scalars()
    assert (consent.given_how, consent.recorded_by) == (GivenHow.IN_PERSON, offices[0].user.id)
    assert first.get(case.path).location == "/admin/referrals", "who handed over sees nothing any more"
    assert first.send(path, agreed).location == "/admin/referrals"
    told = second.page(case.path).one("section[aria-labelledby=told]").text
    assert "Schule" in told
    assert "Sternchen" not in told, "only what was ticked"


def test_another_team_may_take_part_in_person(
    first: AdminClient, second: AdminClient, case: Case, database: Session, offices: tuple[Office, ...]
) -> None:
    act(first, case, "accept")
    act(first, case, "joint", desk=str(offices[1].desk.service_id))
    page = act(first, case, "joint", 422, desk=str(offices[1].desk.service_id))
    assert page is not None, "asked already"
    (asked,) = database.execute(select(Consent).where(col(Consent.kind) == ConsentKind.JOINT.value)).scalars()
    path = f"{case.path}/in-person/{asked.id}"
    page = first.page(path)
    fields = {name: str(page.one(f'main input[name="{name}"]')["value"]) for name in ("version", "shown")}
    assert ticked_lines(page) == ["phone"]
    assert first.send(path, {**fields, "together": "y", "line": ["name"]}).location == case.path
    told = second.page(case.path).one("section[aria-labelledby=told]").text
    assert "Sternchen" in told
    assert "Schule" not in told
    assert first.get(f"{case.path}/in-person/{uuid4()}").status_code == 404


def test_texts_are_not_kept_when_the_session_is_over(
    first: AdminClient, case: Case, database: Session, clock: Clock
) -> None:
    """What is typed about somebody must not lie readable in the database."""
    page = first.page(case.path)
    (form,) = page.all(f'form[action="{case.path}/message"]')
    data = {str(one["name"]): str(one.get("value", "")) for one in form.select('input[type="hidden"]')}
    clock.later(hours=23)
    data |= {"message-text": "Ganz geheim."}
    answer = first.client.post(f"{case.path}/message", data=data)
    assert answer.status_code in (303, 400)
    assert not database.execute(select(KeptForm)).first()
    assert not database.execute(select(Message)).first()


def test_what_is_overdue_lies_on_top(
    case: Case, database: Session, clock: Clock, signed_in: SignIn, offices: tuple[Office, ...]
) -> None:
    clock.later(days=5)
    assert not signed_in(user=offices[0].user).page("/admin/referrals").all("#overdue"), "the promised day"
    clock.later(days=1)
    late = signed_in(user=offices[0].user)
    assert "überfällig" in late.page("/admin/referrals").one("#overdue li").text
    actions.alarm(database, now_is(database, case), now=clock())
    database.commit()
    assert "Niemand hat sich gemeldet" in late.page("/admin/referrals").one("#overdue li").text
    assert "Koordination weiß das" in late.page(case.path).text
    act(late, case, "accept")
    act(late, case, "contact")
    assert not late.page("/admin/referrals").all("#overdue li")
    assert now_is(database, case).alarm_at is None


@pytest.mark.parametrize(("wish", "told"), [(Channel.PHONE, False), (Channel.MAIL, True)])
def test_a_message_that_nobody_is_told_of_says_so_and_is_no_contact(
    first: AdminClient,
    database: Session,
    tools: Referrals,
    case: Case,
    clock: Clock,
    wish: Channel,
    told: bool,
) -> None:
    person = Person(channels=(wish,), phone="+4915112345678", mail="stern@example.org")
    referral = now_is(database, case)
    sealer = tools.keyring.record(case.id, referral.key_sealed)
    referral.person_sealed = person.seal(sealer, "person")
    database.commit()
    act(first, case, "accept")
    assert ("bekommt keine Benachrichtigung" in first.page(case.path).text) is not told
    act(first, case, "message", text="Bitte rufen Sie uns an.")
    assert (now_is(database, case).first_contact_at == clock()) is told


def test_a_team_that_has_been_silent_sees_it_and_notes_a_contact(
    case: Case,
    database: Session,
    tools: Referrals,
    clock: Clock,
    signed_in: SignIn,
    offices: tuple[Office, ...],
) -> None:
    team = signed_in(user=offices[0].user)
    act(team, case, "accept")
    act(team, case, "contact")
    clock.later(days=20)
    escalation.run(database, tools.keyring, REGION, days=tools.days, now=clock())
    database.commit()
    team = signed_in(user=offices[0].user)
    assert "überfällig" in team.page("/admin/referrals").one("#overdue li").text
    assert "lange nichts" in team.page(case.path).text
    act(team, case, "contact")
    assert "lange nichts" not in team.page(case.path).text
    assert not team.page("/admin/referrals").all("#overdue li")


def test_a_consent_that_ran_out_shows_nothing(
    case: Case, clock: Clock, signed_in: SignIn, offices: tuple[Office, ...]
) -> None:
    clock.later(days=183)
    page = signed_in(user=offices[0].user).page(case.path)
    assert "abgelaufen" in page.text
    assert "Sternchen" not in page.text
    assert not page.all("main form")


def test_the_desk_is_gone_when_they_agree(
    first: AdminClient, case: Case, database: Session, offices: tuple[Office, ...]
) -> None:
    act(first, case, "accept")
    act(first, case, "handover", desk=str(offices[1].desk.service_id), reason="Dort ist mehr Zeit.")
    path = f"{case.path}/in-person"
    page = first.page(path)
    fields = {name: str(page.one(f'main input[name="{name}"]')["value"]) for name in ("version", "shown")}
    team = database.get(Team, offices[1].desk.organization_id)
    assert team is not None
    team.accepts = False
    database.commit()
    page = first.sent(first.send(path, {**fields, "together": "y"}), case.path, status=409)
    assert "nimmt gerade niemanden auf" in page.text
    assert now_is(database, case).organization_id == offices[0].desk.organization_id
    groups = {str(one["label"]) for one in page.all("#handover-desk optgroup")}
    assert groups == {offices[2].service.organization.name}
    again = act(first, case, "handover", 422, desk=str(offices[1].desk.service_id), reason="Doch dorthin.")
    assert again is not None
    assert again.one("#handover-reason").text.strip() == "Doch dorthin."


def test_a_missing_key_is_said_kindly(
    first: AdminClient, case: Case, admin_portal: Portal, tools: Referrals
) -> None:
    admin_portal.referrals = replace(tools, keyring=Keyring([new_key()]))
    page = first.page(case.path, status=503)
    assert "Schlüssel" in page.text
    assert first.page("/admin/referrals").all("#new li"), "the inbox opens nothing"


def test_signing_in_leads_to_the_inbox(
    stranger: AdminClient, offices: tuple[Office, ...], a_user: MakeUser
) -> None:
    for user, target in ((offices[0].user, "/admin/referrals"), (a_user("coordinator"), "/admin/")):
        data = {"email": user.email, "password": PASSWORD}
        assert stranger.submit("/admin/sign-in", data).location == target
        stranger.client.delete_cookie("anlauf-admin", path="/admin")


def test_the_start_page_leads_to_the_inbox(first: AdminClient, case: Case) -> None:
    page = first.page("/admin/")
    (link,) = page.all(".figures a")
    assert link["href"] == "/admin/referrals#new"
    assert page.all('nav a[href="/admin/referrals"]')


def test_without_keys_there_is_nothing(first: AdminClient, case: Case, admin_portal: Portal) -> None:
    admin_portal.referrals = None
    assert first.get("/admin/referrals").status_code == 404
    assert first.get(case.path).status_code == 404
    assert not first.page("/admin/").all('nav a[href="/admin/referrals"]')
