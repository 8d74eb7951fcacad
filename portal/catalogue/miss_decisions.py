"""What is done about words that were searched for in vain: they become synonyms, an offer is missing, or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, select
from sqlmodel import Session, col

from portal.catalogue.models import SearchMiss, SearchMissDecision

DECISIONS = ("synonym", "missing", "ignored")
OPEN = "open"


class AlreadyDecided(Exception):
    """Somebody else was quicker, or the word is not there (any more)."""


@dataclass(frozen=True, slots=True)
class Line:
    language: str
    term: str
    count: int
    first_day: date | None
    last_day: date | None
    """None when nobody looked for it for so long that the count was forgotten."""
    decision: str
    concept: str | None


def _together() -> ColumnElement[bool]:
    return and_(
        col(SearchMissDecision.region) == col(SearchMiss.region),
        col(SearchMissDecision.language) == col(SearchMiss.language),
        col(SearchMissDecision.term) == col(SearchMiss.term),
    )


def numbers(session: Session, region: str) -> dict[str, int]:
    """How many words wait, and how many were decided in which way."""
    found = dict.fromkeys((OPEN, *DECISIONS), 0)
    found[OPEN] = session.execute(
        select(func.count())
        .select_from(SearchMiss)
        .where(
            col(SearchMiss.region) == region,
            ~select(col(SearchMissDecision.term)).where(_together()).exists(),
        )
    ).scalar_one()
    rows = session.execute(
        select(col(SearchMissDecision.decision), func.count())
        .where(col(SearchMissDecision.region) == region)
        .group_by(col(SearchMissDecision.decision))
    )
    for decision, number in rows:
        found[decision] = number
    return found


def listed(session: Session, region: str, state: str, *, limit: int, offset: int) -> Sequence[Line]:
    """The most frequent first. `state` is `open` or a decision."""
    miss, decided = SearchMiss, SearchMissDecision
    query: Any
    if state == OPEN:
        query = select(
            col(miss.language), col(miss.term), col(miss.count), col(miss.first_day), col(miss.last_day)
        ).where(col(miss.region) == region, ~select(col(decided.term)).where(_together()).exists())
        rows = session.execute(
            query.order_by(col(miss.count).desc(), col(miss.term)).limit(limit).offset(offset)
        )
        return [Line(row[0], row[1], row[2], row[3], row[4], OPEN, None) for row in rows]
    query = (
        select(
            col(decided.language),
            col(decided.term),
            func.coalesce(col(miss.count), 0),
            col(miss.first_day),
            col(miss.last_day),
            col(decided.decision),
            col(decided.concept),
        )
        .outerjoin(miss, _together())
        .where(col(decided.region) == region, col(decided.decision) == state)
        .order_by(func.coalesce(col(miss.count), 0).desc(), col(decided.term))
    )
    return [Line(*row) for row in session.execute(query.limit(limit).offset(offset))]


def decide(
    session: Session,
    region: str,
    language: str,
    term: str,
    decision: str,
    *,
    concept: str | None = None,
    by: UUID | None,
    now: datetime,
) -> None:
    """Raises AlreadyDecided."""
    if session.get(SearchMiss, (region, language, term)) is None:
        raise AlreadyDecided(term)
    if session.get(SearchMissDecision, (region, language, term)) is not None:
        raise AlreadyDecided(term)
    session.add(
        SearchMissDecision(
            region=region,
            language=language,
            term=term,
            decision=decision,
            concept=concept,
            decided_at=now,
            decided_by=by,
        )
    )
    session.flush()


def reopen(session: Session, region: str, language: str, term: str) -> SearchMissDecision:
    """Take the decision back; returns what it was. Raises AlreadyDecided."""
    found = session.get(SearchMissDecision, (region, language, term))
    if found is None:
        raise AlreadyDecided(term)
    session.execute(
        delete(SearchMissDecision).where(
            col(SearchMissDecision.region) == region,
            col(SearchMissDecision.language) == language,
            col(SearchMissDecision.term) == term,
        ),
        execution_options={"synchronize_session": False},
    )
    return found
