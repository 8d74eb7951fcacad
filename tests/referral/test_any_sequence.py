"""Whatever people do in whatever order: no forbidden state, nobody lost, nothing shown without consent, nothing left."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete, select
from sqlmodel import col

from portal.db import session_factory
from portal.referral import actions, escalation, queries, retention
from portal.referral.errors import NotYourTeam, ReferralError
from portal.referral.lifecycle import ENDED, LIVE, MoveNotAllowed
from portal.referral.models import (
    Appointment,
    AppointmentState,
    Consent,
    Count,
    Message,
    Notice,
    Outcome,
    Referral,
    ReferralEvent,
    Status,
    Team,
)
from portal.referral.personal import Line, Meeting, Person
from portal.referral.queries import Pile
from tests.factories import REGION
from tests.referral.conftest import agreed

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
KEEP = timedelta(days=90)
FIELDS = ("name", "phone", "answer:topic", "own_words")
# Written down once more, apart from the table that the code uses.
STEPS = {
    "draft": {"requested"},
    "requested": {"accepted", "rejected", "cancelled"},
    "accepted": {"in_progress", "completed", "requested", "cancelled"},
    "rejected": {"requested", "cancelled"},
    "in_progress": {"completed", "requested", "cancelled"},
    "completed": {"cancelled"},
    "cancelled": set(),
}
REFUSED = (ReferralError, MoveNotAllowed, ValueError)

which = st.integers(0, 1)
office = st.integers(0, 2)
other = st.integers(0, 9).map(lambda n: max(n - 7, 0))
"""0: the team that is responsible, as mostly in life; 1 and 2: the others."""
fields = st.sets(st.sampled_from(FIELDS))


def machine(engine, keyring, days, offices):
    class AnySequence(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.session = session_factory(engine)()
            for model in (Referral, Count, Notice):
                self.session.execute(delete(model))
            for team in self.session.execute(select(Team)).scalars():
                team.away_from = None
            self.session.commit()
            self.now = START
            self.ids: list[UUID] = []
            self.seen: dict[UUID, str] = {}
            self.may_read: dict[UUID, dict[UUID, set[str]]] = {}
            """What the young person agreed to, by team."""
            self.said = 0
            self.open: set[str] = set()
            """What waits for an answer somewhere: rules that answer it are not tried in vain all the time."""
            self.unchecked = False
            """Something changed: looking again costs more than doing it."""

        def teardown(self):
            self.session.close()

        # Help.

        def referral(self, number):
            if not self.ids:
                return None
            return self.session.get(Referral, self.ids[number % len(self.ids)], populate_existing=True)

        def asked(self):
            """One whose young person is asked whether another team may take over."""
            rows = [self.session.get(Referral, id_, populate_existing=True) for id_ in self.ids]
            return next((row for row in rows if row.proposed_organization_id), None)

        def text(self, words):
            self.said += 1
            return f"{words} {self.said}"

        def consent(self, keys):
            lines = [Line(key=k, label=k, label_de=k, value=self.text(k), value_de=k) for k in sorted(keys)]
            none = Line(key="nothing", label="-", label_de="-", value="-", value_de="-")
            given = agreed(*(lines or [none]))
            return given, {line.value for line in given.lines}

        def tries(self, act, *args, **kwargs):
            """Whether it happened. What is refused leaves nothing behind."""
            try:
                done = act(*args, **kwargs)
            except REFUSED:
                self.session.rollback()
                return None
            self.session.commit()
            self.unchecked = True
            return True if done is None else done

        def acting(self, one, who):
            at = next(n for n, o in enumerate(offices) if o.desk.organization_id == one.organization_id)
            return offices[(at + who) % len(offices)]

        def by_team(self, number, who, act, *args, **kwargs):
            """Whoever does not belong to the responsible team is refused for just that."""
            one = self.referral(number)
            if one is None:
                return None
            by = self.acting(one, who).counsellor
            if one.organization_id in by.organizations:
                return self.tries(act, self.session, *args, one, by, now=self.now, **kwargs)
            try:
                act(self.session, *args, one, by, now=self.now, **kwargs)
            except NotYourTeam:
                self.session.rollback()
                return None
            raise AssertionError(f"{act.__name__} by a team that is not responsible")

        # The young person.

        @initialize(who=office, keys=fields)
        def begins(self, who, keys):
            self.sends(who, keys)

        @precondition(lambda self: len(self.ids) < 2)
        @rule(who=office, keys=fields)
        def sends(self, who, keys):
            one, token = actions.begin(
                self.session, keyring, region=REGION, language="ar", desk=offices[who].desk, now=self.now
            )
            person = Person(name="Sternchen", phone="+4915112345678", own_words="Ich war lange weg.")
            actions.write(self.session, keyring, one, person, now=self.now)
            self.session.commit()
            given, values = self.consent(keys)
            code = self.tries(
                actions.submit, self.session, keyring, one, given, text_version="1", days=days, now=self.now
            )
            if code is None:
                assert actions.draft(self.session, keyring, token, now=self.now).status == Status.DRAFT
                actions.discard(self.session, one)
                self.session.commit()
                return
            self.ids.append(one.id)
            self.seen[one.id] = "draft"
            self.may_read[one.id] = {one.organization_id: values}
            assert queries.by_code(self.session, keyring, code).id == one.id

        @precondition(lambda self: self.ids)
        @rule(number=which)
        def withdraws(self, number):
            one = self.referral(number)
            if one is not None and self.tries(actions.withdraw, self.session, one, now=self.now):
                self.may_read[one.id] = {}

        @precondition(lambda self: self.ids)
        @rule(number=which)
        def alarms(self, number):
            one = self.referral(number)
            if one is not None and self.tries(actions.alarm, self.session, one, now=self.now):
                assert one.id in {
                    found.id
                    for found in queries.at_coordinators(self.session, REGION, today=days.today(self.now))
                }

        @precondition(lambda self: self.open & {"accepted", "in_progress"})
        @rule(number=which)
        def reads(self, number):
            one = self.referral(number)
            if one is not None:
                self.tries(actions.read_by_person, self.session, one, days=days, now=self.now)

        @precondition(lambda self: self.ids)
        @rule(number=which, to=office)
        def writes(self, number, to):
            one = self.referral(number)
            if one is None:
                return
            to_id = offices[to].desk.organization_id
            words = self.text(f"words to {to_id}")
            sent = self.tries(
                actions.message, self.session, keyring, one, words,
                organization_id=to_id, by=None, days=days, now=self.now,
            )  # fmt: skip
            assert not sent or to_id in self.may_read[one.id]

        @precondition(lambda self: "handover" in self.open)
        @rule(keys=fields, in_person=st.booleans())
        def agrees_to_the_handover(self, keys, in_person):
            one = self.asked()
            if one is None:
                return
            former, to = one.organization_id, one.proposed_organization_id
            by = next(o.counsellor for o in offices if former in o.counsellor.organizations)
            given, values = self.consent(keys)
            done = self.tries(
                actions.agree_handover, self.session, keyring, one, given,
                text_version="1", days=days, now=self.now, recorded_by=by if in_person else None,
            )  # fmt: skip
            if done:
                readers = self.may_read[one.id]
                readers.pop(former, None)
                readers[to] = values

        @precondition(lambda self: "handover" in self.open)
        @rule()
        def declines_the_handover(self):
            one = self.asked()
            if one is not None:
                self.tries(actions.decline_handover, self.session, one, now=self.now)

        @precondition(lambda self: "question" in self.open)
        @rule(number=which, keys=st.none() | fields)
        def answers_about_another_team(self, number, keys):
            one = self.referral(number)
            asked = one and self.session.execute(
                select(Consent).where(
                    col(Consent.referral_id) == one.id,
                    col(Consent.given_at).is_(None),
                    col(Consent.declined_at).is_(None),
                )
            ).scalars().first()  # fmt: skip
            if not asked:
                return
            given, values = self.consent(keys) if keys is not None else (None, set())
            done = self.tries(
                actions.agree_joint, self.session, keyring, one, asked, given, text_version="1", now=self.now
            )
            if done and given is not None:
                self.may_read[one.id][asked.organization_id] = values

        @precondition(lambda self: "joint" in self.open)
        @rule(number=which)
        def sends_another_team_away(self, number):
            one = self.referral(number)
            joint = one and self.session.execute(
                select(Consent).where(
                    col(Consent.referral_id) == one.id,
                    col(Consent.kind) == "joint",
                    col(Consent.given_at).is_not(None),
                    col(Consent.withdrawn_at).is_(None),
                    col(Consent.ended_at).is_(None),
                )
            ).scalars().first()  # fmt: skip
            if joint and self.tries(actions.withdraw_joint, self.session, one, joint, now=self.now):
                self.may_read[one.id].pop(joint.organization_id, None)

        @precondition(lambda self: "appointment" in self.open)
        @rule(number=which, fits=st.booleans())
        def answers_an_appointment(self, number, fits):
            one = self.referral(number)
            proposed = one and self.session.execute(
                select(Appointment).where(
                    col(Appointment.referral_id) == one.id, col(Appointment.state) == "proposed"
                )
            ).scalars().first()  # fmt: skip
            if proposed:
                self.tries(actions.answer_appointment, self.session, one, proposed, fits=fits, now=self.now)

        @rule(number=which, who=other, fits=st.booleans())
        def says_whether_a_meeting_suits(self, number, who, fits):
            one = self.referral(number)
            joint = one and self.session.execute(
                select(Appointment).where(col(Appointment.referral_id) == one.id, col(Appointment.joint))
            ).scalars().first()  # fmt: skip
            if joint:
                acting = self.acting(one, who)
                team = acting.desk.organization_id
                said = self.tries(
                    actions.join_appointment, self.session, one, joint, acting.counsellor,
                    organization_id=team, fits=fits, now=self.now,
                )  # fmt: skip
                assert not said or team in self.may_read[one.id]

        # Teams: the right one and others.

        @precondition(lambda self: self.ids)
        @rule(number=which, who=other)
        def claims(self, number, who):
            self.by_team(number, who, actions.claim)

        @precondition(lambda self: self.ids)
        @rule(number=which, who=other)
        def releases(self, number, who):
            self.by_team(number, who, actions.release)

        @precondition(lambda self: self.ids)
        @rule(number=which, who=other)
        def accepts(self, number, who):
            self.by_team(number, who, actions.accept)

        @precondition(lambda self: self.ids)
        @rule(number=which, who=other, better=st.none() | office)
        def rejects(self, number, who, better):
            desk = None if better is None else offices[better].desk
            reason = self.text("reason")
            self.by_team(
                number,
                who,
                lambda s, *a, **k: actions.reject(s, keyring, *a, reason=reason, better=desk, **k),
            )

        @precondition(lambda self: self.open & {"accepted", "in_progress", "cancelled"})
        @rule(number=which, who=other)
        def gets_in_contact(self, number, who):
            self.by_team(number, who, actions.contact, days=days)

        @precondition(lambda self: self.open & {"accepted", "in_progress", "cancelled"})
        @rule(number=which, who=other)
        def notes_a_try(self, number, who):
            note = self.text("note")
            self.by_team(number, who, lambda s, *a, **k: actions.note_try(s, keyring, *a, note=note, **k))

        @precondition(lambda self: self.ids)
        @rule(number=which, who=other)
        def answers(self, number, who):
            one = self.referral(number)
            if one is None:
                return
            acting = self.acting(one, who)
            team = acting.desk.organization_id
            words = self.text(f"words of {team}")
            sent = self.tries(
                actions.message, self.session, keyring, one, words,
                organization_id=team, by=acting.counsellor, days=days, now=self.now,
            )  # fmt: skip
            assert not sent or team in self.may_read[one.id]

        @precondition(lambda self: self.ids)
        @rule(number=which, who=other, joint=st.booleans())
        def proposes_an_appointment(self, number, who, joint):
            meeting = Meeting(start_at=self.now, minutes=30, note=self.text("meeting"))
            self.by_team(
                number,
                who,
                lambda s, one, by, **k: actions.propose_appointment(s, keyring, one, by, meeting, **k),
                joint=joint,
            )

        @precondition(lambda self: self.ids)
        @rule(number=which, who=other, to=office)
        def proposes_a_handover(self, number, who, to):
            reason = self.text("reason")
            self.by_team(
                number,
                who,
                lambda s, one, by, **k: actions.propose_handover(
                    s, keyring, one, offices[to].desk, by=by, reason=reason, **k
                ),
            )

        @precondition(lambda self: self.ids)
        @rule(number=which, to=office)
        def coordinator_proposes(self, number, to):
            one = self.referral(number)
            if one is not None:
                self.tries(
                    actions.propose_handover, self.session, keyring, one, offices[to].desk,
                    by=None, reason="Passt besser.", now=self.now,
                )  # fmt: skip

        @precondition(lambda self: self.open & {"accepted", "in_progress"})
        @rule(number=which, who=other, to=office)
        def asks_for_another_team(self, number, who, to):
            self.by_team(
                number, who, lambda s, one, by, **k: actions.propose_joint(s, one, by, offices[to].desk, **k)
            )

        @precondition(lambda self: self.open & {"accepted", "in_progress", "rejected"})
        @rule(number=which, who=other, outcome=st.sampled_from(list(Outcome)))
        def completes(self, number, who, outcome):
            done = self.by_team(
                number,
                who,
                lambda s, *a, **k: actions.complete(s, keyring, *a, **k),
                outcome=outcome,
                keep=KEEP,
            )
            if done:
                one = self.referral(number)
                readers = self.may_read[one.id]
                self.may_read[one.id] = {one.organization_id: readers[one.organization_id]}

        # Time, absence and what runs by itself.

        @rule(who=office, away=st.sampled_from([False, False, True]))
        def goes_away(self, who, away):
            team = self.session.get(Team, offices[who].desk.organization_id, populate_existing=True)
            team.away_from = self.now.date() if away else None
            self.session.add(team)
            self.session.commit()

        @rule(hours=st.sampled_from([1, 1, 1, 30, 24 * 4, 24 * 8, 24 * 40, 24 * 100]))
        def time_goes_by(self, hours):
            self.now += timedelta(hours=hours)
            escalation.run(
                self.session, keyring, REGION, days=days, now=self.now, next_desk=lambda _one: offices[2].desk
            )
            retention.run(self.session, now=self.now)
            self.session.commit()
            self.unchecked = True
            assert not +retention.run(self.session, now=self.now)
            self.session.rollback()
            gone = set(self.ids) - set(self.session.execute(select(col(Referral.id))).scalars())
            for id_ in gone:
                assert self.seen[id_] in ("completed", "cancelled")
                self.ids.remove(id_)
                for model in (Consent, Message, Appointment, ReferralEvent, Notice):
                    left = select(model).where(col(model.referral_id) == id_)
                    assert self.session.execute(left).first() is None

        # What holds at any time.

        @invariant()
        def everything_holds(self):
            if self.unchecked:
                self.the_state_is_a_step_from_the_last()
                self.nobody_is_lost()
                self.a_team_reads_what_was_agreed_and_nothing_else()
                self.what_was_cancelled_holds_nothing_personal()
                self.unchecked = False
                self.look_what_is_open()

        def look_what_is_open(self):
            rows = [self.session.get(Referral, id_) for id_ in self.ids]
            asked = self.session.execute(
                select(col(Consent.given_at).is_(None), col(Consent.kind)).where(
                    col(Consent.ended_at).is_(None), col(Consent.declined_at).is_(None)
                )
            ).all()
            states = self.session.execute(select(col(Appointment.state))).scalars()
            self.open = {
                *(str(row.status) for row in rows),
                *("handover" for row in rows if row.proposed_organization_id),
                *("question" for waits, kind in asked if waits and kind == "joint"),
                *("joint" for waits, kind in asked if not waits and kind == "joint"),
                *("appointment" for state in states if state == "proposed"),
            }

        def the_state_is_a_step_from_the_last(self):
            for id_ in self.ids:
                one = self.session.get(Referral, id_, populate_existing=True)
                before, after = self.seen[id_], str(one.status)
                ran_out = after == "cancelled" and before not in ("cancelled", "draft")
                assert before == after or after in STEPS[before] or ran_out, (before, after)
                if after != before and after == "cancelled":
                    self.may_read[id_] = {}
                self.seen[id_] = after

        def nobody_is_lost(self):
            today = days.today(self.now)
            inboxes = [
                queries.inbox(self.session, o.counsellor.organizations, now=self.now, today=today)
                for o in offices
            ]
            for id_ in self.ids:
                one = self.session.get(Referral, id_)
                lines = [item for inbox in inboxes for item in inbox if item.referral.id == id_]
                responsible = [item for item in lines if not item.joint]
                if Status(one.status) in LIVE:
                    assert one.due_date is not None
                    assert one.erase_at > self.now
                    assert [item.pile is Pile.ENDED for item in responsible] == [False]
                    # That a team was away is no reason to ask any more once it answered.
                    assert one.status == "requested" or not actions.proposed_by_system(self.session, one)
                else:
                    assert all(item.pile is Pile.ENDED for item in lines)
                    assert one.ended_at is not None

        def a_team_reads_what_was_agreed_and_nothing_else(self):
            for id_ in self.ids:
                for o in offices:
                    team = o.desk.organization_id
                    may = self.may_read[id_].get(team)
                    try:
                        view = queries.for_team(self.session, keyring, id_, o.counsellor, now=self.now)
                    except NotYourTeam:
                        assert may is None
                        continue
                    if may is None:
                        assert view.agreed is None
                        assert not (view.messages or view.appointments or view.events)
                        continue
                    assert {line.value for line in view.agreed.lines} == may
                    assert all(str(team) in one.text for one in view.messages)
                    others = [
                        one.appointment
                        for one in view.appointments
                        if one.appointment.organization_id != team
                    ]
                    assert all(one.joint for one in others)
                    over = (AppointmentState.CANCELLED, AppointmentState.DECLINED)
                    assert all(
                        one.proposed_at >= view.consent.given_at for one in others if one.state in over
                    )

        def what_was_cancelled_holds_nothing_personal(self):
            for id_ in self.ids:
                one = self.session.get(Referral, id_)
                if one.status != Status.CANCELLED:
                    continue
                assert Status(one.status) in ENDED
                assert (one.key_sealed, one.person_sealed, one.code_lookup) == (None, None, None)
                of_it = {
                    model: self.session.execute(
                        select(model).where(col(model.referral_id) == id_)
                    ).scalars().all()
                    for model in (Message, Appointment, Consent, ReferralEvent, Notice)
                }  # fmt: skip
                assert not of_it[Message] and not of_it[Appointment]
                assert all(row.agreed_sealed is None for row in of_it[Consent])
                assert all(row.note_sealed is None for row in of_it[ReferralEvent])
                assert not any(row.to_person for row in of_it[Notice])

    return AnySequence


def test_any_sequence_of_moves(engine, session, keyring, days, an_office):
    offices = [an_office(), an_office("jobcenter"), an_office("berufsberatung")]
    session.commit()
    session.close()
    run_state_machine_as_test(
        machine(engine, keyring, days, offices),
        settings=settings(
            derandomize=True,
            database=None,
            deadline=None,
            max_examples=30,
            stateful_step_count=50,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )
