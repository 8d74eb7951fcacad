"""What people do with a referral. Every change is a move of `lifecycle`, writes an event and what has to be told.

Actions flush; the caller commits. A move counts `Referral.version` in the database itself: of two that come at the
same moment one wins, and the other gets Changed.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Select, delete, or_, select, update
from sqlmodel import Session, col

from portal.accounts.tokens import new_token
from portal.referral import choosing, codes, counts, notices, promise
from portal.referral.choosing import Availability, Desk
from portal.referral.errors import Changed, ConsentMissing, DeskUnavailable, NotFound, NotYourTeam
from portal.referral.lifecycle import LIVE, Move, MoveNotAllowed, target
from portal.referral.models import (
    Actor,
    Appointment,
    AppointmentAnswer,
    AppointmentState,
    CaseTalk,
    CaseTalkIdea,
    Channel,
    Consent,
    ConsentKind,
    GivenHow,
    Message,
    Notice,
    Outcome,
    Referral,
    ReferralEvent,
    Status,
    Team,
)
from portal.referral.personal import Agreed, Meeting, Person
from portal.referral.promise import WorkingDays
from portal.referral.sealing import Keyring, Sealer
from portal.referral.silence import SIGNS

DRAFT_HOLDS = timedelta(hours=1)
PREPARED_HOLDS = timedelta(minutes=30)
"""The young person is in the same room."""
CONSENT_HOLDS = timedelta(days=182)
"""Six months (proposal of the federal guideline on social data in youth career agencies, 2016)."""
ASK_WORKED_AFTER = timedelta(days=14)
TOLD_FOR = timedelta(days=30)
"""How long the empty shell of what was withdrawn or ran out stays, so that the team sees that it must stop."""
TEXT_AT_MOST = 2000
"""Characters of a message or a note."""
_LABEL_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


@dataclass(frozen=True, slots=True)
class Counsellor:
    """Who acts for a team: `organizations` are those for which they may answer referrals."""

    user_id: UUID
    organizations: frozenset[UUID]


# -- the young person: draft and consent -------------------------------------------------------------------------------


def begin(
    session: Session,
    keyring: Keyring,
    *,
    region: str,
    language: str,
    desk: Desk,
    now: datetime,
    prepared_by: Counsellor | None = None,
) -> tuple[Referral, str]:
    """A new draft, and the token that opens it: for the cookie, or for the QR code of a prepared one."""
    id_ = uuid4()
    _sealer, key_sealed = keyring.new_record(id_)
    token = new_token()
    referral = Referral(
        id=id_,
        region=region,
        label=_new_label(session),
        language=language,
        service_id=desk.service_id,
        organization_id=desk.organization_id,
        prepared_by=prepared_by.user_id if prepared_by else None,
        key_sealed=key_sealed,
        draft_lookup=keyring.lookup(token),
        created_at=now,
        erase_at=now + (PREPARED_HOLDS if prepared_by else DRAFT_HOLDS),
    )
    session.add(referral)
    session.flush()
    return referral, token


def draft(session: Session, keyring: Keyring, token: str, *, now: datetime) -> Referral:
    """Raises NotFound."""
    found: Referral | None = session.execute(
        select(Referral).where(
            col(Referral.draft_lookup).in_(keyring.lookups(token)),
            col(Referral.status) == Status.DRAFT.value,
            col(Referral.erase_at) > now,
        )
    ).scalar_one_or_none()
    if found is None:
        raise NotFound
    return found


def write(
    session: Session,
    keyring: Keyring,
    referral: Referral,
    person: Person,
    *,
    now: datetime,
    language: str | None = None,
) -> None:
    """Keep what was typed into the draft so far; `language` when another one is read now.

    Raises MoveNotAllowed once it was sent, Changed when that happened in this very moment.
    """
    target(Status(referral.status), Move.PREPARE, Actor.YOUNG_PERSON)
    sealer = keyring.record(referral.id, referral.key_sealed)
    held = now + (PREPARED_HOLDS if referral.prepared_by else DRAFT_HOLDS)
    _change_draft(
        session,
        referral,
        person_sealed=person.seal(sealer, "person"),
        language=language or referral.language,
        erase_at=max(referral.erase_at, held),
    )


def own_draft(session: Session, keyring: Keyring, referral: Referral, token: str) -> None:
    """From now on `token` alone opens the draft. Raises Changed."""
    _change_draft(session, referral, draft_lookup=keyring.lookup(token))


def redirect_draft(session: Session, referral: Referral, desk: Desk) -> None:
    """Another desk, as long as nothing was sent. Raises MoveNotAllowed, Changed."""
    target(Status(referral.status), Move.PREPARE, Actor.YOUNG_PERSON)
    _change_draft(session, referral, service_id=desk.service_id, organization_id=desk.organization_id)


def discard(session: Session, referral: Referral) -> None:
    """Nothing was sent, nothing stays. Raises MoveNotAllowed, Changed."""
    target(Status(referral.status), Move.DISCARD, Actor.YOUNG_PERSON)
    gone = session.execute(
        delete(Referral)
        .where(col(Referral.id) == referral.id, col(Referral.status) == Status.DRAFT.value)
        .returning(col(Referral.id))
    ).first()
    if gone is None:
        raise Changed
    session.flush()


def submit(
    session: Session,
    keyring: Keyring,
    referral: Referral,
    agreed: Agreed,
    *,
    text_version: str,
    days: WorkingDays,
    now: datetime,
    given_how: GivenHow = GivenHow.FORM,
    words: codes.Words | None = None,
    code: str | None = None,
    shown_desk: Desk | None = None,
) -> str:
    """Send the draft to the team behind its desk, and return the receipt code.

    `agreed` is what was shown, word for word. `words` is the list the code is made from; digits without one. `code` is
    one that was made before, so that a form sent twice shows the same one; Changed when it is taken.
    `shown_desk` is the one that text names: Changed when another tab chose another one meanwhile.
    Raises ConsentMissing for an empty consent, DeskUnavailable, MoveNotAllowed, Changed.
    """
    desk = Desk(referral.service_id, referral.organization_id)
    _may_be_agreed(session, agreed, desk, shown_desk, days, now)
    if code is None:
        code = _new_code(session, keyring, words)
    elif _is_taken(session, keyring, code):
        raise Changed
    expires_at = now + CONSENT_HOLDS
    _move(
        session,
        referral,
        Move.SUBMIT,
        Actor.YOUNG_PERSON,
        now=now,
        requested_at=now,
        due_date=_due(session, referral.organization_id, days, now),
        draft_lookup=None,
        code_lookup=keyring.lookup(codes.folded(code)),
        # Until the end is known: long enough for the consent, and never without a date.
        erase_at=expires_at,
    )
    sealer = keyring.record(referral.id, referral.key_sealed)
    _give_consent(
        session,
        sealer,
        referral,
        agreed,
        kind=ConsentKind.REFERRAL,
        desk=desk,
        text_version=text_version,
        how=given_how,
        now=now,
    )
    counts.add(session, referral.region, referral.organization_id, "requested", now=now)
    notices.to_team(session, referral, "referral.requested", now=now)
    return code


def withdraw(session: Session, referral: Referral, *, now: datetime) -> None:
    """ "I no longer want this": everything personal is gone at once, and the teams are told to stop.

    Raises MoveNotAllowed, Changed.
    """
    concerned = {referral.organization_id, *_organizations_with_consent(session, referral)}
    was_live = Status(referral.status) in LIVE
    if was_live:
        _count_if_broken(session, referral, now=now)
    erase_at = min(referral.erase_at, now + TOLD_FOR)
    _move(session, referral, Move.WITHDRAW, Actor.YOUNG_PERSON, now=now, erase_at=erase_at, **_closed(now))
    erase_personal(session, referral, now=now, withdrawn=True)
    if was_live:
        counts.add(
            session, referral.region, referral.organization_id, f"outcome:{Outcome.WITHDRAWN}", now=now
        )
    for organization_id in concerned:
        notices.to_team(session, referral, "referral.withdrawn", now=now, organization_id=organization_id)


def alarm(session: Session, referral: Referral, *, now: datetime) -> None:
    """ "Nobody has called": the coordinators are told, once until the next contact. Raises MoveNotAllowed, Changed."""
    if referral.alarm_at is not None:
        return
    _move(session, referral, Move.ALARM, Actor.YOUNG_PERSON, now=now, alarm_at=now)
    notices.to_coordinators(session, referral, "referral.alarm", now=now)


def say_whether_it_worked(session: Session, referral: Referral, answer: str, *, now: datetime) -> bool:
    """Counts yes, partly or no, once; False when it is not asked (yet, or any more)."""
    if answer not in ("yes", "partly", "no") or not worked_is_asked(referral, now=now):
        return False
    # A second tap in the same moment finds the answer there and is not counted.
    first = session.execute(
        update(Referral)
        .where(col(Referral.id) == referral.id, col(Referral.worked).is_(None))
        .values(worked=answer)
        .returning(col(Referral.id)),
        execution_options={"synchronize_session": False},
    ).first()
    session.refresh(referral)
    if first is None:
        return False
    counts.add(session, referral.region, referral.organization_id, f"worked:{answer}", now=now)
    session.flush()
    return True


def worked_is_asked(referral: Referral, *, now: datetime) -> bool:
    asked_from = referral.requested_at and referral.requested_at + ASK_WORKED_AFTER
    return (
        referral.worked is None
        and asked_from is not None
        and now >= asked_from
        and Status(referral.status) in (*LIVE, Status.COMPLETED)
    )


# -- the team ----------------------------------------------------------------------------------------------------------


def claim(session: Session, referral: Referral, by: Counsellor, *, now: datetime) -> None:
    """Raises NotYourTeam, MoveNotAllowed; Changed when a colleague was quicker."""
    _of_team(referral, by)
    if referral.claimed_by not in (None, by.user_id):
        raise Changed
    target(Status(referral.status), Move.CLAIM, Actor.COUNSELLOR)
    if referral.claimed_by == by.user_id:
        return
    _move(session, referral, Move.CLAIM, Actor.COUNSELLOR, by=by, now=now, claimed_by=by.user_id)


def release(session: Session, referral: Referral, by: Counsellor, *, now: datetime) -> None:
    """Back to the team's inbox: also by a colleague, when somebody is ill."""
    _of_team(referral, by)
    target(Status(referral.status), Move.RELEASE, Actor.COUNSELLOR)
    if referral.claimed_by is None:
        return
    _move(session, referral, Move.RELEASE, Actor.COUNSELLOR, by=by, now=now, claimed_by=None)


