"""What counts as a contact, what is done about silence, and what of it is measured."""

from datetime import timedelta

import pytest
from sqlmodel import select

from portal.referral import actions, counts, escalation, promise, queries, silence
from portal.referral.lifecycle import Move
from portal.referral.models import Channel, Notice, Outcome, ReferralEvent, Status, Team
from portal.referral.personal import Meeting, Person
from portal.referral.queries import Pile
from tests.factories import REGION
from tests.referral.conftest import agreed

PHONE = "+4915112345678"
KEEP = timedelta(days=90)


def a_caller(*channels):
    return Person(name="Sternchen", phone=PHONE, mail="stern@example.org", channels=channels)


@pytest.fixture
def accepted(session, now, an_office, a_referral):
    """By a team that promises three working days; they end on Wednesday, the 25th."""

    def make(person=None):
        office = an_office()
        referral, _code = a_referral(office, person)
        actions.accept(session, referral, office.counsellor, now=now)
        return office, referral

    return make


@pytest.fixture
def writes(session, keyring, days):
    def write(office, referral, at, **options):
        actions.message(
            session, keyring, referral, "Guten Tag.", organization_id=office.desk.organization_id,
            by=office.counsellor, days=days, now=at, **options,
        )  # fmt: skip

    return write


@pytest.fixture
def hourly(session, keyring, days):
    def run(at, desk=None):
        return escalation.run(session, keyring, REGION, days=days, now=at, next_desk=lambda _one: desk)

    return run


@pytest.fixture
def measured(session, now):
    def found():
        totals = counts.totals(session, REGION, None, since=now.date())
        return {
            name.partition(":")[2]: number
            for of_team in totals.values()
            for name, number in of_team.items()
            if name.startswith("first_contact_days:")
        }

    return found


# -- a message that nobody is told of ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channels", "working", "counts_at_once"),
    [
        ((Channel.PHONE,), {Channel.MAIL}, False),
        ((Channel.PHONE, Channel.PAGE), {Channel.MAIL}, False),
        ((Channel.SMS,), {Channel.MAIL}, False),
        ((Channel.MESSENGER,), {Channel.MAIL, Channel.MESSENGER}, False),
        ((Channel.MAIL,), set(), False),
        ((Channel.SMS,), {Channel.MAIL, Channel.SMS}, True),
        ((Channel.PHONE, Channel.MAIL), {Channel.MAIL}, True),
        ((Channel.PAGE,), set(), True),
    ],
)
def test_a_message_is_a_contact_when_the_person_is_told(
    now, accepted, writes, measured, channels, working, counts_at_once
):
    office, referral = accepted(a_caller(*channels))
    writes(office, referral, now, working=working)
    assert (referral.first_contact_at == now) is counts_at_once
    assert measured() == ({"0": 1} if counts_at_once else {})


def test_a_message_nobody_is_told_of_counts_when_it_is_read(
    session, days, now, accepted, writes, hourly, measured
):
    office, referral = accepted(a_caller(Channel.PHONE))
    writes(office, referral, now)
    actions.alarm(session, referral, now=now)
    late = now + timedelta(days=7)
    assert hourly(late) == {"team": 1, "coordinators": 1}
    actions.read_by_person(session, referral, days=days, now=late)
    assert (referral.status, referral.first_contact_at) == (Status.IN_PROGRESS, late)
    assert (referral.alarm_at, referral.escalation) == (None, 0)
    assert measured() == {"5": 1}
    version = referral.version
    actions.read_by_person(session, referral, days=days, now=late)
    assert referral.version == version


def test_a_call_that_is_noted_counts_always(session, days, now, accepted, measured):
    office, referral = accepted(a_caller(Channel.PHONE))
    actions.contact(session, referral, office.counsellor, days=days, now=now)
    assert measured() == {"0": 1}


# -- silence after the first contact -----------------------------------------------------------------------------------


def working_day(days, now, number):
    return now + (days.after(days.today(now), number) - days.today(now))


