"""What a team types on the page of a referral, and what becomes of it.

A deed checks its own fields: it writes what is wrong to the fields and raises Incomplete.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from wtforms import BooleanField, Field, StringField, TextAreaField

from portal.referral import actions, queries
from portal.referral.actions import TEXT_AT_MOST, Counsellor
from portal.referral.choosing import Desk
from portal.referral.lifecycle import Move
from portal.referral.models import Appointment, Outcome, Referral
from portal.referral.personal import OWN_WORDS_AT_MOST, Meeting
from portal.referral.queries import TeamView
from portal.web.admin.desks import offered_desk
from portal.web.admin.referral_words import OUTCOMES
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.notices import working_channels
from portal.web.referrals import Referrals
from portal.web.security import PortalForm
from portal.web.texts import gettext

NOBODY = "none"
"""Chosen where the coordinators shall look for a desk."""
AHEAD = timedelta(days=366)
MINUTES_AT_MOST = 480
SHORT = 120


class Incomplete(Exception):
    """What is wrong stands at the fields."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A referral in the hands of the one who asks."""

    view: TeamView
    by: Counsellor
    tools: Referrals
    now: datetime

    @property
    def referral(self) -> Referral:
        return self.view.referral


# -- forms -------------------------------------------------------------------------------------------------------------


class PlainForm(PortalForm):
    pass


class RejectForm(PortalForm):
    reason = TextAreaField()
    desk = StringField()


class NoteForm(PortalForm):
    note = TextAreaField()


class MessageForm(PortalForm):
    text = TextAreaField()


class AppointmentForm(PortalForm):
    day = StringField()
    time = StringField()
    minutes = StringField(default="30")
    place = StringField()
    note = TextAreaField()
    joint = BooleanField()


class CancelForm(PortalForm):
    appointment = StringField()


class AttendForm(CancelForm):
    fits = StringField()


class HandoverForm(PortalForm):
    desk = StringField()
    reason = TextAreaField()


class JointForm(PortalForm):
    desk = StringField()


class CompleteForm(PortalForm):
    outcome = StringField()
    note = TextAreaField()


# -- what is wrong -----------------------------------------------------------------------------------------------------


def _wrong(field: Field, text: str) -> None:
    field.errors = [*field.errors, text]


def _stop_if_wrong(form: PortalForm) -> None:
    if any(field.errors for field in form):
        raise Incomplete


def _words(field: Field, missing: str = "", at_most: int = TEXT_AT_MOST) -> str:
    text = (field.data or "").strip()
    if missing and not text:
        _wrong(field, missing)
    if len(text) > at_most:
        _wrong(field, gettext("Please write at most %(number)s characters.", number=at_most))
    return text


def _desk(field: Field, opened: Opened, *, or_nobody: bool = False) -> Desk | None:
    """The chosen one of those that are offered."""
    chosen = field.data or ""
    if or_nobody and chosen == NOBODY:
        return None
    if not chosen:
        _wrong(field, gettext("Please choose a desk."))
        return None
    found = offered_desk(current_session(), chosen, without=opened.referral.organization_id)
    if found is None:
        _wrong(field, gettext("This desk takes nobody at the moment. Please choose another one."))
    return found


def _start(form: AppointmentForm, opened: Opened) -> datetime | None:
    timezone = current_portal().timezone
    try:
        day = date.fromisoformat((form.day.data or "").strip())
    except ValueError:
        _wrong(form.day, gettext("Please enter the day of the appointment."))
        day = None
    try:
        hour: time | None = time.fromisoformat((form.time.data or "").strip())
    except ValueError:
        hour = None
    if hour is None or hour.tzinfo is not None:
        _wrong(form.time, gettext("Please enter the time of the appointment, as 14:30."))
        return None
    if day is None:
        return None
    if not opened.now.date() - AHEAD < day < opened.now.date() + AHEAD:
        _wrong(form.day, gettext("Please choose a day within the next twelve months."))
        return None
    start = datetime.combine(day, hour, tzinfo=timezone)
    if start <= opened.now:
        _wrong(form.day, gettext("This moment is over already."))
    return start


