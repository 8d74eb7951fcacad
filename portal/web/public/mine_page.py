"""What the private page of a referral shows: plain values in the reader's language, most urgent first."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from babel.dates import format_date
from flask import g
from sqlmodel import Session

from portal.catalogue.models import Organization
from portal.catalogue.queries import ServiceView
from portal.referral import actions, choosing, queries, silence
from portal.referral.choosing import Desk
from portal.referral.lifecycle import LIVE, Move, moves
from portal.referral.models import (
    Actor,
    AppointmentState,
    Consent,
    ConsentKind,
    Referral,
    Status,
)
from portal.referral.personal import Agreed, Line
from portal.referral.queries import PersonView, ReadAppointment
from portal.web import consenting
from portal.web.current import current_language, current_portal
from portal.web.promised import measured_sentence
from portal.web.public import addresses, bilingual, presenting
from portal.web.public.views import Bit, Pair, PhoneLink, Site
from portal.web.referrals import Referrals
from portal.web.texts import N_, clock, day
from portal.web.texts import gettext as _

STANDS = {
    Status.REQUESTED: N_("Your request has arrived. Nobody has answered yet."),
    Status.ACCEPTED: N_("This office wants to help you. Someone will contact you."),
    Status.IN_PROGRESS: N_("You are in contact with this office."),
    Status.COMPLETED: N_("This is finished."),
}
ELSEWHERE = N_("This office cannot help you with this. It knows a better one. You decide.")
NOWHERE = N_("This office cannot help you with this. We are looking for a better one.")
EVENTS: dict[str, str] = {
    Move.SUBMIT: N_("You sent your request."),
    Move.ACCEPT: N_("The office said yes."),
    Move.REJECT: N_("The office said that it cannot help with this."),
    Move.NOTE_TRY: N_("The office tried to reach you."),
    Move.CONTACT: N_("You were in contact."),
    Move.PROPOSE_HANDOVER: N_("Another office was suggested to you."),
    Move.PROPOSE_JOINT: N_("Another office was suggested to you."),
    Move.AGREE_HANDOVER: N_("You agreed."),
    Move.AGREE_JOINT: N_("You answered."),
    Move.ANSWER_APPOINTMENT: N_("You answered."),
    Move.DECLINE_HANDOVER: N_("You said no."),
    Move.WITHDRAW_JOINT: N_("You told an office to stop."),
    Move.PROPOSE_APPOINTMENT: N_("There was something new about an appointment."),
    Move.ALARM: N_("You told us that nobody has contacted you."),
    Move.ESCALATE: N_("The office was reminded of you."),
    Move.COMPLETE: N_("The office says that this is finished."),
}
"""Moves the young person is told in their history; messages stand elsewhere, who works on it is the team's own matter."""


