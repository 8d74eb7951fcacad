"""What happens around a referral: teams that empty, entries that merge, questions that nobody answers."""

from datetime import UTC, date, timedelta

import pytest
from holidays import HolidayBase
from sqlalchemy import update
from sqlmodel import select

from portal.accounts.models import User
from portal.catalogue import editing
from portal.catalogue.models import Organization, Service
from portal.catalogue.models import Status as EntryStatus
from portal.db import session_factory
from portal.referral import actions, choosing, counts, escalation, merging, queries, retention, slips
from portal.referral.choosing import Availability, Desk
from portal.referral.errors import Changed, ConsentMissing, NotYourTeam
from portal.referral.lifecycle import MoveNotAllowed
from portal.referral.models import (
    AppointmentAnswer,
    Consent,
    Notice,
    Referral,
    ReferralEvent,
    Status,
    Team,
)
from portal.referral.personal import Meeting, Situation
from portal.referral.promise import WorkingDays
from portal.referral.queries import Pile
from portal.referral.sealing import Keyring, kept_keys, new_key
from tests.factories import REGION
from tests.referral.conftest import agreed


def hourly(session, days, now, desk=None, keyring=None):
    """`keyring` is needed where somebody was in contact."""
    return escalation.run(session, keyring, REGION, days=days, now=now, next_desk=lambda _one: desk)


def test_overdue_goes_to_the_team_and_then_to_the_coordinators(session, days, now, an_office, a_referral):
    referral, _code = a_referral(an_office())
    assert not hourly(session, days, now + timedelta(days=5))
    assert hourly(session, days, now + timedelta(days=6)) == {"team": 1}
    assert not hourly(session, days, now + timedelta(days=6))
    assert queries.at_coordinators(session, REGION, today=now.date()) == []
    assert hourly(session, days, now + timedelta(days=7)) == {"coordinators": 1}
    assert [one.id for one in queries.at_coordinators(session, REGION, today=now.date())] == [referral.id]


def test_another_desk_is_offered_once(session, keyring, days, now, an_office, a_referral):
    office, other = an_office(), an_office("jobcenter")
    referral, _code = a_referral(office)
    session.get(Team, office.desk.organization_id).away_from = now.date()
    session.flush()
    assert hourly(session, days, now, other.desk)["proposed"] == 1
    actions.decline_handover(session, referral, now=now)
    assert hourly(session, days, now + timedelta(hours=1), other.desk)["proposed"] == 0
    assert referral.organization_id == office.desk.organization_id


def test_a_desk_that_turns_full_by_this_very_referral_keeps_it(session, days, now, an_office, a_referral):
    office, other = an_office(open_at_most=1), an_office("jobcenter")
    a_referral(office)
    assert hourly(session, days, now, other.desk)["proposed"] == 0
    session.get(Service, office.desk.service_id).capacity = "full"
    session.flush()
    assert hourly(session, days, now, other.desk)["proposed"] == 1


def test_who_never_answers_a_rejection_comes_to_the_coordinators(
    session, keyring, days, now, an_office, a_referral
):
    office, other = an_office(), an_office("jobcenter")
    referral, _code = a_referral(office)
    actions.reject(session, keyring, referral, office.counsellor, reason="Geld", better=other.desk, now=now)
    later = now + timedelta(days=7)
    assert not hourly(session, days, later)
    (item,) = queries.inbox(session, office.counsellor.organizations, now=later, today=later.date())
    assert item.pile is Pile.WAITING
    assert hourly(session, days, now + timedelta(days=14))["coordinators"] == 1


def test_a_team_that_lost_its_last_counsellor_does_not_keep_it_quiet(session, now, an_office, a_referral):
    coordinator = an_office("kreis").counsellor
    from portal.accounts.models import Role, RoleGrant

    session.add(RoleGrant(user_id=coordinator.user_id, role=Role.COORDINATOR.value, granted_at=now))
    office = an_office()
    referral, _code = a_referral(office)
    session.execute(update(User).where(User.id == office.counsellor.user_id).values(disabled_at=now))
    actions.withdraw(session, referral, now=now)
    told = session.exec(select(Notice).where(Notice.about == "referral.withdrawn")).all()
    assert [one.user_id for one in told] == [coordinator.user_id]