def test_silence_goes_to_the_team_and_then_to_the_coordinators(
    session, keyring, days, now, accepted, writes, hourly
):
    office, referral = accepted()
    writes(office, referral, now)
    actions.note_try(session, keyring, referral, office.counsellor, note="Mailbox", now=now)
    today = days.today(now)
    assert not hourly(working_day(days, now, silence.SILENT_AFTER_DAYS))
    later = working_day(days, now, silence.SILENT_AFTER_DAYS + 1)
    assert hourly(later) == {"team": 1}
    assert not hourly(later)
    (item,) = queries.inbox(session, office.counsellor.organizations, now=later, today=today)
    assert item.pile is Pile.OVERDUE
    assert queries.at_coordinators(session, REGION, today=today) == []
    much_later = working_day(days, now, silence.COORDINATORS_AFTER_DAYS + 1)
    assert hourly(much_later) == {"coordinators": 1}
    assert not hourly(much_later)
    assert queries.at_coordinators(session, REGION, today=today) == [referral]

    writes(office, referral, much_later)
    (item,) = queries.inbox(session, office.counsellor.organizations, now=much_later, today=today)
    assert item.pile is Pile.OPEN
    assert queries.at_coordinators(session, REGION, today=today) == []
    assert not hourly(much_later)
    assert hourly(working_day(days, much_later, silence.SILENT_AFTER_DAYS + 1)) == {"team": 1}
    about = [one.about for one in session.exec(select(Notice)) if not one.to_person]
    assert about.count("referral.overdue") == 2, "the coordinators of this region have no account"


def test_nobody_is_silent_before_an_appointment(session, keyring, days, now, accepted, writes, hourly):
    office, referral = accepted()
    writes(office, referral, now)
    day = now + timedelta(days=40)
    proposed = actions.propose_appointment(
        session, keyring, referral, office.counsellor, Meeting(start_at=day, minutes=45), now=now
    )
    actions.answer_appointment(session, referral, proposed, fits=True, now=now)
    assert not hourly(day)
    assert not hourly(working_day(days, day, silence.SILENT_AFTER_DAYS))
    over = working_day(days, day, silence.SILENT_AFTER_DAYS + 1)
    assert silence.is_silent(session, keyring, referral, days=days, now=over)
    assert hourly(over) == {"team": 1}


def test_a_team_that_takes_part_does_not_speak_for_the_responsible_one(
    session, keyring, days, now, accepted, writes, hourly, an_office
):
    office, referral = accepted()
    second = an_office("jobcenter")
    writes(office, referral, now)
    asked = actions.propose_joint(session, referral, office.counsellor, second.desk, now=now)
    actions.agree_joint(session, keyring, referral, asked, agreed(), text_version="1", now=now)
    later = working_day(days, now, silence.SILENT_AFTER_DAYS + 1)
    writes(second, referral, later)
    assert hourly(later) == {"team": 1}
    writes(second, referral, later)
    assert queries.is_silent(referral)


# -- a question that the system asked ----------------------------------------------------------------------------------


def goes_away(session, office, day):
    session.get(Team, office.desk.organization_id).away_from = day
    session.flush()


def test_whoever_accepts_ends_the_question_of_the_system(session, now, an_office, a_referral, hourly):
    office, other = an_office(), an_office("jobcenter")
    referral, _code = a_referral(office)
    goes_away(session, office, now.date())
    assert hourly(now, other.desk)["proposed"] == 1
    actions.accept(session, referral, office.counsellor, now=now)
    assert (referral.proposed_organization_id, referral.proposed_service_id) == (None, None)


def test_what_somebody_proposed_stays_a_question(session, keyring, now, an_office, a_referral, hourly):
    office, other = an_office(), an_office("jobcenter")
    referral, _code = a_referral(office)
    actions.propose_handover(session, keyring, referral, other.desk, by=None, reason="Näher.", now=now)
    assert not hourly(now)
    actions.accept(session, referral, office.counsellor, now=now)
    assert referral.proposed_organization_id == other.desk.organization_id


