"""Who may read what of a referral. A team reads what a live consent names it for, and nothing else."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, or_, select
from sqlmodel import Session, col

from portal.catalogue.models import Organization, Service
from portal.referral import codes
from portal.referral.actions import Counsellor, live_consent
from portal.referral.errors import NotFound, NotYourTeam
from portal.referral.lifecycle import ENDED, LIVE
from portal.referral.models import (
    Actor,
    Appointment,
    AppointmentAnswer,
    AppointmentState,
    Consent,
    ConsentKind,
    Message,
    Referral,
    ReferralEvent,
    Status,
)
from portal.referral.personal import Agreed, Meeting, Person
from portal.referral.sealing import Keyring, SealingError

ENDED_SHOWN = timedelta(days=30)
"""How long what ended stays in a team's list."""


class Pile(StrEnum):
    """The parts of a team's inbox; a referral lies on exactly one."""

    OVERDUE = "overdue"
    NEW = "new"
    ANSWERED = "answered"
    """The young person wrote, or answered an appointment: the team's turn."""
    WAITING = "waiting"
    """For the young person, or for the day that was agreed."""
    OPEN = "open"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class InboxItem:
    """A line of the inbox: nothing a person told stands in it."""

    referral: Referral
    pile: Pile
    unread: int
    joint: bool
    """The team takes part or took part, another one is responsible."""


def by_code(session: Session, keyring: Keyring, code: str) -> Referral:
    """Raises NotFound: for a wrong code, a withdrawn and an erased one alike."""
    found: Referral | None = session.execute(
        select(Referral).where(col(Referral.code_lookup).in_(keyring.lookups(codes.folded(code))))
    ).scalar_one_or_none()
    if found is None or found.key_sealed is None:
        raise NotFound
    return found


def inbox(
    session: Session, organizations: Collection[UUID], *, now: datetime, today: date
) -> list[InboxItem]:
    """Of all teams somebody belongs to, what is most urgent first."""
    if not organizations:
        return []
    # What was withdrawn stays for a while as an empty line, so that everybody sees that they must stop.
    given = (
        col(Consent.organization_id).in_(organizations),
        col(Consent.given_at).is_not(None),
        col(Consent.ended_at).is_(None),
    )
    taking_part = select(col(Consent.referral_id)).where(
        *given,
        or_(
            and_(col(Consent.withdrawn_at).is_(None), col(Consent.expires_at) > now),
            col(Consent.withdrawn_at) > now - ENDED_SHOWN,
        ),
    )
    stopped = set(
        session.execute(
            select(col(Consent.referral_id)).where(*given, col(Consent.withdrawn_at).is_not(None))
        ).scalars()
    ) - set(
        session.execute(
            select(col(Consent.referral_id)).where(
                *given, col(Consent.withdrawn_at).is_(None), col(Consent.expires_at) > now
            )
        ).scalars()
    )
    found = list(
        session.execute(
            select(Referral)
            .where(
                or_(col(Referral.organization_id).in_(organizations), col(Referral.id).in_(taking_part)),
                col(Referral.status) != Status.DRAFT.value,
                or_(col(Referral.ended_at).is_(None), col(Referral.ended_at) > now - ENDED_SHOWN),
            )
            .order_by(col(Referral.due_date), col(Referral.requested_at))
        ).scalars()
    )
    unread = _unread(session, found, organizations)
    waiting = _waiting(session, [one.id for one in found])
    items = [
        InboxItem(
            one,
            Pile.ENDED
            if one.organization_id not in organizations and one.id in stopped
            else _pile(one, unread[one.id], one.id in waiting, today=today),
            unread[one.id],
            joint=one.organization_id not in organizations,
        )
        for one in found
    ]
    order = list(Pile)
    return sorted(items, key=lambda item: order.index(item.pile))


def _pile(referral: Referral, unread: int, waiting: bool, *, today: date) -> Pile:
    status = Status(referral.status)
    if status in ENDED:
        return Pile.ENDED
    if is_overdue(referral, today=today) or is_silent(referral) or referral.alarm_at is not None:
        return Pile.OVERDUE
    if status is Status.REQUESTED:
        return Pile.NEW
    if unread:
        return Pile.ANSWERED
    if waiting or status is Status.REJECTED or referral.proposed_organization_id is not None:
        return Pile.WAITING
    return Pile.OPEN


def is_overdue(referral: Referral, *, today: date) -> bool:
    """The promised day is over and nobody was in contact. While the young person is asked about another team, it is
    not this one's delay."""
    return (
        Status(referral.status) in LIVE
        and not (Status(referral.status) is Status.REJECTED and referral.proposed_organization_id is not None)
        and referral.first_contact_at is None
        and referral.due_date is not None
        and referral.due_date < today
    )