def test_the_text_that_was_shown_names_the_desk(session, keyring, days, now, an_office, a_referral):
    first, second, third = an_office(), an_office("jobcenter"), an_office("berufsberatung")
    referral, _token = actions.begin(session, keyring, region=REGION, language="ar", desk=first.desk, now=now)
    actions.redirect_draft(session, referral, second.desk)
    with pytest.raises(Changed):
        actions.submit(
            session, keyring, referral, agreed(), text_version="1", days=days, now=now, shown_desk=first.desk
        )
    sent, _code = a_referral(first)
    actions.accept(session, sent, first.counsellor, now=now)
    for desk in (second.desk, third.desk):
        actions.propose_handover(
            session, keyring, sent, desk, by=first.counsellor, reason="Passt besser.", now=now
        )
    with pytest.raises(Changed):
        actions.agree_handover(
            session, keyring, sent, agreed(), text_version="1", days=days, now=now, shown_desk=second.desk
        )
    assert sent.organization_id == first.desk.organization_id


def test_a_service_of_another_team_is_no_desk(session, now, an_office):
    office, other = an_office(), an_office("jobcenter")
    mixed = Desk(office.desk.service_id, other.desk.organization_id)
    assert choosing.availability(session, mixed, today=now.date()) is Availability.NONE


def test_the_next_team_reads_no_meeting_of_the_former(session, keyring, days, now, an_office, a_referral):
    first, second = an_office(), an_office("jobcenter")
    referral, _code = a_referral(first)
    actions.accept(session, referral, first.counsellor, now=now)
    meeting = Meeting(start_at=now, minutes=30, note="nur für euch")
    actions.propose_appointment(session, keyring, referral, first.counsellor, meeting, now=now, joint=True)
    actions.propose_handover(
        session, keyring, referral, second.desk, by=first.counsellor, reason="Passt besser.", now=now
    )
    later = now + timedelta(hours=1)
    actions.agree_handover(session, keyring, referral, agreed(), text_version="1", days=days, now=later)
    view = queries.for_team(session, keyring, referral.id, second.counsellor, now=later)
    assert view.appointments == ()
    assert {one.organization_id for one in view.consents} == {second.desk.organization_id}


def test_every_team_says_whether_a_joint_meeting_suits_it(session, keyring, days, now, an_office, a_referral):
    first, second, third = an_office(), an_office("jobcenter"), an_office("fremd")
    one, two = first.counsellor, second.counsellor
    referral, _code = a_referral(first)
    actions.accept(session, referral, one, now=now)
    asked = actions.propose_joint(session, referral, one, second.desk, now=now)
    meeting = Meeting(start_at=now + timedelta(days=3), minutes=30)
    alone = actions.propose_appointment(session, keyring, referral, one, meeting, now=now)
    joint = actions.propose_appointment(session, keyring, referral, one, meeting, now=now, joint=True)

    def says(by, appointment, fits, team=None):
        team = team or min(by.organizations)
        actions.join_appointment(session, referral, appointment, by, organization_id=team, fits=fits, now=now)

    def answers(by=None):
        if by is None:
            view = queries.for_person(session, keyring, referral)
        else:
            view = queries.for_team(session, keyring, referral.id, by, now=now)
        return [dict(read.answers) for read in view.appointments if read.appointment.joint]

    with pytest.raises(ConsentMissing):
        says(two, joint, True)
    actions.agree_joint(session, keyring, referral, asked, agreed(), text_version="1", now=now)
    assert answers() == answers(one) == [{}]
    says(two, joint, True)
    says(two, joint, False)
    assert answers() == answers(one) == answers(two) == [{second.desk.organization_id: False}]
    for by, appointment, team in ((one, joint, None), (two, alone, None)):
        with pytest.raises(MoveNotAllowed):
            says(by, appointment, True, team)
    with pytest.raises(NotYourTeam):
        says(third.counsellor, joint, True, second.desk.organization_id)
    told = [
        notice
        for notice in session.exec(select(Notice))
        if (notice.about, notice.organization_id)
        == ("referral.appointment_answered", first.desk.organization_id)
    ]
    assert len(told) == 2, "of each answer"
    actions.cancel_appointment(session, referral, joint, one, now=now)
    with pytest.raises(MoveNotAllowed):
        says(two, joint, True)
    merging.merged(
        session, "organization", gone=second.desk.organization_id, stays=third.desk.organization_id
    )
    assert answers() == [{third.desk.organization_id: False}]
    actions.withdraw(session, referral, now=now)
    assert session.exec(select(AppointmentAnswer)).all() == []