def accept(session: Session, referral: Referral, by: Counsellor, *, now: datetime) -> None:
    """Nobody is asked any more whether another team may take over because this one was full or away.

    Raises NotYourTeam, MoveNotAllowed; Changed when a colleague was quicker.
    """
    _of_team(referral, by)
    if referral.claimed_by not in (None, by.user_id):
        raise Changed
    answered = _NO_PROPOSAL if proposed_by_system(session, referral) else {}
    _move(session, referral, Move.ACCEPT, Actor.COUNSELLOR, by=by, now=now, claimed_by=by.user_id, **answered)
    counts.add(session, referral.region, referral.organization_id, "accepted", now=now)
    notices.to_person(session, referral, "person.accepted", now=now)


def reject(
    session: Session,
    keyring: Keyring,
    referral: Referral,
    by: Counsellor,
    *,
    reason: str,
    better: Desk | None,
    now: datetime,
) -> None:
    """Not the right team: with the reason in words for the young person, and a better desk.

    Without one the coordinators are asked to find it. The next desk knows nothing before the young person agrees.
    Raises NotYourTeam, MoveNotAllowed, Changed; ValueError without a reason, or when `better` is the same team.
    """
    _of_team(referral, by)
    if not reason.strip():
        raise ValueError("a reason is missing")
    if better is not None and better.organization_id == referral.organization_id:
        raise ValueError("the better desk is another one")
    sealer = _sealer(keyring, referral, Move.REJECT, Actor.COUNSELLOR)
    _move(
        session,
        referral,
        Move.REJECT,
        Actor.COUNSELLOR,
        by=by,
        now=now,
        note=reason,
        sealer=sealer,
        proposed_service_id=better.service_id if better else None,
        proposed_organization_id=better.organization_id if better else None,
    )
    _cancel_appointments(session, referral, AppointmentState.PROPOSED, AppointmentState.AGREED)
    counts.add(session, referral.region, referral.organization_id, "rejected", now=now)
    notices.to_person(session, referral, "person.rejected", now=now)
    if better is None:
        notices.to_coordinators(session, referral, "referral.without_desk", now=now)


