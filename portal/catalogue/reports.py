""" "Something is wrong here": what visitors say about an offer, without saying who they are.

A report knows the offer, a reason, a few words and the day. The same said twice is kept once. Functions flush, the caller
commits.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select
from sqlmodel import Session, col

from portal.catalogue.models import Organization, Service, VisitorReport
from portal.catalogue.reading import CatalogueError

REASONS = ("phone", "hours", "address", "gone", "text", "other")
LONGEST = 500
ERASED_AFTER = timedelta(days=180)
"""Once it was decided."""
MOST_OPEN = 20
"""Different reports about one offer; more would not help anybody."""
MOST_A_DAY = 300
"""In the whole region, so that a machine cannot fill the disk."""

Outcome = Literal["kept", "known"]
State = Literal["open", "done", "dismissed"]


class UnknownReport(CatalogueError):
    """There is none with this id, or it was decided before."""


_TURNS_ROUND = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
"""Signs that change the direction of what follows. Joiners stay: Persian needs them."""


def plain_text(text: str) -> str:
    """Without control characters and superfluous white space, at most `LONGEST` characters."""
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")
    text = "".join(
        c
        for c in text.replace("\t", " ")
        if c == "\n" or not (unicodedata.category(c) in ("Cc", "Cs") or c in _TURNS_ROUND)
    )
    text = re.sub(r"[^\S\n]+", " ", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()[:LONGEST].strip()


def report(
    session: Session, service: Service, reason: str, text: str, *, language: str, day: date
) -> Outcome:
    """Keep a report; `known` when the same was said before, or when enough was said.

    Raises ValueError for a reason that does not exist.
    """
    if reason not in REASONS:
        raise ValueError(reason)
    text = plain_text(text)
    # Two who say the same at the same moment are kept twice, which a coordinator survives.
    waiting = list(
        session.execute(
            select(VisitorReport)
            .where(col(VisitorReport.service_id) == service.id, col(VisitorReport.state) == "open")
            .order_by(col(VisitorReport.day), col(VisitorReport.id))
        ).scalars()
    )
    same = [known for known in waiting if known.reason == reason]
    if any(not text or _folded(known.text) == _folded(text) for known in same):
        return "known"
    for known in same:
        if not known.text:
            known.text, known.language = text, language
            session.add(known)
            session.flush()
            return "known"
    if len(waiting) >= MOST_OPEN or _today(session, service.region, day) >= MOST_A_DAY:
        return "known"
    session.add(
        VisitorReport(
            region=service.region, service_id=service.id, reason=reason, text=text, language=language, day=day
        )
    )
    session.flush()
    return "kept"


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _today(session: Session, region: str, day: date) -> int:
    return _number(session, col(VisitorReport.region) == region, col(VisitorReport.day) == day)


@dataclass(frozen=True, slots=True)
class Listed:
    report: VisitorReport
    slug: str
    name: str
    organization: str
    status: str
    """Of the offer."""


def listed(
    session: Session,
    region: str,
    state: str = "open",
    *,
    conditions: Sequence[ColumnElement[bool]] = (),
    limit: int | None = None,
    offset: int = 0,
) -> list[Listed]:
    """Open ones: the oldest first; decided ones: the latest first. `conditions` on `Service`."""
    order = (
        (col(VisitorReport.day), col(Service.slug), col(VisitorReport.id))
        if state == "open"
        else (col(VisitorReport.decided_at).desc(), col(VisitorReport.id))
    )
    rows = session.execute(
        select(
            VisitorReport, col(Service.slug), col(Service.name), col(Organization.name), col(Service.status)
        )
        .join(Service, col(Service.id) == col(VisitorReport.service_id))
        .join(Organization, col(Organization.id) == col(Service.organization_id))
        .where(col(VisitorReport.region) == region, col(VisitorReport.state) == state, *conditions)
        .order_by(*order)
        .limit(limit)
        .offset(offset)
    )
    return [Listed(*row) for row in rows]


def number(
    session: Session, region: str, state: str = "open", *, conditions: Sequence[ColumnElement[bool]] = ()
) -> int:
    return _number(
        session, col(VisitorReport.region) == region, col(VisitorReport.state) == state, *conditions
    )


def _number(session: Session, *conditions: ColumnElement[bool]) -> int:
    return (
        session.execute(
            select(func.count())
            .select_from(VisitorReport)
            .join(Service, col(Service.id) == col(VisitorReport.service_id))
            .where(*conditions)
        ).scalar()
        or 0
    )


def decide(
    session: Session,
    report: VisitorReport,
    state: Literal["done", "dismissed"],
    *,
    by: UUID | None,
    now: datetime,
) -> None:
    """Raises UnknownReport when somebody was quicker."""
    session.refresh(report)
    if report.state != "open":
        raise UnknownReport(str(report.id))
    report.state, report.decided_at, report.decided_by = state, now, by
    session.add(report)
    session.flush()


def reopen(session: Session, report: VisitorReport) -> None:
    """Take a decision back. Raises UnknownReport when there is none."""
    session.refresh(report)
    if report.state == "open":
        raise UnknownReport(str(report.id))
    report.state, report.decided_at, report.decided_by = "open", None, None
    session.add(report)
    session.flush()


def erase_decided(session: Session, region: str, *, now: datetime) -> int:
    """Erase what was decided half a year ago; returns how many."""
    done = session.execute(
        delete(VisitorReport).where(
            col(VisitorReport.region) == region,
            col(VisitorReport.state) != "open",
            col(VisitorReport.decided_at) < now - ERASED_AFTER,
        )
    )
    return int(done.rowcount)  # type: ignore[attr-defined]