@dataclass(frozen=True, slots=True)
class Office:
    name: Bit
    offer: Bit | None = None
    phones: tuple[PhoneLink, ...] = ()
    site: Site | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A team that the young person may agree to: to take over, or to take part."""

    id: str
    """`handover`, or the id of the consent that is asked for."""
    action: str
    joint: bool
    office: Office
    agreed: Agreed = field(repr=False)
    """With every line that may be told."""
    statement: tuple[Pair, ...] = field(repr=False)
    fingerprint: str
    desk: Desk
    by_system: bool = False
    """The team turned full or away; nobody wrote a reason."""
    reason: str = field(default="", repr=False)
    told: frozenset[str] = consenting.TICKED_BEFORE
    """Keys of the lines that are ticked."""

    def is_told(self, key: str) -> bool:
        return key in self.told


@dataclass(frozen=True, slots=True)
class Meeting:
    id: UUID
    state: str
    day: str
    times: str
    place: str = field(repr=False)
    note: str = field(repr=False)
    office: Bit
    joint: bool
    over: bool
    others: tuple[tuple[Bit, bool | None], ...]
    """The other offices of a joint one, and whether they come; None: no answer yet."""

    @property
    def cancelled(self) -> bool:
        return self.state == AppointmentState.CANCELLED


@dataclass(frozen=True, slots=True)
class Said:
    """One message."""

    mine: bool
    fresh: bool
    """Not read before."""
    at: str
    text: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Thread:
    organization_id: UUID
    office: Bit
    messages: tuple[Said, ...]
    open: bool
    """That team still reads what is written."""
    typed: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Given:
    """A consent that was given, as it was shown."""

    id: UUID
    office: Bit
    given: str
    until: str | None
    """None: it no longer holds."""
    statement: tuple[Pair, ...] = field(repr=False)
    lines: tuple[tuple[Pair, Pair], ...] = field(repr=False)
    may_end: bool = False
    """A team that takes part, and can be told to stop alone."""


@dataclass(frozen=True, slots=True)
class Happened:
    at: str
    words: str
    note: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Shown:
    status: Status
    stands: str
    office: Office
    due: str | None
    """The day of the promise, as long as nobody was in contact."""
    measured: str
    """How quickly that team really answers, where enough cases say so."""
    late: bool
    paused: bool
    """The team turned full or away before it answered."""
    others: tuple[Office, ...]
    """Who else helps, when it takes too long or nobody is found."""
    reason: str = field(repr=False)
    """Why the team does not take it."""
    asked: tuple[Asked, ...] = field(repr=False)
    proposed: tuple[Meeting, ...] = field(repr=False)
    agreed: tuple[Meeting, ...] = field(repr=False)
    """And those that the office cancelled since: nobody shall stand before a closed door."""
    threads: tuple[Thread, ...] = field(repr=False)
    fresh: int
    """Messages not read before."""
    may_alarm: bool
    alarmed: bool
    asks_worked: bool
    consents: tuple[Given, ...] = field(repr=False)
    history: tuple[Happened, ...] = field(repr=False)
    may_withdraw: bool
    erased: str
    """The day on which everything is gone at the latest."""


def shown(
    session: Session,
    referrals: Referrals,
    referral: Referral,
    *,
    typed: dict[UUID, str],
) -> Shown:
    """`typed`: messages that could not be sent, by team. Raises Erased, CannotOpen."""
    now = current_portal().now()
    view = queries.for_person(session, referrals.keyring, referral)
    status = Status(referral.status)
    may = moves(status, Actor.YOUNG_PERSON)
    names = _Names(session)
    waits = status in LIVE and referral.first_contact_at is None
    silent = silence.is_silent(session, referrals.keyring, referral, days=referrals.days, now=now)
    late = silent or queries.is_overdue(referral, today=referrals.days.today(now))
    paused = status is Status.REQUESTED and not choosing.can_answer(
        session, referral, today=referrals.days.today(now)
    )
    asked = open_questions(session, referrals, referral, view)
    meetings = [_meeting(one, view, names, now) for one in view.appointments]
    threads = tuple(_threads(view, names, now, open_=Move.MESSAGE in may, typed=typed))
    return Shown(
        status=status,
        stands=_stands(referral, bool(asked)),
        office=office(session, Desk(referral.service_id, referral.organization_id)),
        measured=measured_sentence(referral.organization_id) if waits else "",
        due=day(referral.due_date) if waits and referral.due_date and status is not Status.REJECTED else None,
        late=late,
        paused=paused,
        # A better desk that waits for their word is the one thing to decide.
        others=_others(referral, asked)
        if late or ((paused or status is Status.REJECTED) and not asked)
        else (),
        reason=_reason(view) if status is Status.REJECTED and not asked else "",
        asked=tuple(asked),
        proposed=tuple(
            one
            for one in meetings
            if one.state == AppointmentState.PROPOSED and Move.ANSWER_APPOINTMENT in may and not one.over
        ),
        agreed=tuple(
            one
            for one in meetings
            if one.state in (AppointmentState.AGREED, AppointmentState.CANCELLED) and not one.over
        ),
        threads=threads,
        fresh=sum(said.fresh for thread in threads for said in thread.messages),
        # Rejected with a better desk, it is their own answer that is waited for.
        may_alarm=Move.ALARM in may
        and (waits or silent)
        and referral.alarm_at is None
        and not (status is Status.REJECTED and asked),
        alarmed=referral.alarm_at is not None,
        asks_worked=actions.worked_is_asked(referral, now=now),
        consents=tuple(
            _given(consent, agreed, names, now, may_end=Move.WITHDRAW_JOINT in may)
            for consent, agreed in view.consents
            if agreed is not None
        ),
        history=tuple(
            Happened(_moment(one.event.at), _(EVENTS[one.event.move]), one.note)
            for one in view.events
            if one.event.move in EVENTS
        ),
        may_withdraw=Move.WITHDRAW in may,
        erased=day(_local(referral.erase_at).date()),
    )


def _stands(referral: Referral, asked: bool) -> str:
    if Status(referral.status) is Status.REJECTED:
        return _(ELSEWHERE) if asked else _(NOWHERE)
    return _(STANDS[Status(referral.status)])


# -- open questions ----------------------------------------------------------------------------------------------------


def open_questions(
    session: Session, referrals: Referrals, referral: Referral, view: PersonView
) -> list[Asked]:
    """Every team that waits for the young person's word; what a consent would say is composed here."""
    found = []
    may = moves(Status(referral.status), Actor.YOUNG_PERSON)
    if referral.proposed_organization_id and referral.proposed_service_id and Move.AGREE_HANDOVER in may:
        desk = Desk(referral.proposed_service_id, referral.proposed_organization_id)
        last = _last_proposal(view)
        found.append(
            replace(
                _asked("handover", ConsentKind.HANDOVER, session, desk, view),
                by_system=last is not None and last.event.actor == Actor.SYSTEM,
                reason=last.note if last else "",
            )
        )
    if Move.AGREE_JOINT in may:
        for consent, _agreed in view.consents:
            if consent.service_id and waits_for_answer(consent):
                desk = Desk(consent.service_id, consent.organization_id)
                found.append(_asked(str(consent.id), ConsentKind.JOINT, session, desk, view))
    return found


