"""Two entries of the catalogue became one: referrals go on at the one that stays."""

from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlmodel import Session, col

from portal.catalogue.models import Service
from portal.referral.models import (
    Appointment,
    AppointmentAnswer,
    Consent,
    Count,
    Message,
    Notice,
    Referral,
    ReferralEvent,
    Team,
)

_OF_ORGANIZATION = (
    (Referral, "organization_id"),
    (Referral, "proposed_organization_id"),
    (Consent, "organization_id"),
    (Message, "organization_id"),
    (Appointment, "organization_id"),
    (AppointmentAnswer, "organization_id"),
    (Notice, "organization_id"),
    (ReferralEvent, "organization_id"),
    (Team, "fallback_organization_id"),
)


def merged(session: Session, entity: str, *, gone: UUID, stays: UUID) -> None:
    """To be called in the transaction of the merge, beside moving the people.

    The office is the same, only known twice, so that consents stay valid. Where both had a team, the settings of the
    one that stays count.
    """
    if entity == "service":
        _to_service(session, gone, stays)
    if entity != "organization":
        return
    answered = select(col(AppointmentAnswer.appointment_id)).where(
        col(AppointmentAnswer.organization_id) == stays
    )
    session.execute(
        delete(AppointmentAnswer).where(
            col(AppointmentAnswer.organization_id) == gone,
            col(AppointmentAnswer.appointment_id).in_(answered.scalar_subquery()),
        )
    )
    _point_to(session, _OF_ORGANIZATION, gone, stays)
    of_both = select(col(Team.organization_id)).where(col(Team.organization_id) == stays)
    if session.execute(of_both).first() is None:
        session.execute(update(Team).where(col(Team.organization_id) == gone).values(organization_id=stays))
    else:
        session.execute(delete(Team).where(col(Team.organization_id) == gone))
    # No team is its own stand-in, and no case is passed on to where it is.
    session.execute(
        update(Team)
        .where(col(Team.fallback_organization_id) == col(Team.organization_id))
        .values(fallback_organization_id=None)
    )
    session.execute(
        update(Referral)
        .where(col(Referral.proposed_organization_id) == col(Referral.organization_id))
        .values(proposed_organization_id=None, proposed_service_id=None)
    )
    _add_counts(session, gone, stays)
    session.expire_all()


def _to_service(session: Session, gone: UUID, stays: UUID) -> None:
    """Where it belongs to the same team. Elsewhere the desk stays what it was: agreed was that team."""
    team = session.execute(select(col(Service.organization_id)).where(col(Service.id) == stays)).scalar_one()
    for service, organization in (
        ("service_id", "organization_id"),
        ("proposed_service_id", "proposed_organization_id"),
    ):
        session.execute(
            update(Referral)
            .where(getattr(Referral, service) == gone, getattr(Referral, organization) == team)
            .values({service: stays, "version": col(Referral.version) + 1})
        )
    session.execute(
        update(Consent)
        .where(col(Consent.service_id) == gone, col(Consent.organization_id) == team)
        .values(service_id=stays)
    )
    session.expire_all()


def _point_to(session: Session, columns: tuple[tuple[type, str], ...], gone: UUID, stays: UUID) -> None:
    for model, name in columns:
        column = getattr(model, name)
        values: dict[str, Any] = {name: stays}
        if model is Referral:
            # Who has the page open looks again.
            values["version"] = col(Referral.version) + 1
        session.execute(update(model).where(column == gone).values(values))


def _add_counts(session: Session, gone: UUID, stays: UUID) -> None:
    rows = session.execute(select(Count).where(col(Count.organization_id) == gone)).scalars().all()
    for row in rows:
        there = session.get(Count, (row.region, stays, row.month_date, row.measure))
        if there is None:
            there = Count(
                region=row.region, organization_id=stays, month_date=row.month_date, measure=row.measure
            )
        there.number += row.number
        session.add(there)
        session.delete(row)
    session.flush()