def note_try(
    session: Session, keyring: Keyring, referral: Referral, by: Counsellor, *, note: str, now: datetime
) -> None:
    """A call that nobody answered, or another try. Raises NotYourTeam, MoveNotAllowed, Changed."""
    _of_team(referral, by)
    sealer = _sealer(keyring, referral, Move.NOTE_TRY, Actor.COUNSELLOR)
    _move(session, referral, Move.NOTE_TRY, Actor.COUNSELLOR, by=by, now=now, note=note, sealer=sealer)


def contact(
    session: Session, referral: Referral, by: Counsellor, *, days: WorkingDays, now: datetime
) -> None:
    """They spoke or wrote with each other. Raises NotYourTeam, MoveNotAllowed, Changed."""
    _of_team(referral, by)
    _in_contact(session, referral, Actor.COUNSELLOR, by=by, days=days, now=now)


def _in_contact(
    session: Session,
    referral: Referral,
    actor: Actor,
    *,
    by: Counsellor | None = None,
    days: WorkingDays,
    now: datetime,
) -> None:
    first = referral.first_contact_at is None
    _move(
        session,
        referral,
        Move.CONTACT,
        actor,
        by=by,
        now=now,
        first_contact_at=referral.first_contact_at or now,
        alarm_at=None,
        escalation=0,
    )
    if first and referral.requested_at is not None:
        waited = days.between(days.today(referral.requested_at), days.today(now))
        counts.add(session, referral.region, referral.organization_id, promise.measure(waited), now=now)


def complete(
    session: Session,
    keyring: Keyring,
    referral: Referral,
    by: Counsellor,
    *,
    outcome: Outcome,
    note: str = "",
    now: datetime,
    keep: timedelta,
) -> None:
    """End the case. `keep`: how long it stays readable. Raises NotYourTeam, MoveNotAllowed, Changed."""
    _of_team(referral, by)
    sealer = _sealer(keyring, referral, Move.COMPLETE, Actor.COUNSELLOR)
    if outcome not in _THEY_MET:
        _count_if_broken(session, referral, now=now, anyway=outcome is Outcome.NO_CONTACT)
    others = set(_organizations_with_consent(session, referral)) - {referral.organization_id}
    _move(
        session,
        referral,
        Move.COMPLETE,
        Actor.COUNSELLOR,
        by=by,
        now=now,
        note=note,
        sealer=sealer,
        outcome=outcome.value,
        **_closed(now),
        erase_at=min(referral.erase_at, now + keep),
    )
    # What nobody answered any more, and the other teams: the purpose of their consent is over.
    _cancel_appointments(session, referral, AppointmentState.PROPOSED)
    session.execute(
        update(Consent)
        .where(
            col(Consent.referral_id) == referral.id,
            or_(col(Consent.kind) == ConsentKind.JOINT.value, col(Consent.given_at).is_(None)),
            col(Consent.ended_at).is_(None),
        )
        .values(ended_at=now)
    )
    counts.add(session, referral.region, referral.organization_id, f"outcome:{outcome}", now=now)
    notices.to_person(session, referral, "person.completed", now=now)
    for organization_id in sorted(others):
        notices.to_team(session, referral, "referral.completed", now=now, organization_id=organization_id)


# -- both sides --------------------------------------------------------------------------------------------------------


def message(
    session: Session,
    keyring: Keyring,
    referral: Referral,
    text: str,
    *,
    organization_id: UUID,
    by: Counsellor | None,
    days: WorkingDays,
    now: datetime,
    working: Collection[Channel] = notices.ALWAYS_WORKING,
) -> Message:
    """Between the young person (`by` is None) and one team that has their consent.

    The first message of a team that accepted is the first contact when the person is told of it, by the channels that
    are `working` here; else not before they read it. Raises ConsentMissing, NotYourTeam, MoveNotAllowed, Changed,
    ValueError for an empty or too long text.
    """
    if not text.strip() or len(text) > TEXT_AT_MOST:
        raise ValueError("a message has 1 to 2000 characters")
    if by is not None and organization_id not in by.organizations:
        raise NotYourTeam
    if live_consent(session, referral, organization_id, now=now) is None:
        raise ConsentMissing
    sealer = keyring.record(referral.id, referral.key_sealed)
    actor = Actor.COUNSELLOR if by else Actor.YOUNG_PERSON
    _move(session, referral, Move.MESSAGE, actor, by=by, now=now, thread=organization_id)
    sent = Message(
        referral_id=referral.id,
        organization_id=organization_id,
        at=now,
        author=actor.value,
        user_id=by.user_id if by else None,
    )
    sent.text_sealed = sealer.seal(f"message:{sent.id}", text.strip())
    session.add(sent)
    session.flush()
    if by is None:
        notices.to_team(
            session, referral, "referral.message", now=now, organization_id=organization_id, key=sent.id
        )
        return sent
    if (
        organization_id == referral.organization_id
        and _contact_is_awaited(referral)
        and notices.is_told(session, keyring, referral, working)
    ):
        contact(session, referral, by, days=days, now=now)
    notices.to_person(session, referral, "person.message", now=now, key=sent.id)
    return sent