def is_silent(referral: Referral) -> bool:
    """The team was told that the young person has heard nothing for long; see `silence`."""
    return Status(referral.status) is Status.IN_PROGRESS and referral.escalation > 0


def at_coordinators(session: Session, region: str, *, today: date) -> list[Referral]:
    """What needs somebody above the teams: no desk is known, nobody called, overdue or silent for too long. Labels and
    times; nothing a person told."""
    rows = session.execute(
        select(Referral)
        .where(
            col(Referral.region) == region,
            col(Referral.status).in_([status.value for status in LIVE]),
            or_(
                col(Referral.alarm_at).is_not(None),
                col(Referral.escalation) > 1,
                and_(
                    col(Referral.status) == Status.REJECTED.value,
                    col(Referral.proposed_organization_id).is_(None),
                ),
            ),
        )
        .order_by(col(Referral.due_date), col(Referral.requested_at))
    ).scalars()
    return sorted(rows, key=lambda one: not is_overdue(one, today=today))


def catalogue_entries_in_use(session: Session) -> frozenset[UUID]:
    """Services and organizations that referrals name; the catalogue must not erase them yet."""
    found: set[UUID] = set()
    for named in (
        Referral.service_id,
        Referral.organization_id,
        Referral.proposed_service_id,
        Referral.proposed_organization_id,
        Consent.organization_id,
        Message.organization_id,
        Appointment.organization_id,
    ):
        found |= set(session.execute(select(col(named)).where(col(named).is_not(None)).distinct()).scalars())
    return frozenset(found)


def _unread(session: Session, found: Sequence[Referral], organizations: Collection[UUID]) -> Counter[UUID]:
    """Messages not read yet, of the thread that `for_team` shows: the responsible team's before any other's."""
    rows = session.execute(
        select(col(Message.referral_id), col(Message.organization_id), func.count())
        .where(
            col(Message.referral_id).in_([one.id for one in found]),
            col(Message.organization_id).in_(organizations),
            col(Message.author) == Actor.YOUNG_PERSON.value,
            col(Message.read_at).is_(None),
        )
        .group_by(col(Message.referral_id), col(Message.organization_id))
    )
    responsible = {one.id: one.organization_id for one in found if one.organization_id in organizations}
    unread: Counter[UUID] = Counter()
    for referral_id, organization_id, number in rows:
        if responsible.get(referral_id, organization_id) == organization_id:
            unread[referral_id] += number
    return unread


def _waiting(session: Session, ids: Sequence[UUID]) -> frozenset[UUID]:
    """Those with an appointment that was proposed or agreed, or a question about another team."""
    appointments = select(col(Appointment.referral_id)).where(
        col(Appointment.referral_id).in_(ids),
        col(Appointment.state).in_((AppointmentState.PROPOSED.value, AppointmentState.AGREED.value)),
    )
    asked = select(col(Consent.referral_id)).where(
        col(Consent.referral_id).in_(ids),
        col(Consent.given_at).is_(None),
        col(Consent.declined_at).is_(None),
        col(Consent.ended_at).is_(None),
    )
    return frozenset(session.execute(appointments.union(asked)).scalars())


@dataclass(frozen=True, slots=True)
class ReadMessage:
    message: Message
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReadAppointment:
    appointment: Appointment
    meeting: Meeting = field(repr=False)
    answers: Mapping[UUID, bool]
    """Of a joint one by team: whether it suits. Those that did not answer are missing."""


@dataclass(frozen=True, slots=True)
class ReadEvent:
    event: ReferralEvent
    note: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TeamView:
    """A referral as one team may see it."""

    referral: Referral
    organization_id: UUID
    """The team that looks."""
    responsible: bool
    consent: Consent | None
    agreed: Agreed | None = field(repr=False)
    """None when the consent is withdrawn or ran out: then nothing personal is shown."""
    messages: tuple[ReadMessage, ...]
    appointments: tuple[ReadAppointment, ...]
    events: tuple[ReadEvent, ...]
    consents: tuple[Consent, ...]
    """Who takes part; for the responsible team also whom it asked for. Never who had the case before it."""


