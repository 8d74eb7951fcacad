"""Referrals in words, for professionals."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from babel.dates import format_date
from sqlalchemy import select
from sqlmodel import col

from portal.accounts.models import User
from portal.catalogue.models import Organization, Service
from portal.referral.choosing import Desk
from portal.referral.lifecycle import Move
from portal.referral.models import Actor, AppointmentState, Outcome, Referral, ReferralEvent, Status
from portal.referral.queries import Pile
from portal.web.current import current_language, current_portal
from portal.web.database import current_session
from portal.web.texts import N_, gettext

PILES: Mapping[Pile, tuple[str, str]] = {
    Pile.OVERDUE: (
        N_("Overdue"),
        N_("The promised day is over, nobody has called, or nothing has come from you for a long time."),
    ),
    Pile.NEW: (N_("New"), N_("Nobody has answered yet.")),
    Pile.ANSWERED: (N_("It is your turn"), N_("The young person wrote or answered.")),
    Pile.OPEN: (N_("In progress"), ""),
    Pile.WAITING: (N_("Waiting"), N_("For the young person, or for the day that was agreed.")),
    Pile.ENDED: (N_("Ended"), N_("In the last 30 days.")),
}
"""Name and meaning."""

OUTCOMES: Mapping[Outcome, str] = {
    Outcome.ARRIVED: N_("Arrived at our desk"),
    Outcome.ADVICE_GIVEN: N_("Advice given"),
    Outcome.IN_TRAINING: N_("In training or a preparation for it"),
    Outcome.IN_WORK: N_("In work"),
    Outcome.BACK_AT_SCHOOL: N_("Back at school"),
    Outcome.BENEFIT_APPLIED: N_("Applied for money or help"),
    Outcome.NO_CONTACT: N_("Could not be reached"),
    Outcome.WITHDRAWN: N_("Told us that they no longer want it"),
    Outcome.OTHER: N_("Something else"),
}
"""Those a team may choose; that a referral was passed on is counted by the hand-over itself."""

APPOINTMENTS: Mapping[AppointmentState, tuple[str, str]] = {
    AppointmentState.PROPOSED: (N_("Proposed, not answered yet"), "wait"),
    AppointmentState.AGREED: (N_("Agreed"), "open"),
    AppointmentState.DECLINED: (N_("Does not suit"), "bad-tag"),
    AppointmentState.CANCELLED: (N_("Cancelled"), ""),
}
"""In words, and the kind of the tag."""

MOVES: Mapping[Move, str] = {
    Move.SUBMIT: N_("Sent to you"),
    Move.CLAIM: N_("Takes care of it"),
    Move.RELEASE: N_("Back to the team"),
    Move.ACCEPT: N_("Accepted"),
    Move.REJECT: N_("Not the right desk"),
    Move.NOTE_TRY: N_("Tried in vain"),
    Move.CONTACT: N_("In contact"),
    Move.MESSAGE: N_("Message written"),
    Move.PROPOSE_APPOINTMENT: N_("Appointment proposed or cancelled"),
    Move.ANSWER_APPOINTMENT: N_("Appointment answered"),
    Move.JOIN_APPOINTMENT: N_("Appointment answered"),
    Move.PROPOSE_HANDOVER: N_("Another desk proposed"),
    Move.AGREE_HANDOVER: N_("Agreed to the hand-over"),
    Move.DECLINE_HANDOVER: N_("Does not want the other desk"),
    Move.PROPOSE_JOINT: N_("Asked whether another team may take part"),
    Move.AGREE_JOINT: N_("Answered whether another team may take part"),
    Move.WITHDRAW_JOINT: N_("One team shall no longer take part"),
    Move.COMPLETE: N_("Completed"),
    Move.WITHDRAW: N_("Taken back"),
    Move.ALARM: N_("Says that nobody has called"),
    Move.EXPIRE: N_("The consent ran out"),
    Move.ESCALATE: N_("Reminder: overdue"),
    Move.TAKE_OFFER_BACK: N_("No longer asked about the other desk"),
}
_ACTORS: Mapping[Actor, str] = {
    Actor.YOUNG_PERSON: N_("Young person"),
    Actor.COUNSELLOR: N_("Team"),
    Actor.COORDINATOR: N_("Coordination"),
    Actor.SYSTEM: N_("automatically"),
}


def state_words(referral: Referral) -> tuple[str, str]:
    """In words, and the kind of the tag."""
    status = Status(referral.status)
    asked = referral.proposed_organization_id is not None
    if status is Status.REJECTED:
        if asked:
            return gettext("Not the right desk. The young person is asked about another one."), "wait"
        return gettext("Not the right desk. The coordinators look for another one."), "wait"
    if asked:
        return gettext("A hand-over is proposed. Until the answer you stay responsible."), "wait"
    return {
        Status.REQUESTED: (gettext("New, not answered yet"), "wait"),
        Status.ACCEPTED: (gettext("Accepted, the first contact is still to come"), "wait"),
        Status.IN_PROGRESS: (gettext("In contact"), "open"),
        Status.COMPLETED: (gettext("Completed"), ""),
        Status.CANCELLED: (gettext("Ended"), ""),
    }[status]


@dataclass(frozen=True, slots=True)
class Names:
    """Of the desks, teams and people that stand on a page."""

    services: Mapping[UUID, str]
    organizations: Mapping[UUID, str]
    people: Mapping[UUID, str]

    @classmethod
    def read(
        cls,
        *,
        services: Collection[UUID | None] = (),
        organizations: Collection[UUID | None] = (),
        people: Collection[UUID | None] = (),
    ) -> "Names":
        return cls(_names(Service, services), _names(Organization, organizations), _names(User, people))

    def service(self, id_: UUID | None) -> str:
        return self.services.get(id_, "") if id_ else ""

    def organization(self, id_: UUID | None) -> str:
        return self.organizations.get(id_, "") if id_ else ""

    def desk(self, desk: Desk) -> str:
        return ", ".join(
            filter(None, (self.service(desk.service_id), self.organization(desk.organization_id)))
        )

    def person(self, id_: UUID | None) -> str:
        return self.people.get(id_, "") if id_ else ""

    def actor(self, event: ReferralEvent) -> str:
        return self.person(event.user_id) or gettext(_ACTORS[Actor(event.actor)])


def _names(
    model: type[Service] | type[Organization] | type[User], ids: Collection[UUID | None]
) -> dict[UUID, str]:
    wanted = {id_ for id_ in ids if id_ is not None}
    if not wanted:
        return {}
    rows = current_session().execute(select(col(model.id), col(model.name)).where(col(model.id).in_(wanted)))
    return {id_: str(name) for id_, name in rows}


def long_moment(at: datetime) -> str:
    """ "Montag, 23.11.2026, 10:30", for appointments."""
    local = at.astimezone(current_portal().timezone)
    locale = current_language().locale
    return f"{format_date(local, 'EEEE', locale=locale)}, {format_date(local, 'medium', locale=locale)}, {local:%H:%M}"