def _contact_is_awaited(referral: Referral) -> bool:
    return Status(referral.status) is Status.ACCEPTED or (
        Status(referral.status) is Status.IN_PROGRESS and referral.alarm_at is not None
    )


def read_by_team(session: Session, referral: Referral, organization_id: UUID, *, now: datetime) -> None:
    """Mark as read what the person wrote to that team."""
    session.execute(
        update(Message)
        .where(
            col(Message.referral_id) == referral.id,
            col(Message.read_at).is_(None),
            col(Message.author) == Actor.YOUNG_PERSON.value,
            col(Message.organization_id) == organization_id,
        )
        .values(read_at=now)
    )
    session.flush()


def read_by_person(session: Session, referral: Referral, *, days: WorkingDays, now: datetime) -> None:
    """Mark as read what all teams wrote. Of the responsible one it is the contact that was awaited. Raises Changed."""
    wrote = set(
        session.execute(
            update(Message)
            .where(
                col(Message.referral_id) == referral.id,
                col(Message.read_at).is_(None),
                col(Message.author) != Actor.YOUNG_PERSON.value,
            )
            .values(read_at=now)
            .returning(col(Message.organization_id)),
            execution_options={"synchronize_session": False},
        ).scalars()
    )
    session.flush()
    if referral.organization_id in wrote and _contact_is_awaited(referral):
        _in_contact(session, referral, Actor.YOUNG_PERSON, days=days, now=now)


def propose_appointment(
    session: Session,
    keyring: Keyring,
    referral: Referral,
    by: Counsellor,
    meeting: Meeting,
    *,
    now: datetime,
    joint: bool = False,
) -> Appointment:
    """`joint`: for every team that has the young person's consent. Raises NotYourTeam, MoveNotAllowed, Changed."""
    _of_team(referral, by)
    sealer = _sealer(keyring, referral, Move.PROPOSE_APPOINTMENT, Actor.COUNSELLOR)
    _move(session, referral, Move.PROPOSE_APPOINTMENT, Actor.COUNSELLOR, by=by, now=now)
    proposed = Appointment(
        referral_id=referral.id, organization_id=referral.organization_id, joint=joint, proposed_at=now
    )
    proposed.details_sealed = meeting.seal(sealer, f"appointment:{proposed.id}")
    session.add(proposed)
    session.flush()
    notices.to_person(session, referral, "person.appointment", now=now, key=proposed.id)
    _tell_others(session, referral, proposed, "referral.appointment", now=now)
    return proposed


def answer_appointment(
    session: Session, referral: Referral, appointment: Appointment, *, fits: bool, now: datetime
) -> None:
    """Raises NotFound for one of another referral, MoveNotAllowed when it was answered or nothing is open, Changed."""
    if appointment.referral_id != referral.id:
        raise NotFound
    if appointment.state != AppointmentState.PROPOSED:
        raise MoveNotAllowed(Move.ANSWER_APPOINTMENT, Status(referral.status))
    _move(session, referral, Move.ANSWER_APPOINTMENT, Actor.YOUNG_PERSON, now=now)
    appointment.state = (AppointmentState.AGREED if fits else AppointmentState.DECLINED).value
    appointment.answered_at = now
    session.add(appointment)
    session.flush()
    notices.to_team(
        session,
        referral,
        "referral.appointment_answered",
        now=now,
        organization_id=appointment.organization_id,
        key=appointment.id,
    )
    _tell_others(session, referral, appointment, "referral.appointment_answered", now=now)


def join_appointment(
    session: Session,
    referral: Referral,
    appointment: Appointment,
    by: Counsellor,
    *,
    organization_id: UUID,
    fits: bool,
    now: datetime,
) -> None:
    """A team that takes part says whether a joint appointment suits it, and may change its mind while that is open.

    Raises NotFound, NotYourTeam, ConsentMissing, MoveNotAllowed, Changed.
    """
    if appointment.referral_id != referral.id:
        raise NotFound
    if organization_id not in by.organizations:
        raise NotYourTeam
    if live_consent(session, referral, organization_id, now=now) is None:
        raise ConsentMissing
    open_ = appointment.state in (AppointmentState.PROPOSED, AppointmentState.AGREED)
    if not open_ or not appointment.joint or appointment.organization_id == organization_id:
        raise MoveNotAllowed(Move.JOIN_APPOINTMENT, Status(referral.status))
    _move(session, referral, Move.JOIN_APPOINTMENT, Actor.COUNSELLOR, by=by, now=now, thread=organization_id)
    session.merge(
        AppointmentAnswer(
            appointment_id=appointment.id, organization_id=organization_id, fits=fits, answered_at=now
        )
    )
    session.flush()
    notices.to_team(
        session,
        referral,
        "referral.appointment_answered",
        now=now,
        organization_id=appointment.organization_id,
        key=f"{appointment.id}:{organization_id}:{referral.version}",
    )


def cancel_appointment(
    session: Session, referral: Referral, appointment: Appointment, by: Counsellor, *, now: datetime
) -> None:
    """Raises NotYourTeam, NotFound, MoveNotAllowed, Changed."""
    if appointment.referral_id != referral.id:
        raise NotFound
    if appointment.organization_id not in by.organizations:
        raise NotYourTeam
    if appointment.state not in (AppointmentState.PROPOSED, AppointmentState.AGREED):
        raise MoveNotAllowed(Move.PROPOSE_APPOINTMENT, Status(referral.status))
    _move(session, referral, Move.PROPOSE_APPOINTMENT, Actor.COUNSELLOR, by=by, now=now)
    appointment.state = AppointmentState.CANCELLED.value
    session.add(appointment)
    session.flush()
    notices.to_person(session, referral, "person.appointment", now=now, key=f"{appointment.id}:cancelled")
    _tell_others(session, referral, appointment, "referral.appointment", now=now, key="cancelled")