def test_a_team_that_takes_part_is_told_of_the_joint_meeting_and_of_its_end(
    session, keyring, days, now, an_office, a_referral
):
    first, second = an_office(), an_office("jobcenter")
    referral, _code = a_referral(first)
    actions.accept(session, referral, first.counsellor, now=now)
    asked = actions.propose_joint(session, referral, first.counsellor, second.desk, now=now)
    actions.agree_joint(session, keyring, referral, asked, agreed(), text_version="1", now=now)
    meeting = Meeting(start_at=now, minutes=30)
    proposed = actions.propose_appointment(
        session, keyring, referral, first.counsellor, meeting, now=now, joint=True
    )
    actions.answer_appointment(session, referral, proposed, fits=True, now=now)
    actions.cancel_appointment(session, referral, proposed, first.counsellor, now=now)
    told = [
        one.about
        for one in session.exec(select(Notice).order_by(Notice.written_at))
        if one.organization_id == second.desk.organization_id
    ]
    assert sorted(told) == [
        "referral.appointment", "referral.appointment", "referral.appointment_answered", "referral.joint",
    ]  # fmt: skip
    actions.withdraw_joint(session, referral, asked, now=now)
    actions.withdraw_joint(session, referral, asked, now=now)
    assert [one.move for one in session.exec(select(ReferralEvent))].count("withdraw_joint") == 1
    (item,) = queries.inbox(session, second.counsellor.organizations, now=now, today=now.date())
    assert item.pile is Pile.ENDED
    view = queries.for_team(session, keyring, referral.id, second.counsellor, now=now)
    assert view.agreed is None and view.appointments == ()
    (item,) = queries.inbox(session, first.counsellor.organizations, now=now, today=now.date())
    assert item.pile is not Pile.ENDED


def test_what_was_withdrawn_has_no_more_moves_but_says_so(session, keyring, now, an_office, a_referral):
    office = an_office()
    referral, _code = a_referral(office)
    actions.withdraw(session, referral, now=now)
    with pytest.raises(MoveNotAllowed):
        actions.note_try(session, keyring, referral, office.counsellor, note="x", now=now)


def test_what_ran_out_stays_until_the_team_was_told(session, now, an_office, a_referral):
    office = an_office()
    referral, _code = a_referral(office)
    moment = now + actions.CONSENT_HOLDS
    assert retention.run(session, now=moment) == {"expired": 1}
    assert not retention.run(session, now=moment)
    assert referral.status == Status.CANCELLED
    (consent,) = session.exec(select(Consent)).all()
    assert (consent.withdrawn_at, consent.ended_at) == (None, moment), "it ran out; nobody took it back"
    assert "referral.expired" in {one.about for one in session.exec(select(Notice))}
    assert retention.run(session, now=moment + actions.TOLD_FOR) == {"referrals": 1}


def test_a_new_key_does_not_bring_back_what_was_withdrawn(engine, session, now, an_office, days):
    old, new = new_key(), new_key()
    office = an_office()
    before = Keyring([old])
    referral, _token = actions.begin(session, before, region=REGION, language="ar", desk=office.desk, now=now)
    session.commit()

    class Withdrawn(Keyring):
        def resealed(self, key_sealed):
            with session_factory(engine)() as other:
                other.execute(update(Referral).values(key_sealed=None))
                other.commit()
            return super().resealed(key_sealed)

    with session_factory(engine)() as rotating:
        assert retention.rotate_keys(rotating, Withdrawn([new, old]))["sealed"] == 0
        rotating.commit()
    session.expire_all()
    assert session.get(Referral, referral.id).key_sealed is None