def for_team(
    session: Session, keyring: Keyring, referral_id: UUID, by: Counsellor, *, now: datetime
) -> TeamView:
    """Raises NotYourTeam, for a referral that does not exist as well."""
    referral = session.get(Referral, referral_id)
    if referral is None or referral.status == Status.DRAFT:
        raise NotYourTeam
    consents = consents_of(session, referral)
    if referral.organization_id in by.organizations:
        organization_id = referral.organization_id
    else:
        taking_part = [
            consent.organization_id
            for consent in consents
            if consent.organization_id in by.organizations
            and consent.given_at is not None
            and consent.ended_at is None
            and (consent.withdrawn_at is not None or is_live(consent, now=now))
        ]
        live = (one for one in taking_part if live_consent(session, referral, one, now=now) is not None)
        # One that was withdrawn shows nothing but that.
        found = next(live, next(iter(taking_part), None))
        if found is None:
            raise NotYourTeam
        organization_id = found
    consent = live_consent(session, referral, organization_id, now=now)
    responsible = organization_id == referral.organization_id
    if consent is None or referral.key_sealed is None:
        return TeamView(referral, organization_id, responsible, consent, None, (), (), (), ())
    sealer = keyring.record(referral.id, referral.key_sealed)
    return TeamView(
        referral,
        organization_id,
        responsible,
        consent,
        Agreed.open(sealer, f"consent:{consent.id}", consent.agreed_sealed),
        messages=_messages(session, keyring, referral, {organization_id}),
        appointments=_appointments(session, keyring, referral, consent),
        events=_events(session, keyring, referral, organization_id),
        consents=tuple(
            one
            for one in consents
            if is_live(one, now=now)
            or (responsible and one.kind == ConsentKind.JOINT and one.asked_at >= _given(consent))
        ),
    )


def is_live(consent: Consent, *, now: datetime) -> bool:
    """Given, and neither taken back, ended nor run out."""
    return (
        consent.given_at is not None
        and consent.withdrawn_at is None
        and consent.ended_at is None
        and consent.expires_at is not None
        and consent.expires_at > now
    )


def _given(consent: Consent) -> datetime:
    assert consent.given_at is not None
    return consent.given_at


@dataclass(frozen=True, slots=True)
class PersonView:
    """A referral as the young person sees it: everything."""

    referral: Referral
    person: Person = field(repr=False)
    consents: tuple[tuple[Consent, Agreed | None], ...] = field(repr=False)
    messages: tuple[ReadMessage, ...] = ()
    appointments: tuple[ReadAppointment, ...] = ()
    events: tuple[ReadEvent, ...] = ()


def for_person(session: Session, keyring: Keyring, referral: Referral) -> PersonView:
    """Raises sealing.Erased."""
    sealer = keyring.record(referral.id, referral.key_sealed)
    consents = tuple(
        (
            consent,
            Agreed.open(sealer, f"consent:{consent.id}", consent.agreed_sealed)
            if consent.agreed_sealed is not None
            else None,
        )
        for consent in consents_of(session, referral)
    )
    return PersonView(
        referral,
        Person.open(sealer, "person", referral.person_sealed),
        consents,
        messages=_messages(session, keyring, referral, None),
        appointments=_appointments(session, keyring, referral, None),
        events=_events(session, keyring, referral, None),
    )


def export(session: Session, keyring: Keyring, referral: Referral, *, now: datetime) -> dict[str, Any]:
    """Everything that is kept about the person, for themselves (Art. 15 and 20 GDPR); plain JSON values.

    Whoever received something of it stands there by name (Art. 15 (1) (c)), with every consent, message, appointment
    and event.
    """
    view = for_person(session, keyring, referral)
    organizations = _names(
        session,
        Organization,
        (
            referral.organization_id,
            *(consent.organization_id for consent, _agreed in view.consents),
            *(one.message.organization_id for one in view.messages),
            *(one.appointment.organization_id for one in view.appointments),
            *(id_ for one in view.appointments for id_ in one.answers),
            *(one.event.organization_id for one in view.events),
        ),
    )
    services = _names(
        session, Service, (referral.service_id, *(consent.service_id for consent, _agreed in view.consents))
    )
    return {
        "made_at": now.isoformat(),
        "status": referral.status,
        "organization": organizations.get(referral.organization_id),
        "service": services.get(referral.service_id),
        "language": referral.language,
        "created_at": referral.created_at.isoformat(),
        "erased_at_the_latest": referral.erase_at.isoformat(),
        "told": view.person.model_dump(mode="json"),
        "consents": [
            {
                "kind": consent.kind,
                "organization": organizations.get(consent.organization_id),
                "service": services.get(consent.service_id),
                "given_at": consent.given_at.isoformat() if consent.given_at else None,
                "given_how": consent.given_how,
                "expires_at": consent.expires_at.isoformat() if consent.expires_at else None,
                "withdrawn_at": consent.withdrawn_at.isoformat() if consent.withdrawn_at else None,
                "text": agreed.model_dump(mode="json") if agreed else None,
            }
            for consent, agreed in view.consents
        ],
        "messages": [
            {
                "at": one.message.at.isoformat(),
                "from": one.message.author,
                "organization": organizations.get(one.message.organization_id),
                "text": one.text,
            }
            for one in view.messages
        ],
        "appointments": [
            {
                "state": one.appointment.state,
                "organization": organizations.get(one.appointment.organization_id),
                "answers": [
                    {"organization": organizations.get(id_), "fits": fits}
                    for id_, fits in one.answers.items()
                ],
                **one.meeting.model_dump(mode="json"),
            }
            for one in view.appointments
        ],
        "events": [
            {
                "at": one.event.at.isoformat(),
                "by": one.event.actor,
                "organization": organizations.get(one.event.organization_id),
                "move": one.event.move,
                "status": one.event.to_status,
                "note": one.note or None,
            }
            for one in view.events
        ],
    }