# -- no wrong door -----------------------------------------------------------------------------------------------------


def propose_handover(
    session: Session,
    keyring: Keyring,
    referral: Referral,
    desk: Desk,
    *,
    by: Counsellor | None,
    reason: str,
    now: datetime,
) -> None:
    """Another team would fit better. Until the young person agrees, the first one stays responsible.

    `by` is None for a coordinator, who finds a desk where the team named none. Raises NotYourTeam, MoveNotAllowed,
    Changed, ValueError.
    """
    if by is not None:
        _of_team(referral, by)
    if desk.organization_id == referral.organization_id:
        raise ValueError("the other desk belongs to the same team")
    if not reason.strip():
        raise ValueError("a reason is missing")
    sealer = _sealer(keyring, referral, Move.PROPOSE_HANDOVER, Actor.COUNSELLOR if by else Actor.COORDINATOR)
    _move(
        session,
        referral,
        Move.PROPOSE_HANDOVER,
        Actor.COUNSELLOR if by else Actor.COORDINATOR,
        by=by,
        now=now,
        note=reason,
        sealer=sealer,
        proposed_service_id=desk.service_id,
        proposed_organization_id=desk.organization_id,
    )
    notices.to_person(session, referral, "person.handover", now=now)


def agree_handover(
    session: Session,
    keyring: Keyring,
    referral: Referral,
    agreed: Agreed,
    *,
    text_version: str,
    days: WorkingDays,
    now: datetime,
    recorded_by: Counsellor | None = None,
    shown_desk: Desk | None = None,
) -> None:
    """The young person agrees that the proposed team takes over and reads `agreed`, and nothing else.

    `recorded_by`: told a counsellor of the responsible team, who records it as given in person. `shown_desk` is the
    one that text names: Changed when another one is proposed meanwhile. The former team sees nothing any more.
    Raises ConsentMissing, DeskUnavailable, NotYourTeam, MoveNotAllowed, Changed.
    """
    if referral.proposed_service_id is None or referral.proposed_organization_id is None:
        raise ConsentMissing("no desk is proposed")
    if recorded_by is not None:
        _of_team(referral, recorded_by)
    desk = Desk(referral.proposed_service_id, referral.proposed_organization_id)
    _may_be_agreed(session, agreed, desk, shown_desk, days, now)
    sealer = _sealer(
        keyring, referral, Move.AGREE_HANDOVER, Actor.COUNSELLOR if recorded_by else Actor.YOUNG_PERSON
    )
    former = referral.organization_id
    _count_if_broken(session, referral, now=now)
    _move(
        session,
        referral,
        Move.AGREE_HANDOVER,
        Actor.COUNSELLOR if recorded_by else Actor.YOUNG_PERSON,
        by=recorded_by,
        now=now,
        service_id=desk.service_id,
        organization_id=desk.organization_id,
        proposed_service_id=None,
        proposed_organization_id=None,
        claimed_by=None,
        requested_at=now,
        due_date=_due(session, desk.organization_id, days, now),
        first_contact_at=None,
        alarm_at=None,
        escalation=0,
        erase_at=now + CONSENT_HOLDS,
    )
    session.execute(
        update(Consent)
        .where(
            col(Consent.referral_id) == referral.id,
            col(Consent.organization_id).in_((former, desk.organization_id)),
            col(Consent.ended_at).is_(None),
        )
        .values(ended_at=now)
    )
    _cancel_appointments(session, referral, AppointmentState.PROPOSED, AppointmentState.AGREED)
    _give_consent(
        session,
        sealer,
        referral,
        agreed,
        kind=ConsentKind.HANDOVER,
        desk=desk,
        text_version=text_version,
        how=GivenHow.IN_PERSON if recorded_by else GivenHow.PRIVATE_PAGE,
        now=now,
        recorded_by=recorded_by,
    )
    counts.add(session, referral.region, former, f"outcome:{Outcome.PASSED_ON}", now=now)
    counts.add(session, referral.region, desk.organization_id, "requested", now=now)
    notices.to_team(session, referral, "referral.requested", now=now)
    notices.to_team(session, referral, "referral.handed_over", now=now, organization_id=former)


def decline_handover(session: Session, referral: Referral, *, now: datetime) -> None:
    """The young person does not want the proposed team. After a rejection the coordinators look for another way.

    Raises ConsentMissing when nothing is proposed, MoveNotAllowed, Changed.
    """
    if referral.proposed_organization_id is None:
        raise ConsentMissing("no desk is proposed")
    _move(
        session,
        referral,
        Move.DECLINE_HANDOVER,
        Actor.YOUNG_PERSON,
        now=now,
        proposed_service_id=None,
        proposed_organization_id=None,
    )
    if Status(referral.status) is Status.REJECTED:
        notices.to_coordinators(session, referral, "referral.without_desk", now=now)
    else:
        notices.to_team(session, referral, "referral.handover_declined", now=now)


def propose_joint(
    session: Session, referral: Referral, by: Counsellor, desk: Desk, *, now: datetime
) -> Consent:
    """Ask the young person whether another team may take part. Raises NotYourTeam, MoveNotAllowed, Changed, ValueError."""
    _of_team(referral, by)
    if desk.organization_id == referral.organization_id:
        raise ValueError("the team takes part already")
    if _joint(session, referral, desk.organization_id) is not None:
        raise ValueError("that team was asked for already")
    _move(session, referral, Move.PROPOSE_JOINT, Actor.COUNSELLOR, by=by, now=now)
    asked = Consent(
        referral_id=referral.id,
        kind=ConsentKind.JOINT.value,
        organization_id=desk.organization_id,
        service_id=desk.service_id,
        text_version="",
        language=referral.language,
        asked_at=now,
    )
    session.add(asked)
    session.flush()
    notices.to_person(session, referral, "person.joint", now=now, key=asked.id)
    return asked


