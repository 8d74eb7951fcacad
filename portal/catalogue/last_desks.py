"""What a change of offers takes away: places in which nobody but the clearing desk is left for a kind of contact."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select
from sqlmodel import Session

from portal.catalogue import models
from portal.catalogue.geography import covers
from portal.catalogue.models import Status
from portal.catalogue.records import ServiceRecord
from portal.catalogue.rows import table
from portal.catalogue.vocabulary import DANGER_KINDS


@dataclass(frozen=True, slots=True)
class Loss:
    """A kind of contact, and the places (AGS) that would have no desk for it any more."""

    kind: str
    places: tuple[str, ...]

    @property
    def is_dangerous(self) -> bool:
        """The clearing desk must not stand in here."""
        return self.kind in DANGER_KINDS


def losses(
    session: Session, region: str, changes: Mapping[str, ServiceRecord | None], *, today: date
) -> tuple[Loss, ...]:
    """Of all `changes` together: slug → the record as it will be, None when the public will not see it any more.

    The dangerous ones first. Only what is lost counts, never what was missing before.
    """
    before = _desks(session, region, today)
    touched = {kind for kind, desks in before.items() if not changes.keys().isdisjoint(desks)}
    if not touched:
        return ()
    after = {
        kind: {slug: areas for slug, areas in before[kind].items() if slug not in changes} for kind in touched
    }
    for slug, record in changes.items():
        if record is not None and _is_seen(session, region, record, today):
            for kind in touched.intersection(record.desk_for):
                after[kind][slug] = set(record.service_areas)
    place = table(models.Place)
    places = list(
        session.execute(select(place.c.ags).where(place.c.region == region).order_by(place.c.name)).scalars()
    )
    found = []
    for kind in touched:
        lost = [ags for ags in places if _has_desk(before[kind], ags) and not _has_desk(after[kind], ags)]
        if lost:
            found.append(Loss(kind, tuple(lost)))
    return tuple(sorted(found, key=lambda loss: (not loss.is_dangerous, -len(loss.places), loss.kind)))


def mark(found: tuple[Loss, ...]) -> str:
    """Stands for exactly these losses: whoever agreed to them agreed to no others."""
    text = ";".join(f"{loss.kind}:{','.join(sorted(loss.places))}" for loss in found)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _has_desk(desks: Mapping[str, set[str]], ags: str) -> bool:
    return any(covers(area, ags) for areas in desks.values() for area in areas)


def _desks(session: Session, region: str, today: date) -> dict[str, dict[str, set[str]]]:
    """Kind of contact → slug → areas, of the offers that the public sees."""
    service, organization, area = (
        table(models.Service),
        table(models.Organization),
        table(models.ServiceArea),
    )
    attribute, term = table(models.Attribute), table(models.TaxonomyTerm)
    rows = session.execute(
        select(term.c.code, service.c.slug, area.c.area)
        .select_from(attribute)
        .join(term, term.c.id == attribute.c.taxonomy_term_id)
        .join(service, service.c.id == attribute.c.link_id)
        .join(organization, organization.c.id == service.c.organization_id)
        .join(area, area.c.service_id == service.c.id)
        .where(
            attribute.c.link_type == "desk_for",
            service.c.region == region,
            service.c.status == Status.PUBLISHED.value,
            organization.c.status == Status.PUBLISHED.value,
            func.coalesce(service.c.valid_from, today) <= today,
            func.coalesce(service.c.valid_to, today) >= today,
        )
    )
    found: dict[str, dict[str, set[str]]] = {}
    for code, slug, served in rows:
        found.setdefault(code, {}).setdefault(slug, set()).add(served)
    return found


def _is_seen(session: Session, region: str, record: ServiceRecord, today: date) -> bool:
    organization = table(models.Organization)
    status = session.execute(
        select(organization.c.status).where(
            organization.c.region == region, organization.c.slug == record.organization
        )
    ).scalar()
    return (
        record.status == Status.PUBLISHED.value
        and status == Status.PUBLISHED.value
        and (record.valid_from is None or record.valid_from <= today)
        and (record.valid_to is None or record.valid_to >= today)
    )
