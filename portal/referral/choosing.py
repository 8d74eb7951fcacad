"""Which team can really take a referral: before consent is asked, so that it names the right one, and when it turned full
afterwards."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import Session, col

from portal.accounts.models import Role, RoleGrant, User
from portal.catalogue import matching
from portal.catalogue.models import Attribute, Organization, Service
from portal.catalogue.models import Status as EntryStatus
from portal.catalogue.queries import Catalogue
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


def availability(session: Session, desk: Desk, *, today: date) -> Availability:
    return _availabilities(session, [desk], today=today)[desk]


def can_answer(session: Session, referral: Referral, *, today: date) -> bool:
    """The team that has it already is neither full nor away. How many others are open does not count any more."""
    desk = Desk(referral.service_id, referral.organization_id)
    found = _availabilities(session, [desk], today=today, counting_open=False)
    return found[desk] is Availability.OPEN


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


def choose(session: Session, desks: Iterable[Desk], *, today: date) -> Desk | None:
    """Of desks in the order of fit, the first that can take somebody; None when none can."""
    wanted = list(dict.fromkeys(desks))
    found = _availabilities(session, wanted, today=today)
    return next((desk for desk in wanted if found[desk] is Availability.OPEN), None)


def candidates(
    session: Session, catalogue: Catalogue, desk: Desk, *, place: str | None, language: str, today: date
) -> list[Desk]:
    """Desks in the order of fit: `desk`, its stand-in, those of the same kind, at last the one that helps with anything.

    The fit wins over the language: an interpreter can come, another competence cannot. Of the same kind come first
    those that speak it, then the nearest.
    """
    instead = stand_in(session, desk, today=today)
    # The database knows desks that the public does not see today.
    known = [instead] if instead and catalogue.services((instead.service_id,)) else []
    same = same_kind(catalogue, desk, place=place)
    speaking = set(that_speak(session, same, language))
    return [desk, *known, *sorted(same, key=lambda one: one not in speaking), *_clearing(catalogue)]


def next_desk(
    session: Session, catalogue: Catalogue, desk: Desk, *, language: str, today: date
) -> Desk | None:
    """Who may take over when the team of `desk` turned full or away."""
    fitting = candidates(session, catalogue, desk, place=None, language=language, today=today)
    others = [one for one in fitting if one.organization_id != desk.organization_id]
    return choose(session, others, today=today)


def same_kind(catalogue: Catalogue, desk: Desk, *, place: str | None) -> list[Desk]:
    """Those asked for the same matter at `place`, nearest first."""
    return [
        Desk(found.service.id, found.service.organization.id)
        for service in catalogue.services((desk.service_id,))
        for kind in service.contact_kinds[:1]
        for found in matching.desks(catalogue, kind, place=place)
        if found.level != "clearing"
    ]


def _clearing(catalogue: Catalogue) -> list[Desk]:
    service = catalogue.service(catalogue.region.clearing_desk)
    return [Desk(service.id, service.organization.id)] if service else []


def that_speak(session: Session, desks: Iterable[Desk], language: str) -> list[Desk]:
    """Those whose team speaks the language without an interpreter."""
    wanted = list(desks)
    code = language.partition("-")[0]
    if code == "de":
        return wanted
    teams = session.execute(
        select(col(Team.organization_id), col(Team.languages)).where(
            col(Team.organization_id).in_({desk.organization_id for desk in wanted})
        )
    )
    speaking = {organization_id for organization_id, languages in teams if code in languages}
    return [desk for desk in wanted if desk.organization_id in speaking]


def stand_in(session: Session, desk: Desk, *, today: date) -> Desk | None:
    """Of the team named for the time when this one is full or away: the open desk with most of its contact kinds."""
    team = session.get(Team, desk.organization_id)
    if team is None or team.fallback_organization_id is None:
        return None
    fallback = team.fallback_organization_id
    services = session.execute(
        select(col(Service.id)).where(col(Service.organization_id) == fallback).order_by(col(Service.slug))
    ).scalars()
    found = _availabilities(session, [Desk(id_, fallback) for id_ in services], today=today)
    able = [one for one, state in found.items() if state is Availability.OPEN]
    kinds = _kinds(session, [desk.service_id, *(one.service_id for one in able)])
    return _closest(desk, able, kinds)


def _closest(desk: Desk, others: Iterable[Desk], kinds: Mapping[UUID, Collection[UUID]]) -> Desk | None:
    """None when no other has a contact kind in common: whoever stands in must know the matter."""
    wanted = set(kinds[desk.service_id])
    best = max(others, key=lambda one: len(wanted.intersection(kinds[one.service_id])), default=None)
    return best if best is not None and wanted.intersection(kinds[best.service_id]) else None


def _kinds(session: Session, services: Collection[UUID]) -> dict[UUID, set[UUID]]:
    """Their contact kinds."""
    found: dict[UUID, set[UUID]] = {id_: set() for id_ in services}
    for service_id, kind in session.execute(
        select(col(Attribute.link_id), col(Attribute.taxonomy_term_id)).where(
            col(Attribute.link_id).in_(services), col(Attribute.link_type) == "contact_kinds"
        )
    ):
        found[service_id].add(kind)
    return found


def services_to_ask(session: Session, catalogue: Catalogue, *, today: date) -> frozenset[UUID]:
    """Those whose contact cards offer "let them contact me": open ones, and those of teams that are full or away now
    when another desk can take somebody instead, wherever in the region the person lives."""
    fallbacks, found = _teams_and_desks(session, catalogue.slug, today=today)
    able = {desk for desk, state in found.items() if state is Availability.OPEN}
    if not able:
        return frozenset()
    kinds = _kinds(session, [desk.service_id for desk in found])

    def somebody_can(desk: Desk) -> bool:
        others = (one for one in able if one.organization_id == fallbacks[desk.organization_id])
        fitting = (*same_kind(catalogue, desk, place=None), *_clearing(catalogue))
        return not able.isdisjoint(fitting) or _closest(desk, others, kinds) is not None

    return frozenset(
        desk.service_id
        for desk, state in found.items()
        if state is not Availability.NONE and (desk in able or somebody_can(desk))
    )


def organizations_that_take(session: Session, region: str, *, today: date) -> frozenset[UUID]:
    """Those with a desk that can take somebody now."""
    _fallbacks, found = _teams_and_desks(session, region, today=today)
    return frozenset(desk.organization_id for desk, state in found.items() if state is Availability.OPEN)


def _teams_and_desks(
    session: Session, region: str, *, today: date
) -> tuple[dict[UUID, UUID | None], dict[Desk, Availability]]:
    """Of the region's teams that take referrals: who stands in for each, and all their desks."""
    rows = session.execute(
        select(col(Team.organization_id), col(Team.fallback_organization_id), col(Service.id))
        .join(Service, col(Service.organization_id) == col(Team.organization_id))
        .where(col(Team.region) == region, col(Team.accepts))
    ).all()
    fallbacks = {organization_id: fallback for organization_id, fallback, _service_id in rows}
    desks = [Desk(service_id, organization_id) for organization_id, _fallback, service_id in rows]
    return fallbacks, _availabilities(session, desks, today=today)