def agree_joint(
    session: Session,
    keyring: Keyring,
    referral: Referral,
    asked: Consent,
    agreed: Agreed | None,
    *,
    text_version: str,
    now: datetime,
    recorded_by: Counsellor | None = None,
) -> None:
    """The young person's answer; `agreed` is None for no.

    Raises NotFound, ConsentMissing, NotYourTeam, MoveNotAllowed, Changed.
    """
    if asked.referral_id != referral.id or asked.given_at or asked.declined_at or asked.ended_at:
        raise NotFound
    if agreed is not None:
        _must_have_words(agreed)
    if recorded_by is not None:
        _of_team(referral, recorded_by)
    actor = Actor.COUNSELLOR if recorded_by else Actor.YOUNG_PERSON
    _move(session, referral, Move.AGREE_JOINT, actor, by=recorded_by, now=now)
    if agreed is None:
        asked.declined_at = now
    else:
        sealer = keyring.record(referral.id, referral.key_sealed)
        asked.agreed_sealed = agreed.seal(sealer, f"consent:{asked.id}")
        asked.text_version = text_version
        asked.given_at = now
        asked.given_how = (GivenHow.IN_PERSON if recorded_by else GivenHow.PRIVATE_PAGE).value
        asked.recorded_by = recorded_by.user_id if recorded_by else None
        asked.expires_at = now + CONSENT_HOLDS
    session.add(asked)
    session.flush()
    notices.to_team(session, referral, "referral.joint_answered", now=now, key=asked.id)
    if agreed is not None:
        notices.to_team(
            session, referral, "referral.joint", now=now, organization_id=asked.organization_id, key=asked.id
        )


def withdraw_joint(session: Session, referral: Referral, consent: Consent, *, now: datetime) -> None:
    """The young person no longer wants that one team to take part. Raises NotFound, MoveNotAllowed, Changed."""
    if consent.referral_id != referral.id or consent.kind != ConsentKind.JOINT or consent.given_at is None:
        raise NotFound
    if consent.withdrawn_at is not None or consent.ended_at is not None:
        return
    _move(
        session,
        referral,
        Move.WITHDRAW_JOINT,
        Actor.YOUNG_PERSON,
        now=now,
        thread=consent.organization_id,
    )
    consent.withdrawn_at = now
    consent.agreed_sealed = None
    session.add(consent)
    session.flush()
    notices.to_team(
        session,
        referral,
        "referral.withdrawn",
        now=now,
        organization_id=consent.organization_id,
        key=consent.id,
    )
    # The responsible team must not count on the other one any more.
    notices.to_team(session, referral, "referral.joint_answered", now=now, key=f"{consent.id}:withdrawn")


# -- the system --------------------------------------------------------------------------------------------------------


def expire(session: Session, referral: Referral, *, now: datetime) -> None:
    """The consent ran out before the case was closed. Raises MoveNotAllowed, Changed."""
    concerned = {referral.organization_id, *_organizations_with_consent(session, referral)}
    _count_if_broken(session, referral, now=now)
    _move(session, referral, Move.EXPIRE, Actor.SYSTEM, now=now, erase_at=now + TOLD_FOR, **_closed(now))
    erase_personal(session, referral, now=now)
    counts.add(session, referral.region, referral.organization_id, "expired", now=now)
    for organization_id in sorted(concerned):
        notices.to_team(session, referral, "referral.expired", now=now, organization_id=organization_id)


def offer_other_desk(session: Session, referral: Referral, desk: Desk, *, now: datetime) -> None:
    """The team turned full or away before it answered: the young person is asked whether `desk` may take over.

    Raises MoveNotAllowed, Changed.
    """
    _move(
        session,
        referral,
        Move.PROPOSE_HANDOVER,
        Actor.SYSTEM,
        now=now,
        proposed_service_id=desk.service_id,
        proposed_organization_id=desk.organization_id,
    )
    notices.to_person(session, referral, "person.handover", now=now)


def take_offer_back(session: Session, referral: Referral, *, now: datetime) -> None:
    """The team can take somebody again, and nobody answered `offer_other_desk`. Raises MoveNotAllowed, Changed."""
    _move(session, referral, Move.TAKE_OFFER_BACK, Actor.SYSTEM, now=now, **_NO_PROPOSAL)


def proposed_by_system(session: Session, referral: Referral) -> bool:
    """Whether the desk that waits for the young person's word comes from `offer_other_desk`."""
    if referral.proposed_organization_id is None:
        return False
    by = session.execute(
        select(col(ReferralEvent.actor))
        .where(
            col(ReferralEvent.referral_id) == referral.id,
            col(ReferralEvent.move).in_((Move.PROPOSE_HANDOVER.value, Move.REJECT.value)),
        )
        .order_by(col(ReferralEvent.id).desc())
        .limit(1)
    ).scalar()
    return by == Actor.SYSTEM


def escalate(session: Session, referral: Referral, level: int, *, now: datetime) -> None:
    """1: the team is told that it is overdue, 2: the coordinators. Raises MoveNotAllowed, Changed."""
    _move(session, referral, Move.ESCALATE, Actor.SYSTEM, now=now, escalation=level)
    if level == 1:
        notices.to_team(session, referral, "referral.overdue", now=now)
    else:
        notices.to_coordinators(session, referral, "referral.overdue", now=now)


