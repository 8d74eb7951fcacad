"""Changes that people make here, as opposed to those that come with the content files."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import and_, or_, update
from sqlmodel import Session, col, select

from portal.catalogue import models, revision
from portal.catalogue.models import Status


def record_edit(
    session: Session, edited: models.Organization | models.Location | models.Service, *, now: datetime
) -> int:
    """To be called after every change to one of these or to what hangs on it; returns the new revision.

    From now on a reload of the content files leaves the entry alone, and caches and the search index notice.
    """
    edited.edited_at = now
    edited.last_modified = now
    session.add(edited)
    session.flush()
    return revision.bump(session, edited.region, _affected(session, edited), now=now)


def _affected(session: Session, edited: models.Organization | models.Location | models.Service) -> list[UUID]:
    if isinstance(edited, models.Service):
        return [edited.id]
    if isinstance(edited, models.Organization):
        owned = select(col(models.Service.id)).where(col(models.Service.organization_id) == edited.id)
        return list(session.exec(owned))
    at = select(col(models.ServiceAtLocation.service_id)).where(
        col(models.ServiceAtLocation.location_id) == edited.id
    )
    return list(session.exec(at))


def note_passing_periods(session: Session, region: str, today: date, *, now: datetime) -> bool:
    """Make a revision of the services whose funding period began or ended since this was last asked.

    Nobody edits anything on such a day, but caches and the search index must notice. Asked once a day by
    every process; only the first one writes. True when there was something.
    """
    known = session.get(models.CatalogueRevision, region, populate_existing=True)
    if known is None or (known.periods_noted is not None and known.periods_noted >= today):
        return False
    since, number = known.periods_noted, known.number
    first = session.execute(
        update(models.CatalogueRevision)
        .where(
            col(models.CatalogueRevision.region) == region,
            col(models.CatalogueRevision.number) == number,
            or_(
                col(models.CatalogueRevision.periods_noted).is_(None),
                col(models.CatalogueRevision.periods_noted) < today,
            ),
        )
        .values(periods_noted=today)
        .returning(col(models.CatalogueRevision.region)),
        execution_options={"synchronize_session": False},
    ).first()
    if first is None or since is None:
        # Another process was quicker, or nobody has asked before: then nothing has been shown before either.
        return False
    begins, ends = col(models.Service.valid_from), col(models.Service.valid_to)
    passing = session.exec(
        select(col(models.Service.id)).where(
            col(models.Service.region) == region,
            or_(
                and_(begins > since, begins <= today),
                # The last day still counts, so a service is gone on the day after.
                and_(ends >= since, ends < today),
            ),
        )
    ).all()
    if passing:
        revision.bump(session, region, passing, now=now)
    return bool(passing)


def set_status(
    session: Session, entry: models.Organization | models.Service, status: Status, *, now: datetime
) -> None:
    """Publish, withdraw or archive."""
    entry.status = status.value
    record_edit(session, entry, now=now)


def confirm(
    session: Session,
    entry: models.Organization | models.Location | models.Service,
    *,
    on: date,
    now: datetime,
) -> None:
    """Somebody at the office said on that day that the entry is right."""
    entry.assured_date = on
    entry.confidence = "confirmed"
    record_edit(session, entry, now=now)
