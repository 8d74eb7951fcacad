"""What stays of referrals: numbers per team and month."""

from collections import Counter
from collections.abc import Collection
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col

from portal.referral.models import Count

SHOWN_FROM = 5
"""Smaller numbers are not shown: somebody could be recognised."""


def add(session: Session, region: str, organization_id: UUID, measure: str, *, now: datetime) -> None:
    month = date(now.year, now.month, 1)
    counted = session.execute(
        update(Count)
        .where(
            col(Count.region) == region,
            col(Count.organization_id) == organization_id,
            col(Count.month_date) == month,
            col(Count.measure) == measure,
        )
        .values(number=col(Count.number) + 1)
        .returning(col(Count.number)),
        execution_options={"synchronize_session": False},
    ).first()
    if counted is None:
        # Two first ones in the same moment: the second meets the key of the first and counts on.
        try:
            with session.begin_nested():
                session.add(
                    Count(
                        region=region,
                        organization_id=organization_id,
                        month_date=month,
                        measure=measure,
                        number=1,
                    )
                )
        except IntegrityError:
            add(session, region, organization_id, measure, now=now)


def totals(
    session: Session, region: str, organizations: Collection[UUID] | None, *, since: date
) -> dict[UUID, Counter[str]]:
    """Measures per team since the month of `since`; every team with None. Not yet fit to be shown: see `shown`."""
    query = select(col(Count.organization_id), col(Count.measure), col(Count.number)).where(
        col(Count.region) == region, col(Count.month_date) >= date(since.year, since.month, 1)
    )
    if organizations is not None:
        query = query.where(col(Count.organization_id).in_(organizations))
    found: dict[UUID, Counter[str]] = {}
    for organization_id, measure, number in session.execute(query):
        found.setdefault(organization_id, Counter())[measure] += number
    return found


def shown(number: int) -> int | None:
    """None: too few to be shown."""
    return number if number >= SHOWN_FROM else None