def erase_personal(session: Session, referral: Referral, *, now: datetime, withdrawn: bool = False) -> None:
    """What is left names nobody: label, state, team and times, so that the team knows that it must stop."""
    referral.key_sealed = referral.person_sealed = None
    referral.code_lookup = referral.draft_lookup = None
    referral.language = "de"
    session.add(referral)
    of_it = {model: col(model.referral_id) == referral.id for model in (Message, Appointment, Consent)}
    session.execute(delete(Message).where(of_it[Message]))
    session.execute(delete(Appointment).where(of_it[Appointment]))
    session.execute(update(Consent).where(of_it[Consent]).values(agreed_sealed=None, language="de"))
    open_ones = (of_it[Consent], col(Consent.withdrawn_at).is_(None), col(Consent.ended_at).is_(None))
    if withdrawn:
        session.execute(
            update(Consent).where(*open_ones, col(Consent.given_at).is_not(None)).values(withdrawn_at=now)
        )
    session.execute(
        update(Consent)
        .where(*open_ones, *([col(Consent.given_at).is_(None)] if withdrawn else []))
        .values(ended_at=now)
    )
    session.execute(
        update(ReferralEvent).where(col(ReferralEvent.referral_id) == referral.id).values(note_sealed=None)
    )
    session.execute(delete(Notice).where(col(Notice.referral_id) == referral.id, col(Notice.to_person)))
    session.flush()
    erase_talks(session, [referral.id], now=now)