def _names(
    session: Session, of: type[Organization] | type[Service], ids: Iterable[UUID | None]
) -> dict[UUID | None, str]:
    """Of those the catalogue still has."""
    rows = session.execute(select(col(of.id), col(of.name)).where(col(of.id).in_({*ids} - {None})))
    return {row.id: row.name for row in rows}


def consents_of(session: Session, referral: Referral) -> list[Consent]:
    return list(
        session.execute(
            select(Consent)
            .where(col(Consent.referral_id) == referral.id)
            .order_by(col(Consent.asked_at), col(Consent.id))
        ).scalars()
    )


def _messages(
    session: Session, keyring: Keyring, referral: Referral, organizations: Collection[UUID] | None
) -> tuple[ReadMessage, ...]:
    sealer = keyring.record(referral.id, referral.key_sealed)
    query = select(Message).where(col(Message.referral_id) == referral.id)
    if organizations is not None:
        query = query.where(col(Message.organization_id).in_(organizations))
    rows = session.execute(query.order_by(col(Message.at), col(Message.id))).scalars()
    return tuple(
        ReadMessage(row, sealer.open(f"message:{row.id}", row.text_sealed))
        for row in rows
        if row.text_sealed is not None
    )


def _appointments(
    session: Session, keyring: Keyring, referral: Referral, consent: Consent | None
) -> tuple[ReadAppointment, ...]:
    """For one team its own and the joint ones, but not those that were over before it had the consent."""
    sealer = keyring.record(referral.id, referral.key_sealed)
    query = select(Appointment).where(col(Appointment.referral_id) == referral.id)
    if consent is not None:
        open_now = col(Appointment.state).in_(
            (AppointmentState.PROPOSED.value, AppointmentState.AGREED.value)
        )
        query = query.where(
            or_(
                col(Appointment.organization_id) == consent.organization_id,
                and_(col(Appointment.joint), or_(open_now, col(Appointment.proposed_at) >= _given(consent))),
            )
        )
    rows = session.execute(query.order_by(col(Appointment.proposed_at), col(Appointment.id))).scalars().all()
    answers: dict[UUID, dict[UUID, bool]] = {row.id: {} for row in rows}
    for one in session.execute(
        select(AppointmentAnswer).where(col(AppointmentAnswer.appointment_id).in_(answers))
    ).scalars():
        answers[one.appointment_id][one.organization_id] = one.fits
    return tuple(
        ReadAppointment(
            row, Meeting.open(sealer, f"appointment:{row.id}", row.details_sealed), answers[row.id]
        )
        for row in rows
    )


def _events(
    session: Session, keyring: Keyring, referral: Referral, organization_id: UUID | None
) -> tuple[ReadEvent, ...]:
    """Of one team those that happened with it."""
    sealer = keyring.record(referral.id, referral.key_sealed)
    query = select(ReferralEvent).where(col(ReferralEvent.referral_id) == referral.id)
    if organization_id is not None:
        query = query.where(col(ReferralEvent.organization_id) == organization_id)
    rows = session.execute(query.order_by(col(ReferralEvent.id))).scalars()

    def note(row: ReferralEvent) -> str:
        if row.note_sealed is None:
            return ""
        try:
            return sealer.open(f"event:{row.id}", row.note_sealed)
        except SealingError:
            return ""

    return tuple(ReadEvent(row, note(row)) for row in rows)


def appointment_of(session: Session, referral: Referral, appointment_id: UUID) -> Appointment:
    """Raises NotFound."""
    found = session.get(Appointment, appointment_id)
    if found is None or found.referral_id != referral.id:
        raise NotFound
    return found


def asked_consent(session: Session, referral: Referral, consent_id: UUID) -> Consent:
    """One of this referral. Raises NotFound."""
    found = session.get(Consent, consent_id)
    if found is None or found.referral_id != referral.id:
        raise NotFound
    return found
