"""A case that goes on in name only: there was a first contact, and since then nothing has come from the team."""

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlmodel import Session, col

from portal.referral.lifecycle import Move
from portal.referral.models import Actor, Appointment, AppointmentState, Referral, ReferralEvent, Status
from portal.referral.personal import Meeting
from portal.referral.promise import WorkingDays
from portal.referral.sealing import Keyring, SealingError

SILENT_AFTER_DAYS = 10
"""Working days. Then the team is told, and the young person may say once more that nobody contacts them."""
COORDINATORS_AFTER_DAYS = 15
SIGNS = frozenset(
    {
        Move.CONTACT,
        Move.MESSAGE,
        Move.PROPOSE_APPOINTMENT,
        Move.PROPOSE_HANDOVER,
        Move.PROPOSE_JOINT,
        Move.AGREE_JOINT,
    }
)
"""What a team does that reaches the young person; a try in vain does not."""


def is_silent(
    session: Session, keyring: Keyring, referral: Referral, *, days: WorkingDays, now: datetime
) -> bool:
    return quiet_days(session, keyring, referral, days=days, now=now) > SILENT_AFTER_DAYS


def quiet_days(
    session: Session, keyring: Keyring, referral: Referral, *, days: WorkingDays, now: datetime
) -> int:
    """Working days since the team last gave a sign of itself or an agreed appointment was over; 0 before one, and where
    the first contact is still to come: that is what the promise is for."""
    if Status(referral.status) is not Status.IN_PROGRESS or referral.first_contact_at is None:
        return 0
    since = max(referral.first_contact_at, _last_sign(session, referral) or referral.first_contact_at)
    quiet = days.between(days.today(since), days.today(now))
    if quiet <= SILENT_AFTER_DAYS:
        return quiet
    since = max([since, *_ends_of_appointments(session, keyring, referral)])
    return days.between(days.today(since), days.today(now))


def _last_sign(session: Session, referral: Referral) -> datetime | None:
    found: datetime | None = session.execute(
        select(func.max(col(ReferralEvent.at))).where(
            col(ReferralEvent.referral_id) == referral.id,
            col(ReferralEvent.organization_id) == referral.organization_id,
            col(ReferralEvent.actor) == Actor.COUNSELLOR.value,
            col(ReferralEvent.move).in_([move.value for move in SIGNS]),
        )
    ).scalar()
    return found


def _ends_of_appointments(session: Session, keyring: Keyring, referral: Referral) -> list[datetime]:
    """Of those that were agreed. One that cannot be opened lets nobody wait."""
    rows = session.execute(
        select(Appointment).where(
            col(Appointment.referral_id) == referral.id,
            col(Appointment.state) == AppointmentState.AGREED.value,
        )
    ).scalars()
    try:
        sealer = keyring.record(referral.id, referral.key_sealed)
        meetings = [Meeting.open(sealer, f"appointment:{row.id}", row.details_sealed) for row in rows]
    except SealingError:
        return []
    return [one.start_at + timedelta(minutes=one.minutes) for one in meetings]