def test_a_team_that_is_back_ends_the_question_and_may_leave_again(
    session, now, an_office, a_referral, hourly
):
    office, other = an_office(), an_office("jobcenter")
    referral, _code = a_referral(office)
    goes_away(session, office, now.date())
    assert hourly(now, other.desk) == {"proposed": 1}
    goes_away(session, office, None)
    assert hourly(now, other.desk) == {"taken_back": 1}
    assert referral.proposed_organization_id is None
    assert not hourly(now, other.desk)
    goes_away(session, office, now.date())
    assert hourly(now, other.desk) == {"proposed": 1}
    actions.decline_handover(session, referral, now=now)
    assert not hourly(now, other.desk)


# -- what is measured --------------------------------------------------------------------------------------------------

IN_TIME, LATE = timedelta(days=5), timedelta(days=7)


@pytest.mark.parametrize(
    ("outcome", "after", "never"),
    [
        (Outcome.NO_CONTACT, IN_TIME, {"never": 1}),
        (Outcome.WITHDRAWN, IN_TIME, {}),
        (Outcome.WITHDRAWN, LATE, {"never": 1}),
        (Outcome.OTHER, LATE, {"never": 1}),
        (Outcome.ADVICE_GIVEN, LATE, {}),
    ],
)
def test_who_was_never_called_is_counted(session, keyring, now, accepted, measured, outcome, after, never):
    office, referral = accepted()
    actions.complete(
        session, keyring, referral, office.counsellor, outcome=outcome, now=now + after, keep=KEEP
    )
    actions.withdraw(session, referral, now=now + timedelta(days=8))
    assert measured() == never


@pytest.mark.parametrize(("after", "never"), [(IN_TIME, {}), (LATE, {"never": 1})])
def test_who_no_longer_waits_is_counted_after_the_promised_day(
    session, now, an_office, a_referral, measured, after, never
):
    referral, _code = a_referral(an_office())
    actions.withdraw(session, referral, now=now + after)
    assert measured() == never


def test_whoever_was_in_contact_is_counted_once(session, days, now, accepted, measured):
    office, referral = accepted()
    actions.contact(session, referral, office.counsellor, days=days, now=now)
    actions.withdraw(session, referral, now=now + LATE)
    assert measured() == {"0": 1}


def test_a_consent_that_runs_out_is_counted(session, now, an_office, a_referral, measured):
    referral, _code = a_referral(an_office())
    actions.expire(session, referral, now=now + actions.CONSENT_HOLDS)
    assert measured() == {"never": 1}


@pytest.mark.parametrize(("rejected_after", "never"), [(IN_TIME, {}), (LATE, {"never": 1})])
def test_passed_on_is_counted_when_the_first_team_was_late(
    session, keyring, days, now, an_office, a_referral, measured, rejected_after, never
):
    office, other = an_office(), an_office("jobcenter")
    referral, _code = a_referral(office)
    actions.reject(
        session, keyring, referral, office.counsellor, reason="Geld", better=other.desk,
        now=now + rejected_after,
    )  # fmt: skip
    actions.agree_handover(
        session, keyring, referral, agreed(), text_version="1", days=days, now=now + timedelta(days=20)
    )
    assert measured() == never
    actions.accept(session, referral, other.counsellor, now=now + timedelta(days=20))
    actions.contact(session, referral, other.counsellor, days=days, now=now + timedelta(days=20))
    assert measured() == never | {"0": 1}


def test_the_median_is_silent_where_every_second_waits_in_vain(session, now, an_office):
    team = an_office().desk.organization_id

    def half():
        return promise.kept_days(session, REGION, team, today=now.date())

    for _ in range(6):
        counts.add(session, REGION, team, promise.measure(1), now=now)
    for _ in range(5):
        counts.add(session, REGION, team, promise.NEVER, now=now)
    assert half() == 1
    counts.add(session, REGION, team, promise.NEVER, now=now)
    assert half() is None


def test_the_history_says_who_was_in_contact(session, days, now, accepted, writes):
    office, referral = accepted(a_caller(Channel.PHONE))
    writes(office, referral, now)
    actions.read_by_person(session, referral, days=days, now=now)
    (event,) = session.exec(select(ReferralEvent).where(ReferralEvent.move == Move.CONTACT.value))
    assert event.actor == "young_person"