def waits_for_answer(consent: Consent) -> bool:
    return (
        consent.kind == ConsentKind.JOINT
        and consent.given_at is None
        and consent.declined_at is None
        and consent.withdrawn_at is None
        and consent.ended_at is None
    )


def _asked(id_: str, kind: ConsentKind, session: Session, desk: Desk, view: PersonView) -> Asked:
    portal, language = current_portal(), current_language().code
    if portal.catalogue.services((desk.service_id,)):
        lines = _tellable(view, language)
        agreed = consenting.compose(kind, desk, lines, language=language, now=portal.now())
    else:
        # It left the catalogue meanwhile: nothing can be agreed to, only refused.
        agreed = Agreed(statement="", statement_de="", lines=())
    return Asked(
        id_,
        "handover" if kind is ConsentKind.HANDOVER else "joint",
        kind is ConsentKind.JOINT,
        office(session, desk),
        agreed,
        _paragraphs(agreed),
        consenting.fingerprint(agreed),
        desk,
    )


def _tellable(view: PersonView, language: str) -> tuple[Line, ...]:
    """What the responsible team was told, worded in the language of now; never more."""
    referral = view.referral
    given = [
        agreed
        for consent, agreed in view.consents
        if agreed is not None
        and consent.organization_id == referral.organization_id
        and consent.ended_at is None
    ]
    if not given:
        return ()
    reworded = {
        (line.key, line.value_de): line for line in consenting.lines_of(view.person, language=language)
    }
    return tuple(reworded.get((line.key, line.value_de), line) for line in given[-1].lines)


def _last_proposal(view: PersonView) -> queries.ReadEvent | None:
    proposals = [one for one in view.events if one.event.move in (Move.REJECT, Move.PROPOSE_HANDOVER)]
    return proposals[-1] if proposals else None


def _reason(view: PersonView) -> str:
    last = _last_proposal(view)
    return last.note if last else ""


# -- offices -----------------------------------------------------------------------------------------------------------


def office(session: Session, desk: Desk) -> Office:
    """With what the catalogue publishes about it; only the name of one that has left it."""
    service = next(iter(current_portal().catalogue.services((desk.service_id,))), None)
    if service is None:
        return Office(_Names(session)[desk.organization_id])
    return _card(service)


def _card(service: ServiceView) -> Office:
    house = presenting.only_house(service)
    name = presenting.organization_name(service.organization)
    offer = presenting.quiet(service.text("name", g.lang))
    return Office(
        name,
        offer if offer.text != name.text else None,
        presenting.phone_links(service.phones_at(house)),
        presenting.site(house, main=True) if house else None,
        addresses.offer(service.slug),
    )