def erase_talks(session: Session, begun_from: Collection[UUID] | Select[Any], *, now: datetime) -> None:
    """What colleagues wrote about these referrals. What is left tells those who took part that nothing is."""
    talks = (
        session.execute(
            select(CaseTalk)
            .where(col(CaseTalk.referral_id).in_(begun_from))
            .order_by(col(CaseTalk.id))
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        .scalars()
        .all()
    )
    for talk in talks:
        talk.referral_id = talk.key_sealed = talk.sheet_sealed = None
        talk.ended_at = talk.ended_at or now
        talk.erase_at = min(talk.erase_at, now + TOLD_FOR)
        talk.version += 1
        session.add(talk)
    session.flush()
    session.execute(delete(CaseTalkIdea).where(col(CaseTalkIdea.case_talk_id).in_([one.id for one in talks])))


# -- inside ------------------------------------------------------------------------------------------------------------


def live_consent(
    session: Session, referral: Referral, organization_id: UUID, *, now: datetime
) -> Consent | None:
    """What that team may know now; None: nothing."""
    return session.execute(
        select(Consent)
        .where(
            col(Consent.referral_id) == referral.id,
            col(Consent.organization_id) == organization_id,
            col(Consent.given_at).is_not(None),
            col(Consent.withdrawn_at).is_(None),
            col(Consent.ended_at).is_(None),
            col(Consent.expires_at) > now,
        )
        .order_by(col(Consent.given_at).desc())
        .limit(1)
    ).scalar_one_or_none()


def _organizations_with_consent(
    session: Session, referral: Referral, *, now: datetime | None = None
) -> Collection[UUID]:
    query = select(col(Consent.organization_id)).where(
        col(Consent.referral_id) == referral.id,
        col(Consent.given_at).is_not(None),
        col(Consent.withdrawn_at).is_(None),
        col(Consent.ended_at).is_(None),
    )
    if now is not None:
        query = query.where(col(Consent.expires_at) > now)
    return set(session.execute(query).scalars())


def _joint(session: Session, referral: Referral, organization_id: UUID) -> Consent | None:
    """One that is asked or given for that team."""
    return session.execute(
        select(Consent)
        .where(
            col(Consent.referral_id) == referral.id,
            col(Consent.organization_id) == organization_id,
            col(Consent.declined_at).is_(None),
            col(Consent.withdrawn_at).is_(None),
            col(Consent.ended_at).is_(None),
        )
        .limit(1)
    ).scalar_one_or_none()


def _give_consent(
    session: Session,
    sealer: Sealer,
    referral: Referral,
    agreed: Agreed,
    *,
    kind: ConsentKind,
    desk: Desk,
    text_version: str,
    how: GivenHow,
    now: datetime,
    recorded_by: Counsellor | None = None,
) -> None:
    consent = Consent(
        referral_id=referral.id,
        kind=kind.value,
        organization_id=desk.organization_id,
        service_id=desk.service_id,
        text_version=text_version,
        language=referral.language,
        asked_at=now,
        given_how=how.value,
        recorded_by=recorded_by.user_id if recorded_by else None,
        given_at=now,
        expires_at=now + CONSENT_HOLDS,
    )
    consent.agreed_sealed = agreed.seal(sealer, f"consent:{consent.id}")
    session.add(consent)
    session.flush()


def _new_label(session: Session) -> str:
    """One that nobody has."""
    while True:
        label = "".join(secrets.choice(_LABEL_LETTERS) for _ in range(6))
        taken = session.execute(select(col(Referral.id)).where(col(Referral.label) == label)).first()
        if taken is None:
            return label


def _new_code(session: Session, keyring: Keyring, words: codes.Words | None) -> str:
    """One that nobody has; a short list of words or a poor one must not give two people the same."""
    while True:
        code = codes.new_code(words)
        if not _is_taken(session, keyring, code):
            return code


def _is_taken(session: Session, keyring: Keyring, code: str) -> bool:
    lookups = keyring.lookups(codes.folded(code))
    found = session.execute(select(col(Referral.id)).where(col(Referral.code_lookup).in_(lookups))).first()
    return found is not None


def _change_draft(session: Session, referral: Referral, **values: Any) -> None:
    """Only as long as it is a draft: a form left open in another tab changes nothing that was sent. Raises Changed."""
    changed = session.execute(
        update(Referral)
        .where(col(Referral.id) == referral.id, col(Referral.version) == referral.version)
        .where(col(Referral.status) == Status.DRAFT.value)
        .values(version=col(Referral.version) + 1, **values)
        .returning(col(Referral.version)),
        execution_options={"synchronize_session": False},
    ).first()
    if changed is None:
        raise Changed
    session.refresh(referral)


def _may_be_agreed(
    session: Session, agreed: Agreed, desk: Desk, shown: Desk | None, days: WorkingDays, now: datetime
) -> None:
    """Raises ConsentMissing, Changed when the text named another desk, DeskUnavailable."""
    _must_have_words(agreed)
    if shown not in (None, desk):
        raise Changed
    _must_be_open(session, desk, days, now)


def _must_have_words(agreed: Agreed) -> None:
    if not agreed.statement.strip() or not agreed.statement_de.strip():
        raise ConsentMissing("a consent without words is none")


def _must_be_open(session: Session, desk: Desk, days: WorkingDays, now: datetime) -> None:
    """Raises DeskUnavailable. Two who send to the last free place take turns here, so that one of them is told."""
    session.execute(
        update(Team)
        .where(col(Team.organization_id) == desk.organization_id)
        .values(accepts=col(Team.accepts)),
        execution_options={"synchronize_session": False},
    )
    if choosing.availability(session, desk, today=days.today(now)) is not Availability.OPEN:
        raise DeskUnavailable(desk)


def _cancel_appointments(session: Session, referral: Referral, *states: AppointmentState) -> None:
    session.execute(
        update(Appointment)
        .where(
            col(Appointment.referral_id) == referral.id,
            col(Appointment.state).in_([state.value for state in states]),
        )
        .values(state=AppointmentState.CANCELLED.value)
    )


def _tell_others(
    session: Session,
    referral: Referral,
    appointment: Appointment,
    about: str,
    *,
    now: datetime,
    key: str = "",
) -> None:
    """A joint appointment concerns every team that takes part, not only the one that proposed it."""
    if not appointment.joint:
        return
    for organization_id in sorted(_organizations_with_consent(session, referral, now=now)):
        if organization_id != appointment.organization_id:
            notices.to_team(
                session,
                referral,
                about,
                now=now,
                organization_id=organization_id,
                key=f"{appointment.id}:{key}" if key else appointment.id,
            )


def _sealer(keyring: Keyring, referral: Referral, move: Move, actor: Actor) -> Sealer:
    """Raises MoveNotAllowed, which says more than that what was withdrawn has no key any more."""
    target(Status(referral.status), move, actor)
    return keyring.record(referral.id, referral.key_sealed)


def _of_team(referral: Referral, by: Counsellor) -> None:
    if referral.organization_id not in by.organizations:
        raise NotYourTeam


_THEY_MET = frozenset(
    {
        Outcome.ARRIVED,
        Outcome.ADVICE_GIVEN,
        Outcome.IN_TRAINING,
        Outcome.IN_WORK,
        Outcome.BACK_AT_SCHOOL,
        Outcome.BENEFIT_APPLIED,
    }
)
"""Ends of which nobody noted the first contact, though there was one: on which day is not known."""


def _count_if_broken(session: Session, referral: Referral, *, now: datetime, anyway: bool = False) -> None:
    """The team was not in contact and never will be: the measured promise counts that as later than everything.

    Not where it ends up to the promised day (unless `anyway`), or where the team had said by then that it is not the
    right one. Days are those of UTC here: an hour or two in favour of the team.
    """
    if referral.first_contact_at is not None or referral.due_date is None:
        return
    until = now
    if Status(referral.status) is Status.REJECTED:
        until = _rejected_at(session, referral) or now
    if anyway or until.date() > referral.due_date:
        counts.add(session, referral.region, referral.organization_id, promise.NEVER, now=now)


def _rejected_at(session: Session, referral: Referral) -> datetime | None:
    found: datetime | None = session.execute(
        select(col(ReferralEvent.at))
        .where(col(ReferralEvent.referral_id) == referral.id, col(ReferralEvent.move) == Move.REJECT.value)
        .order_by(col(ReferralEvent.id).desc())
        .limit(1)
    ).scalar()
    return found


def _due(session: Session, organization_id: UUID, days: WorkingDays, now: datetime) -> date:
    team = session.get(Team, organization_id)
    return days.after(days.today(now), team.promise_days if team else 3)


_NO_PROPOSAL: dict[str, Any] = {"proposed_service_id": None, "proposed_organization_id": None}


def _closed(now: datetime) -> dict[str, Any]:
    return {"ended_at": now, "claimed_by": None, "alarm_at": None, **_NO_PROPOSAL}


def _move(
    session: Session,
    referral: Referral,
    move: Move,
    actor: Actor,
    *,
    now: datetime,
    by: Counsellor | None = None,
    thread: UUID | None = None,
    note: str = "",
    sealer: Sealer | None = None,
    **values: Any,
) -> None:
    """Change state and columns if nobody else did meanwhile, and write the event, of the team that was responsible or of
    `thread`. Raises MoveNotAllowed, Changed."""
    former = referral.organization_id
    before = Status(referral.status)
    after = target(before, move, actor)
    signs = actor is Actor.COUNSELLOR and move in SIGNS and thread in (None, former)
    if before is Status.IN_PROGRESS and signs:
        values.setdefault("escalation", 0)
    moved = session.execute(
        update(Referral)
        .where(col(Referral.id) == referral.id, col(Referral.version) == referral.version)
        .values(status=after.value, version=col(Referral.version) + 1, **values)
        .returning(col(Referral.version)),
        execution_options={"synchronize_session": False},
    ).first()
    if moved is None:
        raise Changed
    event = ReferralEvent(
        referral_id=referral.id,
        at=now,
        actor=actor.value,
        user_id=by.user_id if by else None,
        organization_id=thread or former,
        move=move.value,
        from_status=before.value,
        to_status=after.value,
    )
    session.refresh(referral)
    session.add(event)
    session.flush()
    if note.strip() and sealer is not None:
        event.note_sealed = sealer.seal(f"event:{event.id}", note.strip()[:TEXT_AT_MOST])
        session.add(event)
        session.flush()