def _minutes(field: Field) -> int:
    text = (field.data or "").strip()
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 5 else 0
    if not 5 <= number <= MINUTES_AT_MOST:
        _wrong(field, gettext("Please enter 5 to %(number)s minutes.", number=MINUTES_AT_MOST))
    return number


# -- deeds -------------------------------------------------------------------------------------------------------------


def _claim(opened: Opened, form: PlainForm) -> str:
    actions.claim(current_session(), opened.referral, opened.by, now=opened.now)
    return gettext("You take care of it. Your colleagues can see that.")


def _release(opened: Opened, form: PlainForm) -> str:
    actions.release(current_session(), opened.referral, opened.by, now=opened.now)
    return gettext("It lies with the team again.")


def _accept(opened: Opened, form: PlainForm) -> str:
    actions.accept(current_session(), opened.referral, opened.by, now=opened.now)
    return gettext("Accepted. The young person is told so. Now the first contact is yours.")


def _reject(opened: Opened, form: RejectForm) -> str:
    reason = _words(form.reason, gettext("Please say in a sentence why. The young person reads it."))
    better = _desk(form.desk, opened, or_nobody=True)
    _stop_if_wrong(form)
    actions.reject(
        current_session(),
        opened.tools.keyring,
        opened.referral,
        opened.by,
        reason=reason,
        better=better,
        now=opened.now,
    )
    if better is None:
        return gettext("The young person and the coordinators are told. The coordinators look for a desk.")
    return gettext(
        "The young person is asked about the other desk. Before that nobody there learns anything."
    )


def _try(opened: Opened, form: NoteForm) -> str:
    note = _words(form.note)
    _stop_if_wrong(form)
    actions.note_try(
        current_session(), opened.tools.keyring, opened.referral, opened.by, note=note, now=opened.now
    )
    return gettext("The try is noted.")


def _contact(opened: Opened, form: PlainForm) -> str:
    actions.contact(current_session(), opened.referral, opened.by, days=opened.tools.days, now=opened.now)
    return gettext("The contact is noted.")


def _message(opened: Opened, form: MessageForm) -> str:
    text = _words(form.text, gettext("Please write something."))
    _stop_if_wrong(form)
    actions.message(
        current_session(),
        opened.tools.keyring,
        opened.referral,
        text,
        organization_id=opened.view.organization_id,
        by=opened.by,
        days=opened.tools.days,
        now=opened.now,
        working=working_channels(current_portal().settings),
    )
    return gettext("The message is sent.")


def _appointment(opened: Opened, form: AppointmentForm) -> str:
    start, minutes = _start(form, opened), _minutes(form.minutes)
    place = _words(form.place, gettext("Please say where, for example an address or “by phone”."), SHORT)
    note = _words(form.note, at_most=OWN_WORDS_AT_MOST)
    _stop_if_wrong(form)
    assert start is not None
    actions.propose_appointment(
        current_session(),
        opened.tools.keyring,
        opened.referral,
        opened.by,
        Meeting(start_at=start, minutes=minutes, place=place, note=note),
        now=opened.now,
        joint=bool(form.joint.data) and bool(joint_teams(opened)),
    )
    return gettext("The appointment is proposed. The young person says whether it suits.")


def _cancel(opened: Opened, form: CancelForm) -> str:
    appointment = _chosen(opened, form)
    actions.cancel_appointment(current_session(), opened.referral, appointment, opened.by, now=opened.now)
    return gettext("The appointment is cancelled.")


def _attend(opened: Opened, form: AttendForm) -> str:
    if form.fits.data not in ("yes", "no"):
        raise Incomplete
    actions.join_appointment(
        current_session(),
        opened.referral,
        _chosen(opened, form),
        opened.by,
        organization_id=opened.view.organization_id,
        fits=form.fits.data == "yes",
        now=opened.now,
    )
    return gettext("Noted. The others see your answer.")