def _others(referral: Referral, asked: Iterable[Asked]) -> tuple[Office, ...]:
    """The clearing desk, unless it is the one that lets wait, or that may take over."""
    desks = current_portal().catalogue.desks.get("clearing", ())
    named = {referral.organization_id, *(question.desk.organization_id for question in asked)}
    others = [service for service in desks if service.organization.id not in named]
    return tuple(_card(service) for service in others[:1])


class _Names:
    """Names of organizations, each looked up once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[UUID, Bit] = {}

    def __getitem__(self, organization_id: UUID) -> Bit:
        if organization_id not in self._known:
            self._known[organization_id] = self._find(organization_id)
        return self._known[organization_id]

    def _find(self, organization_id: UUID) -> Bit:
        row = self._session.get(Organization, organization_id)
        if row is None:
            return Bit(_("Office"))
        found = current_portal().catalogue.organization(row.slug)
        if found is not None:
            return presenting.organization_name(found[0])
        return Bit(row.name) if current_language().is_german else Bit(row.name, "de", "ltr")


# -- the rest ----------------------------------------------------------------------------------------------------------


def _meeting(one: ReadAppointment, view: PersonView, names: _Names, now: datetime) -> Meeting:
    start = _local(one.meeting.start_at)
    end = start + timedelta(minutes=one.meeting.minutes)
    date_words = format_date(start, "full", locale=current_language().locale)
    return Meeting(
        one.appointment.id,
        one.appointment.state,
        date_words,
        f"{clock(start)}–{clock(end)}",
        one.meeting.place,
        one.meeting.note,
        names[one.appointment.organization_id],
        one.appointment.joint,
        end < now,
        tuple(
            (names[consent.organization_id], one.answers.get(consent.organization_id))
            for consent, _agreed in view.consents
            if one.appointment.joint
            and queries.is_live(consent, now=now)
            and consent.organization_id != one.appointment.organization_id
        ),
    )


def _threads(
    view: PersonView, names: _Names, now: datetime, *, open_: bool, typed: dict[UUID, str]
) -> Iterable[Thread]:
    """The responsible team first, then those that take part, then those that have left, with what was said."""
    referral = view.referral
    reads = [
        consent.organization_id for consent, _agreed in view.consents if queries.is_live(consent, now=now)
    ]
    wrote = [one.message.organization_id for one in view.messages]
    order = dict.fromkeys([*(id_ for id_ in [referral.organization_id] if id_ in reads), *reads, *wrote])
    for organization_id in order:
        messages = tuple(
            Said(
                one.message.author == Actor.YOUNG_PERSON,
                one.message.author != Actor.YOUNG_PERSON and one.message.read_at is None,
                _moment(one.message.at),
                _lines(one.text),
            )
            for one in view.messages
            if one.message.organization_id == organization_id
        )
        may_write = open_ and organization_id in reads
        if messages or may_write:
            yield Thread(
                organization_id,
                names[organization_id],
                messages,
                may_write,
                typed.get(organization_id, ""),
            )


def _given(consent: Consent, agreed: Agreed, names: _Names, now: datetime, *, may_end: bool) -> Given:
    live = queries.is_live(consent, now=now)
    return Given(
        consent.id,
        names[consent.organization_id],
        _moment(consent.given_at) if consent.given_at else "",
        day(_local(consent.expires_at).date()) if live and consent.expires_at else None,
        _paragraphs(agreed),
        tuple((_pair(line.label, line.label_de), _pair(line.value, line.value_de)) for line in agreed.lines),
        may_end=may_end and live and consent.kind == ConsentKind.JOINT,
    )


def _paragraphs(agreed: Agreed) -> tuple[Pair, ...]:
    return bilingual.pairs(_lines(agreed.statement), _lines(agreed.statement_de))


def _pair(own: str, german: str) -> Pair:
    return Pair(None, german) if own == german else Pair(own, german)


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _local(moment: datetime) -> datetime:
    return moment.astimezone(current_portal().timezone)


def _moment(at: datetime) -> str:
    local = _local(at)
    return f"{day(local.date())} · {clock(local)}"
