"""Which team can really take a referral: before consent is asked, so that it names the right one."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import Session, col

from portal.accounts.models import Role, RoleGrant, User
from portal.catalogue.models import Attribute, Organization, Service
from portal.catalogue.models import Status as EntryStatus
from portal.referral.lifecycle import LIVE
from portal.referral.models import Referral, Team


class Availability(StrEnum):
    OPEN = "open"
    FULL = "full"
    AWAY = "away"
    NONE = "none"
    """The organization takes no referrals, has nobody to answer them, or left the catalogue."""


@dataclass(frozen=True, slots=True)
class Desk:
    service_id: UUID
    organization_id: UUID


@dataclass(frozen=True, slots=True)
class Choice:
    """The desk that is asked, and the one that may take over when it turns full."""

    desk: Desk
    speaks: bool
    """The person's language, without an interpreter."""
    next: Desk | None = None
    passed_over: tuple[tuple[Desk, Availability], ...] = ()
    """Better fitting desks that cannot take anybody now, and why."""


def availability(session: Session, desk: Desk, *, today: date, counting_open: bool = True) -> Availability:
    """`counting_open` is False for a referral that the team has already: it must not stand in its own way."""
    return _availabilities(session, [desk], today=today, counting_open=counting_open)[desk]


def _availabilities(
    session: Session, desks: Sequence[Desk], *, today: date, counting_open: bool = True
) -> dict[Desk, Availability]:
    organizations = {desk.organization_id for desk in desks}
    teams = {
        team.organization_id: team
        for team in session.execute(
            select(Team).where(col(Team.organization_id).in_(organizations), col(Team.accepts))
        ).scalars()
    }
    staffed = set(
        session.execute(
            select(col(RoleGrant.organization_id))
            .join(User, col(User.id) == col(RoleGrant.user_id))
            .where(
                col(RoleGrant.role) == Role.COUNSELLOR.value,
                col(RoleGrant.organization_id).in_(organizations),
                col(User.disabled_at).is_(None),
                col(User.password_hash).is_not(None),
            )
        ).scalars()
    )
    full = {
        Desk(service_id, organization_id): capacity == "full"
        for service_id, organization_id, capacity in session.execute(
            select(col(Service.id), col(Service.organization_id), col(Service.capacity))
            .join(Organization, col(Organization.id) == col(Service.organization_id))
            .where(
                col(Service.id).in_({desk.service_id for desk in desks}),
                col(Service.status) == EntryStatus.PUBLISHED.value,
                col(Organization.status) == EntryStatus.PUBLISHED.value,
            )
        )
    }
    open_now: Counter[UUID] = Counter()
    for organization, number in session.execute(
        select(col(Referral.organization_id), func.count())
        .where(
            col(Referral.organization_id).in_(organizations),
            col(Referral.status).in_([status.value for status in LIVE]),
        )
        .group_by(col(Referral.organization_id))
    ):
        open_now[organization] = number

    def one(desk: Desk) -> Availability:
        team = teams.get(desk.organization_id)
        if team is None or desk.organization_id not in staffed or desk not in full:
            return Availability.NONE
        if team.away_from and team.away_from <= today and (team.away_to is None or today <= team.away_to):
            return Availability.AWAY
        if (
            counting_open
            and team.open_at_most is not None
            and open_now[desk.organization_id] >= team.open_at_most
        ):
            return Availability.FULL
        return Availability.FULL if full[desk] else Availability.OPEN

    return {desk: one(desk) for desk in desks}


def choose(session: Session, desks: Iterable[Desk], *, language: str, today: date) -> Choice | None:
    """Of desks in the order of fit, the first that can take somebody; None when none can.

    The order of fit wins over the language: an interpreter can come, another competence cannot. Between desks of
    the same organization the first counts.
    """
    wanted = list(dict.fromkeys(desks))
    if not wanted:
        return None
    found = _availabilities(session, wanted, today=today)
    fit = [desk for desk in wanted if found[desk] is Availability.OPEN]
    if not fit:
        return None
    desk = fit[0]
    team = session.get(Team, desk.organization_id)
    other = next((one for one in fit[1:] if one.organization_id != desk.organization_id), None)
    return Choice(
        desk,
        speaks=language.partition("-")[0] in {"de", *(team.languages if team else ())},
        next=other,
        passed_over=tuple(
            (one, found[one]) for one in wanted[: wanted.index(desk)] if found[one] is not Availability.NONE
        ),
    )


def by_language(session: Session, desks: Iterable[Desk], language: str) -> list[Desk]:
    """Desks of equal fit: first those whose team speaks the language without an interpreter."""
    wanted = list(desks)
    spoken = {
        organization_id: {"de", *languages}
        for organization_id, languages in session.execute(
            select(col(Team.organization_id), col(Team.languages)).where(
                col(Team.organization_id).in_({desk.organization_id for desk in wanted})
            )
        )
    }
    code = language.partition("-")[0]
    return sorted(wanted, key=lambda desk: code not in spoken.get(desk.organization_id, ()))


def stand_in(session: Session, desk: Desk, *, today: date) -> Desk | None:
    """Of the team named for the time when this one is full or away: an open desk, of the same kind if there is one."""
    team = session.get(Team, desk.organization_id)
    if team is None or team.fallback_organization_id is None:
        return None
    fallback = team.fallback_organization_id
    services = session.execute(
        select(col(Service.id)).where(col(Service.organization_id) == fallback).order_by(col(Service.slug))
    ).scalars()
    found = _availabilities(session, [Desk(id_, fallback) for id_ in services], today=today)
    wanted = _kinds(session, desk.service_id)
    return max(
        (one for one, state in found.items() if state is Availability.OPEN),
        key=lambda one: len(wanted & _kinds(session, one.service_id)),
        default=None,
    )


def _kinds(session: Session, service_id: UUID) -> set[UUID]:
    """Its contact kinds."""
    return set(
        session.execute(
            select(col(Attribute.taxonomy_term_id)).where(
                col(Attribute.link_id) == service_id, col(Attribute.link_type) == "contact_kinds"
            )
        ).scalars()
    )


def organizations_that_take(session: Session, region: str, *, today: date) -> frozenset[UUID]:
    """Those whose contact cards offer "let them contact me"."""
    teams = session.execute(
        select(col(Team.organization_id), col(Service.id))
        .join(Service, col(Service.organization_id) == col(Team.organization_id))
        .where(col(Team.region) == region, col(Team.accepts))
    ).all()
    desks = [Desk(service_id, organization_id) for organization_id, service_id in teams]
    if not desks:
        return frozenset()
    found = _availabilities(session, desks, today=today)
    return frozenset(desk.organization_id for desk, state in found.items() if state is Availability.OPEN)