def _chosen(opened: Opened, form: CancelForm) -> Appointment:
    """Raises Incomplete, NotFound."""
    try:
        id_ = UUID(form.appointment.data or "")
    except ValueError:
        raise Incomplete from None
    return queries.appointment_of(current_session(), opened.referral, id_)


def _handover(opened: Opened, form: HandoverForm) -> str:
    desk = _desk(form.desk, opened)
    reason = _words(form.reason, gettext("Please say in a sentence why. The young person reads it."))
    _stop_if_wrong(form)
    assert desk is not None
    actions.propose_handover(
        current_session(),
        opened.tools.keyring,
        opened.referral,
        desk,
        by=opened.by,
        reason=reason,
        now=opened.now,
    )
    return gettext("The young person is asked. Until the answer you stay responsible.")


def _joint(opened: Opened, form: JointForm) -> str:
    desk = _desk(form.desk, opened)
    _stop_if_wrong(form)
    assert desk is not None
    try:
        actions.propose_joint(current_session(), opened.referral, opened.by, desk, now=opened.now)
    except ValueError:
        _wrong(form.desk, gettext("The young person was asked about this team already."))
        raise Incomplete from None
    return gettext("The young person is asked. Before the answer the other team learns nothing.")


def _complete(opened: Opened, form: CompleteForm) -> str:
    found = next((one for one in OUTCOMES if one.value == form.outcome.data), None)
    if found is None:
        _wrong(form.outcome, gettext("Please choose what came of it."))
    note = _words(form.note)
    _stop_if_wrong(form)
    actions.complete(
        current_session(),
        opened.tools.keyring,
        opened.referral,
        opened.by,
        outcome=Outcome(form.outcome.data),
        note=note,
        now=opened.now,
        keep=opened.tools.keep,
    )
    return gettext("Completed. Thank you.")


def joint_teams(opened: Opened) -> tuple[UUID, ...]:
    """Those who take part beside the team that looks; not those whose consent was taken back."""
    return tuple(
        consent.organization_id
        for consent in opened.view.consents
        if queries.is_live(consent, now=opened.now) and consent.organization_id != opened.view.organization_id
    )


@dataclass(frozen=True, slots=True)
class Deed:
    move: Move
    form: Callable[..., Any]
    do: Callable[[Opened, Any], str]
    """Answers with what is said afterwards. Raises Incomplete and what the action raises."""


DEEDS: Mapping[str, Deed] = {
    "claim": Deed(Move.CLAIM, PlainForm, _claim),
    "release": Deed(Move.RELEASE, PlainForm, _release),
    "accept": Deed(Move.ACCEPT, PlainForm, _accept),
    "reject": Deed(Move.REJECT, RejectForm, _reject),
    "try": Deed(Move.NOTE_TRY, NoteForm, _try),
    "contact": Deed(Move.CONTACT, PlainForm, _contact),
    "message": Deed(Move.MESSAGE, MessageForm, _message),
    "appointment": Deed(Move.PROPOSE_APPOINTMENT, AppointmentForm, _appointment),
    "cancel": Deed(Move.PROPOSE_APPOINTMENT, CancelForm, _cancel),
    "attend": Deed(Move.JOIN_APPOINTMENT, AttendForm, _attend),
    "handover": Deed(Move.PROPOSE_HANDOVER, HandoverForm, _handover),
    "joint": Deed(Move.PROPOSE_JOINT, JointForm, _joint),
    "complete": Deed(Move.COMPLETE, CompleteForm, _complete),
}
"""By the last part of the address."""


def new_form(name: str, *, sent: bool = False) -> PortalForm:
    """Empty, or with what this request brings."""
    made: PortalForm = DEEDS[name].form(prefix=name) if sent else DEEDS[name].form(formdata=None, prefix=name)
    return made


def written_texts(form: PortalForm) -> Sequence[str]:
    """Longer texts somebody typed, which must not be lost."""
    return [field.data for field in form if isinstance(field, TextAreaField) and field.data]