def test_rotation_goes_in_the_order_of_retention_and_escalation(engine, session, now, an_office):
    """Else two of them that run at once wait for each other, and PostgreSQL stops one."""
    old, new = new_key(), new_key()
    office = an_office()
    for _ in range(8):
        actions.begin(session, Keyring([old]), region=REGION, language="ar", desk=office.desk, now=now)
    session.commit()
    seen = []

    class Watched(Keyring):
        def resealed(self, key_sealed):
            seen.append(key_sealed)
            return super().resealed(key_sealed)

    with session_factory(engine)() as rotating:
        assert retention.rotate_keys(rotating, Watched([new, old]))["sealed"] == 8
        rotating.rollback()
    rows = {one.key_sealed: one.id for one in session.exec(select(Referral))}
    assert [rows[key] for key in seen] == sorted(rows.values())


def test_a_holiday_is_one_while_another_thread_looks_up_the_year(monkeypatch):
    unity = date(2031, 10, 3)
    filled = HolidayBase._populate
    found = []

    def populate(self, year):
        if not found:
            found.append(None)
            found[0] = WorkingDays("ST", UTC).is_one(unity)
        filled(self, year)

    monkeypatch.setattr(HolidayBase, "_populate", populate)
    assert not WorkingDays("ST", UTC).is_one(unity)
    assert found == [False]


def test_an_organization_that_was_known_twice_goes_on_as_one(
    session, keyring, days, now, an_office, a_referral
):
    gone, stays, third = an_office(), an_office("jugendamt-zwei"), an_office("jobcenter")
    session.get(Team, third.desk.organization_id).fallback_organization_id = gone.desk.organization_id
    referral, _code = a_referral(gone)
    a_referral(stays)
    session.commit()
    merging.merged(session, "organization", gone=gone.desk.organization_id, stays=stays.desk.organization_id)
    session.flush()
    assert referral.organization_id == stays.desk.organization_id
    view = queries.for_team(session, keyring, referral.id, stays.counsellor, now=now)
    assert view.agreed is not None
    with pytest.raises(NotYourTeam):
        queries.for_team(session, keyring, referral.id, gone.counsellor, now=now)
    assert session.get(Team, gone.desk.organization_id) is None
    assert (
        session.get(Team, third.desk.organization_id).fallback_organization_id == stays.desk.organization_id
    )
    found = counts.totals(session, REGION, None, since=now.date())
    assert found == {stays.desk.organization_id: {"requested": 2}}


def test_a_team_moves_to_the_organization_that_stays(session, now, an_office):
    gone, stays = an_office(languages=["uk"]), an_office("jugendamt-zwei")
    session.delete(session.get(Team, stays.desk.organization_id))
    session.flush()
    merging.merged(session, "organization", gone=gone.desk.organization_id, stays=stays.desk.organization_id)
    assert session.get(Team, stays.desk.organization_id).languages == ["uk"]


def test_what_a_referral_names_is_not_erased_from_the_catalogue(session, now, an_office, a_referral):
    office, unused = an_office(), an_office("jobcenter")
    a_referral(office)
    for model in (Service, Organization):
        session.execute(update(model).values(status=EntryStatus.ARCHIVED.value, archived_at=now))
    session.commit()
    later = now + timedelta(days=100)
    in_use = queries.catalogue_entries_in_use(session)
    assert in_use == {office.desk.service_id, office.desk.organization_id}
    assert set(editing.erase_archived(session, REGION, now=later, in_use=in_use)) == {
        "jobcenter", "jobcenter-empfang",
    }  # fmt: skip
    session.commit()
    assert session.get(Organization, unused.desk.organization_id) is None
    assert session.get(Service, office.desk.service_id) is not None


def test_two_slips_never_have_the_same_code(session, keyring, now, an_office, monkeypatch):
    an_office()
    rolled = iter(["1234 567", "1234 567", "7654 321"])
    monkeypatch.setattr("portal.referral.codes.new_code", lambda *_: next(rolled))
    situation = Situation(language="de", lines=(), service_name="Empfang")
    made = [
        slips.create(session, keyring, region=REGION, situation=situation, words=None, now=now)
        for _ in range(2)
    ]
    assert made == ["1234 567", "7654 321"]


def test_two_processes_that_start_at_once_share_the_key(tmp_path, monkeypatch):
    path = tmp_path / "referral_keys"
    link = __import__("os").link

    def slower(fresh, target):
        path.write_text("# of the first\n")
        link(fresh, target)

    monkeypatch.setattr("portal.referral.sealing.os.link", slower)
    assert kept_keys(path) == "# of the first\n"
    assert [one.name for one in tmp_path.iterdir()] == ["referral_keys"]
