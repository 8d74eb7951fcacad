"""Desks that can take somebody now, for everybody who chooses one."""

from itertools import groupby
from uuid import UUID

from sqlalchemy import or_, select
from sqlmodel import Session, col

from portal.catalogue.models import Organization, Service
from portal.catalogue.models import Status as EntryStatus
from portal.referral import choosing
from portal.referral.choosing import Desk
from portal.referral.models import Team
from portal.web.current import current_portal
from portal.web.public.presenting import language_name


def open_desks(session: Session, *, without: UUID | None = None) -> list[tuple[str, list[tuple[Desk, str]]]]:
    """Of the region: name of the office with the languages of its team, and its desks with the name of the offer.

    `without` leaves out one team.
    """
    portal = current_portal()
    today = portal.now().astimezone(portal.timezone).date()
    takers = choosing.organizations_that_take(session, portal.region.slug, today=today) - {without}
    if not takers:
        return []
    rows = session.execute(
        select(
            col(Service.id),
            col(Service.name),
            col(Organization.id),
            col(Organization.name),
            col(Team.languages),
        )
        .join(Organization, col(Organization.id) == col(Service.organization_id))
        .join(Team, col(Team.organization_id) == col(Organization.id))
        .where(
            col(Service.region) == portal.region.slug,
            col(Service.status) == EntryStatus.PUBLISHED.value,
            or_(col(Service.capacity).is_(None), col(Service.capacity) != "full"),
            or_(col(Service.valid_from).is_(None), col(Service.valid_from) <= today),
            or_(col(Service.valid_to).is_(None), col(Service.valid_to) >= today),
            col(Organization.id).in_(takers),
        )
        .order_by(col(Organization.name), col(Organization.id), col(Service.name))
    )
    return [
        (_with_languages(office, languages), [(Desk(row[0], id_), str(row[1])) for row in desks])
        for (id_, office, languages), desks in groupby(rows, lambda row: row[2:])
    ]


def _with_languages(office: str, languages: list[str]) -> str:
    spoken = ", ".join(language_name(code) for code in languages)
    return f"{office} · {spoken}" if spoken else office


def offered_desk(session: Session, chosen: str, *, without: UUID | None = None) -> Desk | None:
    """The open desk that a form names by its service."""
    return next(
        (
            desk
            for _office, desks in open_desks(session, without=without)
            for desk, _name in desks
            if str(desk.service_id) == chosen
        ),
        None,
    )
