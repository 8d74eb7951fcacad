"""The number that grows with every change of a region's catalogue, and what changed with it."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlmodel import Session, col

from portal.catalogue.models import CatalogueChange, CatalogueRevision

KEPT_REVISIONS = 1000
"""Older changes are forgotten; a search index that lags further behind is built anew."""


def text_hash(text: str) -> str:
    """First 12 hex digits of SHA-256, white space folded: does a translation still fit its source?"""
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()[:12]


def current(session: Session, region: str) -> int:
    """0 for a region that was never loaded."""
    number = session.execute(
        select(col(CatalogueRevision.number)).where(col(CatalogueRevision.region) == region)
    ).scalar()
    return number or 0


def bump(session: Session, region: str, service_ids: Iterable[UUID], *, now: datetime) -> int:
    """Give the region a new revision that touched `service_ids`; empty when only other things changed."""
    number = session.execute(
        update(CatalogueRevision)
        .where(col(CatalogueRevision.region) == region)
        .values(number=col(CatalogueRevision.number) + 1)
        .returning(col(CatalogueRevision.number)),
        execution_options={"synchronize_session": False},
    ).scalar()
    if number is None:
        number = 1
        session.execute(insert(CatalogueRevision).values(region=region, number=number, changes_since=0))
    changes = [
        {"region": region, "revision": number, "service_id": service_id, "at": now}
        for service_id in sorted(set(service_ids))
    ]
    if changes:
        session.execute(insert(CatalogueChange), changes)
    _forget(session, region, before=number - KEPT_REVISIONS)
    return number


def _forget(session: Session, region: str, *, before: int) -> None:
    if before <= 0:
        return
    session.execute(
        delete(CatalogueChange).where(
            col(CatalogueChange.region) == region,
            col(CatalogueChange.revision) <= before,
        ),
        execution_options={"synchronize_session": False},
    )
    session.execute(
        update(CatalogueRevision).where(col(CatalogueRevision.region) == region).values(changes_since=before),
        execution_options={"synchronize_session": False},
    )


def changed_service_ids(session: Session, region: str, *, since: int) -> frozenset[UUID] | None:
    """Services touched after revision `since`; None when that is no longer known: take everything anew."""
    known = session.execute(
        select(col(CatalogueRevision.number), col(CatalogueRevision.changes_since)).where(
            col(CatalogueRevision.region) == region
        )
    ).first()
    if known is None:
        return frozenset()
    number, changes_since = known
    # A larger number than ours means that the database was replaced by an older one.
    if since < changes_since or since > number:
        return None
    return frozenset(
        session.execute(
            select(col(CatalogueChange.service_id)).where(
                col(CatalogueChange.region) == region,
                col(CatalogueChange.revision) > since,
            )
        ).scalars()
    )
