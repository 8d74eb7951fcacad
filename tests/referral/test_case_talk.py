"""Colleagues' case talk: who may do what at which step, and that nothing personal gets in or stays."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlmodel import Session, col

from portal.accounts.models import Role, RoleGrant, User
from portal.referral import actions, case_talk, retention
from portal.referral.actions import Counsellor
from portal.referral.case_talk import NotYourPart, Part, Refused, Step
from portal.referral.errors import Changed, ConsentMissing, NotFound, NotYourTeam
from portal.referral.models import CaseTalk, CaseTalkIdea, CaseTalkParticipant, Notice, Status
from portal.referral.personal import CaseSheet
from portal.referral.recognising import Kind
from portal.referral.sealing import Erased, Keyring
from tests.factories import REGION
from tests.referral.conftest import MakeOffice, MakeReferral, Office

KEEP = timedelta(days=90)
SHEET = CaseSheet(
    title="Steht morgens nicht auf",
    question="Wie komme ich wieder in Kontakt?",
    situation="Ein Mädchen, 17, geht seit Monaten nicht zur Schule.",
)
MakeTalk = Callable[..., CaseTalk]


@pytest.fixture
def today(now: datetime) -> date:
    return now.date()


@pytest.fixture
def office(an_office: MakeOffice) -> Office:
    return an_office()


@pytest.fixture
def colleague(an_office: MakeOffice) -> UUID:
    return an_office("jobcenter").counsellor.user_id


@pytest.fixture
def a_talk(
    session: Session, keyring: Keyring, office: Office, colleague: UUID, now: datetime, today: date
) -> MakeTalk:
    """With the presenter and one advisor who has joined."""

    def make(step: Step = Step.CASTING, referral_id: UUID | None = None) -> CaseTalk:
        me = office.counsellor
        talk = case_talk.create(
            session, keyring, SHEET, me, region=REGION, now=now, today=today, referral_id=referral_id
        )
        case_talk.invite(session, talk, me.user_id, [colleague], now=now)
        case_talk.join(session, talk, colleague, now=now)
        for number in range(2, step + 1):
            case_talk.go_to(session, talk, me.user_id, number, now=now)
        return talk

    return make


def user(session: Session, now: datetime, role: Role, *, area: str = "", **changes: object) -> UUID:
    one = User(
        **{
            "email": f"{uuid4().hex}@example.org",
            "name": "X",
            "password_hash": "x",
            "created_at": now,
            **changes,
        }
    )
    session.add(one)
    session.flush()
    session.add(RoleGrant(user_id=one.id, role=role.value, area=area, granted_at=now))
    session.flush()
    assert one.id is not None
    return one.id


def test_from_the_sheet_to_the_agreed_steps(
    session: Session,
    keyring: Keyring,
    office: Office,
    colleague: UUID,
    a_talk: MakeTalk,
    now: datetime,
    today: date,
) -> None:
    me, later = office.counsellor.user_id, now + timedelta(hours=1)
    talk = a_talk()
    case_talk.cast(session, talk, me, {Part.MODERATOR: colleague})
    for number in (2, 3, 4):
        case_talk.go_to(session, talk, colleague, number, now=later)
    assert (talk.step, talk.step_started_at) == (Step.IDEAS, later)
    first = case_talk.add_idea(session, keyring, talk, colleague, "Hausbesuch", now=later, today=today)
    case_talk.add_idea(
        session, keyring, talk, colleague, "Brief schreiben", now=later + timedelta(seconds=1), today=today
    )
    case_talk.go_to(session, talk, colleague, 5, now=later)
    case_talk.choose(session, talk, me, [first.id])
    case_talk.go_to(session, talk, colleague, 6, now=later)
    case_talk.end(
        session,
        keyring,
        talk,
        colleague,
        ["Hausbesuch bis Freitag ", ""],
        keep=KEEP,
        now=later,
        today=today,
    )
    session.commit()
    view = case_talk.view(session, keyring, talk.id, me, region=REGION, now=later)
    assert view.sheet == CaseSheet(**{**SHEET.model_dump(), "next_steps": ("Hausbesuch bis Freitag",)})
    assert [(one.text, one.chosen) for one in view.ideas] == [
        ("Hausbesuch", True),
        ("Brief schreiben", False),
    ]
    assert [seat.part for seat in view.seats] == [Part.PRESENTER, Part.MODERATOR]
    assert talk.erase_at == later + KEEP
    with pytest.raises(NotYourPart):
        case_talk.go_to(session, talk, me, 5, now=later)


def test_only_participants_read_and_nothing_stands_open(
    session: Session, keyring: Keyring, office: Office, an_office: MakeOffice, a_talk: MakeTalk, now: datetime
) -> None:
    talk = a_talk(Step.IDEAS)
    stranger = an_office("fremd").counsellor.user_id
    with pytest.raises(NotFound):
        case_talk.view(session, keyring, talk.id, stranger, region=REGION, now=now)
    with pytest.raises(NotFound):
        case_talk.view(session, keyring, talk.id, office.counsellor.user_id, region="nebenan", now=now)
    assert case_talk.mine(session, keyring, stranger, region=REGION, now=now) == []
    (mine,) = case_talk.mine(session, keyring, office.counsellor.user_id, region=REGION, now=now)
    assert mine.title == SHEET.title
    row = session.get_one(CaseTalk, talk.id)
    assert row.sheet_sealed is not None and b"morgens" not in row.sheet_sealed
    assert "morgens" not in repr(mine) + repr(
        case_talk.view(session, keyring, talk.id, office.counsellor.user_id, region=REGION, now=now)
    )


def test_who_is_invited_sees_ideas_only_after_joining(
    session: Session,
    keyring: Keyring,
    office: Office,
    an_office: MakeOffice,
    colleague: UUID,
    a_talk: MakeTalk,
    now: datetime,
    today: date,
) -> None:
    talk = a_talk(Step.IDEAS)
    case_talk.add_idea(session, keyring, talk, colleague, "Hausbesuch", now=now, today=today)
    third = an_office("drittes").counsellor.user_id
    assert case_talk.invite(session, talk, office.counsellor.user_id, [third, colleague], now=now) == 1
    assert case_talk.view(session, keyring, talk.id, third, region=REGION, now=now).ideas == ()
    with pytest.raises(NotYourPart):
        case_talk.add_idea(session, keyring, talk, third, "Noch eine", now=now, today=today)
    case_talk.join(session, talk, third, now=now)
    assert len(case_talk.view(session, keyring, talk.id, third, region=REGION, now=now).ideas) == 1
    case_talk.leave(session, talk, office.counsellor.user_id, who=third)
    with pytest.raises(NotFound):
        case_talk.view(session, keyring, talk.id, third, region=REGION, now=now)
    # Taken off the list and invited again: told once.
    case_talk.invite(session, talk, office.counsellor.user_id, [third], now=now)
    notices = session.execute(
        select(Notice).where(col(Notice.about) == "case_talk.invited", col(Notice.user_id) == third)
    )
    assert len(notices.scalars().all()) == 1


def test_whom_one_may_invite(
    session: Session, office: Office, colleague: UUID, a_talk: MakeTalk, now: datetime
) -> None:
    here = user(session, now, Role.COORDINATOR)
    others = [
        user(session, now, Role.COORDINATOR, disabled_at=now),
        user(session, now, Role.COORDINATOR, password_hash=None),
        user(session, now, Role.COORDINATOR, area="01"),
        user(session, now, Role.READER),
        user(session, now, Role.ADMINISTRATOR),
    ]
    found = {one.user_id for one in case_talk.colleagues(session, REGION)}
    assert found == {here, colleague, office.counsellor.user_id}
    talk = a_talk()
    for one in others:
        with pytest.raises(NotFound):
            case_talk.invite(session, talk, office.counsellor.user_id, [one], now=now)
    with pytest.raises(NotYourPart):
        case_talk.invite(session, talk, colleague, [here], now=now)


def test_nothing_is_kept_that_tells_who_it_is(
    session: Session,
    keyring: Keyring,
    office: Office,
    colleague: UUID,
    a_talk: MakeTalk,
    now: datetime,
    today: date,
) -> None:
    me = office.counsellor
    bad = SHEET.model_copy(update={"situation": "Sie heißt Leyla, 0176 12345678.", "title": "Frau Schulze"})
    with pytest.raises(Refused) as refused:
        case_talk.create(session, keyring, bad, me, region=REGION, now=now, today=today)
    assert {name: [one.kind for one in found] for name, found in refused.value.findings.items()} == {
        "title": [Kind.NAME],
        "situation": [Kind.NAME, Kind.PHONE],
    }
    assert "Leyla" not in str(refused.value) + repr(refused.value)
    assert session.execute(select(CaseTalk)).first() is None
    talk = a_talk(Step.IDEAS)
    with pytest.raises(Refused):
        case_talk.rewrite(session, keyring, talk, me.user_id, bad, now=now, today=today)
    with pytest.raises(Refused):
        case_talk.add_idea(session, keyring, talk, colleague, "Ruf 0391 5550123 an", now=now, today=today)
    assert session.execute(select(CaseTalkIdea)).first() is None
    for number in (5, 6):
        case_talk.go_to(session, talk, me.user_id, number, now=now)
    with pytest.raises(Refused) as refused:
        case_talk.end(
            session, keyring, talk, colleague_writes(session, talk, me.user_id, colleague),
            ["Anrufen", "mit Frau Schulze reden"], keep=KEEP, now=now, today=today,
        )  # fmt: skip
    assert set(refused.value.findings) == {"next_steps"}
    assert talk.ended_at is None


def colleague_writes(session: Session, talk: CaseTalk, me: UUID, colleague: UUID) -> UUID:
    case_talk.cast(session, talk, me, {Part.WRITER: colleague})
    return colleague


def test_from_a_referral_only_the_link_is_taken(
    session: Session,
    keyring: Keyring,
    office: Office,
    an_office: MakeOffice,
    colleague: UUID,
    a_referral: MakeReferral,
    a_talk: MakeTalk,
    now: datetime,
    today: date,
) -> None:
    referral, _code = a_referral(office)
    other = an_office("fremd").counsellor
    with pytest.raises(NotYourTeam):
        case_talk.create(
            session, keyring, SHEET, other, region=REGION, now=now, today=today, referral_id=referral.id
        )
    named = SHEET.model_copy(update={"question": "Was hilft sternchen?"})
    with pytest.raises(Refused):
        case_talk.create(
            session, keyring, named, office.counsellor,
            region=REGION, now=now, today=today, referral_id=referral.id,
        )  # fmt: skip
    talk = a_talk(Step.IDEAS, referral.id)
    view = case_talk.view(session, keyring, talk.id, colleague, region=REGION, now=now)
    assert view.sheet == SHEET
    # Whoever heard the name in the room cannot write it either.
    with pytest.raises(Refused):
        case_talk.add_idea(
            session, keyring, talk, colleague, "Sternchens Mutter fragen", now=now, today=today
        )
    actions.withdraw(session, referral, now=now)
    with pytest.raises(ConsentMissing):
        case_talk.create(
            session, keyring, SHEET, office.counsellor,
            region=REGION, now=now, today=today, referral_id=referral.id,
        )  # fmt: skip


def is_erased(session: Session, keyring: Keyring, talk: CaseTalk, who: UUID, now: datetime) -> bool:
    """For everybody, with every word; those who took part see that it was there."""
    ideas = select(CaseTalkIdea).where(col(CaseTalkIdea.case_talk_id) == talk.id)
    if (talk.key_sealed, talk.sheet_sealed, talk.referral_id) != (None, None, None):
        return False
    with pytest.raises(Erased):
        case_talk.view(session, keyring, talk.id, who, region=REGION, now=now)
    with pytest.raises(NotFound):
        case_talk.view(session, keyring, talk.id, uuid4(), region=REGION, now=now)
    listed = case_talk.mine(session, keyring, who, region=REGION, now=now)
    return (talk.id, None) in [(one.talk.id, one.title) for one in listed] and not session.execute(
        ideas
    ).first()


@pytest.mark.parametrize("how", ["withdrawn", "expired", "long over"])
def test_with_the_referral_goes_what_was_said_about_it(
    how: str,
    session: Session,
    keyring: Keyring,
    office: Office,
    colleague: UUID,
    a_referral: MakeReferral,
    a_talk: MakeTalk,
    now: datetime,
    today: date,
) -> None:
    referral, _code = a_referral(office)
    talk, other = a_talk(Step.IDEAS, referral.id), a_talk(Step.IDEAS)
    for one in (talk, other):
        case_talk.add_idea(session, keyring, one, colleague, "Hausbesuch", now=now, today=today)
    session.commit()
    later = now + timedelta(days=1)
    if how == "withdrawn":
        actions.withdraw(session, referral, now=later)
    elif how == "expired":
        actions.expire(session, referral, now=later)
    else:
        referral.status, referral.erase_at = Status.COMPLETED.value, later
        session.add(referral)
        session.flush()
        assert retention.run(session, now=later)["referrals"] == 1
    session.commit()
    assert is_erased(session, keyring, talk, colleague, later)
    assert case_talk.view(session, keyring, other.id, colleague, region=REGION, now=later).ideas
    with pytest.raises((NotYourPart, Erased)):
        case_talk.add_idea(session, keyring, talk, colleague, "Noch eine", now=later, today=today)
    assert retention.run(session, now=later + actions.TOLD_FOR)["case_talks"] == 1
    assert retention.run(session, now=later)["case_talks"] == 0


def test_a_talk_begun_in_the_moment_of_the_withdrawal_goes_with_the_next_run(
    session: Session,
    keyring: Keyring,
    office: Office,
    colleague: UUID,
    a_referral: MakeReferral,
    a_talk: MakeTalk,
    now: datetime,
) -> None:
    referral, _code = a_referral(office)
    talk = a_talk()
    actions.withdraw(session, referral, now=now)
    talk.referral_id = referral.id
    session.add(talk)
    session.commit()
    retention.run(session, now=now)
    assert is_erased(session, keyring, talk, colleague, now)


def test_each_step_has_its_people(
    session: Session,
    keyring: Keyring,
    office: Office,
    colleague: UUID,
    a_talk: MakeTalk,
    now: datetime,
    today: date,
) -> None:
    me = office.counsellor.user_id
    talk = a_talk(Step.QUESTIONS)
    with pytest.raises(NotYourPart, match=r"^$"):
        case_talk.go_to(session, talk, colleague, 4, now=now)
    for wrong in (1, 3, 5, 0):
        with pytest.raises(NotYourPart):
            case_talk.go_to(session, talk, me, wrong, now=now)
    with pytest.raises(NotYourPart):
        case_talk.add_idea(session, keyring, talk, colleague, "Zu früh", now=now, today=today)
    case_talk.go_to(session, talk, me, 4, now=now)
    with pytest.raises(NotYourPart):
        case_talk.add_idea(session, keyring, talk, me, "Ich höre nicht zu", now=now, today=today)
    idea = case_talk.add_idea(session, keyring, talk, colleague, "Hausbesuch", now=now, today=today)
    again = case_talk.add_idea(session, keyring, talk, colleague, " Hausbesuch", now=now, today=today)
    assert again.id == idea.id
    with pytest.raises(NotYourPart):
        case_talk.choose(session, talk, me, [idea.id])
    case_talk.go_to(session, talk, me, 5, now=now)
    with pytest.raises(NotYourPart):
        case_talk.choose(session, talk, colleague, [idea.id])
    with pytest.raises(NotYourPart):
        case_talk.end(session, keyring, talk, me, ["Hausbesuch"], keep=KEEP, now=now, today=today)
    case_talk.go_to(session, talk, me, 6, now=now)
    with pytest.raises(NotYourPart):
        case_talk.end(session, keyring, talk, colleague, ["Hausbesuch"], keep=KEEP, now=now, today=today)
    with pytest.raises(ValueError, match="next step"):
        case_talk.end(session, keyring, talk, me, [" "], keep=KEEP, now=now, today=today)
    case_talk.go_to(session, talk, me, 5, now=now)
    case_talk.remove_idea(session, talk, colleague, idea.id)
    assert case_talk.view(session, keyring, talk.id, me, region=REGION, now=now).ideas == ()


def test_roles(
    session: Session, keyring: Keyring, office: Office, colleague: UUID, a_talk: MakeTalk, now: datetime
) -> None:
    me = office.counsellor.user_id
    talk = a_talk()
    for wrong in (
        {Part.MODERATOR: colleague, Part.WRITER: colleague},
        {Part.MODERATOR: me},
        {Part.MODERATOR: uuid4()},
    ):
        with pytest.raises(ValueError, match="one role"):
            case_talk.cast(session, talk, me, wrong)
    case_talk.cast(session, talk, me, {Part.MODERATOR: colleague})
    case_talk.cast(session, talk, colleague, {Part.TIMEKEEPER: colleague})
    view = case_talk.view(session, keyring, talk.id, colleague, region=REGION, now=now)
    assert view.me.part is Part.TIMEKEEPER
    with pytest.raises(NotYourPart):
        case_talk.cast(session, talk, colleague, {})
    with pytest.raises(NotYourPart):
        case_talk.leave(session, talk, me)


def test_of_two_moves_one_counts(session: Session, office: Office, a_talk: MakeTalk, now: datetime) -> None:
    me = office.counsellor.user_id
    talk = a_talk()
    session.commit()
    with Session(session.get_bind()) as other:
        case_talk.go_to(other, other.get_one(CaseTalk, talk.id), me, 2, now=now)
        # The first session still has the talk at step one in its hands.
        stale = CaseTalk(**talk.model_dump())
        other.commit()
    session.expunge(talk)
    with pytest.raises(Changed):
        case_talk.go_to(session, stale, me, 2, now=now)


def test_the_same_sheet_sent_twice_is_one_talk(
    session: Session, keyring: Keyring, office: Office, now: datetime, today: date
) -> None:
    made = {
        case_talk.create(
            session, keyring, SHEET, office.counsellor, region=REGION, now=moment, today=today
        ).id
        for moment in (now, now + timedelta(seconds=5))
    }
    assert len(made) == 1


def test_retention_erases_it_with_everything(
    session: Session,
    keyring: Keyring,
    office: Office,
    colleague: UUID,
    a_talk: MakeTalk,
    now: datetime,
    today: date,
) -> None:
    me = office.counsellor.user_id
    ended, left_open = a_talk(Step.IDEAS), None
    case_talk.add_idea(session, keyring, ended, colleague, "Hausbesuch", now=now, today=today)
    for number in (5, 6):
        case_talk.go_to(session, ended, me, number, now=now)
    case_talk.end(session, keyring, ended, me, ["Hausbesuch"], keep=KEEP, now=now, today=today)
    left_open = a_talk().id
    ended_id = ended.id
    session.commit()
    assert retention.run(session, now=now + KEEP - timedelta(seconds=1))["case_talks"] == 0
    assert retention.run(session, now=now + KEEP)["case_talks"] == 1
    session.commit()
    assert session.get(CaseTalk, ended_id) is None
    assert session.execute(select(CaseTalkIdea)).first() is None
    assert set(session.execute(select(col(CaseTalkParticipant.case_talk_id))).scalars()) == {left_open}
    # Nobody ended it: half a year is the end.
    assert retention.run(session, now=now + case_talk.HOLDS)["case_talks"] == 1
    session.commit()
    assert session.execute(select(CaseTalkParticipant)).first() is None


def test_an_end_late_in_the_half_year_does_not_prolong_it(
    session: Session, keyring: Keyring, office: Office, a_talk: MakeTalk, now: datetime, today: date
) -> None:
    talk, late = a_talk(Step.AGREEING), now + timedelta(days=150)
    case_talk.end(
        session, keyring, talk, office.counsellor.user_id, ["Anrufen"], keep=KEEP, now=late, today=today
    )
    assert talk.erase_at == now + case_talk.HOLDS


def test_the_presenter_erases_it_at_once(
    session: Session, keyring: Keyring, office: Office, colleague: UUID, a_talk: MakeTalk, now: datetime
) -> None:
    talk = a_talk()
    with pytest.raises(NotYourPart):
        case_talk.erase(session, talk, colleague)
    case_talk.erase(session, talk, office.counsellor.user_id)
    session.commit()
    assert session.execute(select(CaseTalk)).first() is None
    assert session.execute(select(CaseTalkParticipant)).first() is None


def test_a_counsellor_without_a_team_can_bring_a_case(
    session: Session, keyring: Keyring, now: datetime, today: date, office: Office
) -> None:
    coordinator = Counsellor(user(session, now, Role.COORDINATOR), frozenset())
    talk = case_talk.create(session, keyring, SHEET, coordinator, region=REGION, now=now, today=today)
    view = case_talk.view(session, keyring, talk.id, coordinator.user_id, region=REGION, now=now)
    assert view.me.part is Part.PRESENTER
