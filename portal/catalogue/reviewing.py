"""When an offer has to be confirmed again, and what came of asking.

An offer is due when its last confirmation has grown older than its interval, or on the day a coordinator set. The office
behind it is asked by mail with a link; after two weeks once more; after four weeks a coordinator takes over. Functions
flush, the caller commits.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    Date,
    Select,
    String,
    and_,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import FunctionElement
from sqlmodel import Session, col

from portal.catalogue import editing, proposals
from portal.catalogue.editing import Author, Entry
from portal.catalogue.models import (
    Confirmation,
    EntryVersion,
    Organization,
    Proposal,
    Service,
    ServiceArea,
    Status,
)
from portal.catalogue.reading import CatalogueError
from portal.catalogue.records import Confidence

REVIEW_DAYS = 180
"""How long a confirmation holds where the offer itself says nothing."""
REMINDED_AFTER_DAYS = 14
ESCALATED_AFTER_DAYS = 28
LINK_HOLDS = timedelta(days=60)
ASKED_AGAIN_AFTER = timedelta(days=90)
"""Whoever did not answer, or whose correction nobody has decided, is not asked again before."""

Answer = Literal["right", "corrected", "gone"]


class UnknownLink(CatalogueError):
    """There is no question with this link."""


class AlreadyAnswered(CatalogueError):
    """Somebody has answered before; `question` says when."""

    def __init__(self, question: Confirmation) -> None:
        self.question = question
        super().__init__("answered")


class LinkExpired(CatalogueError):
    def __init__(self, question: Confirmation) -> None:
        self.question = question
        super().__init__("expired")


class NoLongerThere(CatalogueError):
    """The offer was archived or withdrawn meanwhile, so that there is nothing to confirm."""


class NothingChanged(CatalogueError):
    """A correction that corrects nothing and says nothing."""


# Which offers are due.


class _days_after(FunctionElement[date]):  # noqa: N801 (a function of SQL)
    """A day and a number of days: the day so much later."""

    type = Date()
    inherit_cache = True


@compiles(_days_after)
def _days_after_standard(element: Any, compiler: Any, **options: Any) -> str:
    day, days = (compiler.process(clause, **options) for clause in element.clauses)
    return f"({day} + {days})"


@compiles(_days_after, "sqlite")
def _days_after_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    day, days = (compiler.process(clause, **options) for clause in element.clauses)
    return f"date({day}, {days} || ' days')"


def first_seen() -> ColumnElement[date]:
    """For an offer that nobody ever confirmed: the day of its oldest kept state. Saving does not move it."""
    oldest = (
        select(func.min(col(EntryVersion.at)))
        .where(col(EntryVersion.entity_id) == col(Service.id))
        .correlate(Service)
        .scalar_subquery()
    )
    return func.date(func.coalesce(oldest, col(Service.last_modified)), type_=Date())


def due_on() -> ColumnElement[date]:
    """The day from which an offer waits for its next confirmation: set by hand, or its interval after the last one."""
    regular = _days_after(
        func.coalesce(col(Service.assured_date), first_seen()),
        func.coalesce(col(Service.review_days), REVIEW_DAYS),
    )
    return func.coalesce(col(Service.review_due), regular, type_=Date())


def is_due(region: str, today: date) -> ColumnElement[bool]:
    """Condition on `Service`: published, not over, and to be confirmed by now."""
    return and_(
        col(Service.region) == region,
        col(Service.status) == Status.PUBLISHED.value,
        or_(col(Service.valid_to).is_(None), col(Service.valid_to) >= today),
        due_on() <= today,
    )


def recipient() -> ColumnElement[str]:
    """Whom to ask: the offer's own mailbox, else the one of its organization. Empty when there is neither."""
    return func.coalesce(
        func.nullif(col(Service.email), ""), func.nullif(col(Organization.email), ""), literal("", String())
    )


def within(reaches: Iterable[tuple[UUID | None, str]]) -> ColumnElement[bool]:
    """Condition on `Service` for somebody who may not act on all: pairs of an organization (or any) and an area.

    An area, a prefix of the Amtlicher Gemeindeschlüssel, covers an offer only when everything it serves lies in there.
    """
    served = select(col(ServiceArea.service_id)).where(col(ServiceArea.service_id).is_not(None))
    parts: list[ColumnElement[bool]] = [false()]
    for organization_id, area in reaches:
        conditions: list[ColumnElement[bool]] = [true()]
        if organization_id is not None:
            conditions.append(col(Service.organization_id) == organization_id)
        if area:
            outside = served.where(not_(col(ServiceArea.area).startswith(area)))
            conditions += [col(Service.id).in_(served), col(Service.id).not_in(outside)]
        parts.append(and_(*conditions))
    return or_(*parts)


@dataclass(frozen=True, slots=True)
class Due:
    """An offer that waits, and what has been done about it."""

    service_id: UUID
    slug: str
    name: str
    organization_id: UUID
    organization: str
    recipient: str
    """Empty: nobody can be written to, so somebody has to telephone."""
    assured: date | None
    since: date
    asked_at: datetime | None
    reminded_at: datetime | None
    escalated_at: datetime | None
    answer: str | None
    """Of the latest question; `corrected` and `gone` wait for a decision."""


def due(
    session: Session,
    region: str,
    today: date,
    *,
    conditions: Sequence[ColumnElement[bool]] = (),
    limit: int | None = None,
    offset: int = 0,
) -> list[Due]:
    """Those waiting longest first. `conditions` may speak of `Service`, and of the latest `Confirmation`."""
    since = due_on().label("since")
    rows = session.execute(
        _due(region, today)
        .with_only_columns(
            col(Service.id), col(Service.slug), col(Service.name), col(Service.assured_date),
            col(Organization.id), col(Organization.name), recipient(), since, Confirmation,
            maintain_column_froms=True,
        )
        .where(*conditions)
        .order_by(since, col(Service.slug))
        .limit(limit)
        .offset(offset)
    )  # fmt: skip
    found = []
    for id_, slug, name, assured, organization_id, organization, to, day, question in rows:
        told = (None, None, None, None)
        if question:
            told = (question.asked_at, question.reminded_at, question.escalated_at, question.answer)
        found.append(Due(id_, slug, name, organization_id, organization, to, assured, day, *told))
    return found


def number_due(
    session: Session, region: str, today: date, *, conditions: Sequence[ColumnElement[bool]] = ()
) -> int:
    counted = _due(region, today).with_only_columns(func.count(), maintain_column_froms=True)
    return session.execute(counted.where(*conditions)).scalar() or 0


def _due(region: str, today: date) -> Select[Any]:
    latest = (
        select(
            col(Confirmation.service_id).label("service_id"),
            func.max(col(Confirmation.asked_at)).label("asked_at"),
        )
        .where(col(Confirmation.region) == region)
        .group_by(col(Confirmation.service_id))
        .subquery()
    )
    return (
        select(col(Service.id))
        .join(Organization, col(Organization.id) == col(Service.organization_id))
        .outerjoin(latest, latest.c.service_id == col(Service.id))
        .outerjoin(
            Confirmation,
            and_(
                col(Confirmation.service_id) == col(Service.id),
                col(Confirmation.asked_at) == latest.c.asked_at,
                _not_confirmed_since(),
            ),
        )
        .where(is_due(region, today))
    )


def _not_confirmed_since() -> ColumnElement[bool]:
    """What was asked before the last confirmation tells nothing about this time."""
    return or_(
        col(Service.assured_date).is_(None),
        func.date(col(Confirmation.asked_at), type_=Date()) > col(Service.assured_date),
    )


def has_no_mailbox() -> ColumnElement[bool]:
    """Nobody can be written to, so somebody has to telephone."""
    return recipient() == ""


def nobody_answered() -> ColumnElement[bool]:
    """Asked and reminded in vain; a coordinator was told."""
    return and_(col(Confirmation.escalated_at).is_not(None), col(Confirmation.answer).is_(None))


# Asking.


@dataclass(frozen=True, slots=True)
class Question:
    """A confirmation that was asked for, or is about to be, with what a letter needs."""

    confirmation: Confirmation
    slug: str
    name: str
    organization_id: UUID
    organization: str


def to_ask(session: Session, region: str, *, today: date, now: datetime) -> list[Question]:
    """Make a question for each due offer with a mailbox that was not asked lately. `token_hash` is still to be set.

    Locks the region, so that a second run at the same time finds nothing left.
    """
    editing.lock(session, region)
    asked_day = func.date(col(Confirmation.asked_at), type_=Date())
    lately = exists().where(
        col(Confirmation.service_id) == col(Service.id),
        col(Confirmation.asked_at) > now - ASKED_AGAIN_AFTER,
        or_(col(Confirmation.answer).is_(None), col(Confirmation.answer) != "right"),
        _not_confirmed_since(),
        or_(col(Service.review_due).is_(None), col(Service.review_due) <= asked_day),
    )
    rows = session.execute(
        select(col(Service.id), col(Service.slug), col(Service.name), Organization, recipient())
        .join(Organization, col(Organization.id) == col(Service.organization_id))
        .where(is_due(region, today), recipient() != "", not_(lately))
        .order_by(col(Organization.name), col(Service.name))
    ).all()
    return [
        Question(
            Confirmation(
                region=region, service_id=id_, recipient=to, token_hash="", asked_at=now,
                expires_at=now + LINK_HOLDS,
            ),
            slug,
            name,
            organization.id,
            organization.name,
        )
        for id_, slug, name, organization, to in rows
    ]  # fmt: skip


def to_remind(session: Session, region: str, *, today: date, now: datetime, zone: ZoneInfo) -> list[Question]:
    """Asked two weeks ago or earlier, not answered, and still due."""
    return _open(
        session,
        region,
        today,
        col(Confirmation.reminded_at).is_(None),
        col(Confirmation.escalated_at).is_(None),
        col(Confirmation.asked_at) < _end_of(today - timedelta(days=REMINDED_AFTER_DAYS), zone),
        col(Confirmation.expires_at) > now,
    )


def to_escalate(session: Session, region: str, *, today: date, zone: ZoneInfo) -> list[Question]:
    """Asked four weeks ago, reminded two weeks ago or earlier, not answered, and still due."""
    since_reminder = ESCALATED_AFTER_DAYS - REMINDED_AFTER_DAYS
    return _open(
        session,
        region,
        today,
        col(Confirmation.escalated_at).is_(None),
        col(Confirmation.asked_at) < _end_of(today - timedelta(days=ESCALATED_AFTER_DAYS), zone),
        col(Confirmation.reminded_at) < _end_of(today - timedelta(days=since_reminder), zone),
    )


def _end_of(day: date, zone: ZoneInfo) -> datetime:
    """Whole days count, so that a run at five to six follows one at six."""
    return datetime.combine(day + timedelta(days=1), time(), zone)


def _open(session: Session, region: str, today: date, *conditions: ColumnElement[bool]) -> list[Question]:
    rows = session.execute(
        select(
            Confirmation, col(Service.slug), col(Service.name), col(Organization.id), col(Organization.name)
        )
        .join(Service, col(Service.id) == col(Confirmation.service_id))
        .join(Organization, col(Organization.id) == col(Service.organization_id))
        .where(
            col(Confirmation.region) == region,
            col(Confirmation.answered_at).is_(None),
            _not_confirmed_since(),
            is_due(region, today),
            *conditions,
        )
        .order_by(col(Organization.name), col(Service.name))
    )
    return [Question(*row) for row in rows]


def grouped(questions: Iterable[Question]) -> dict[tuple[UUID, str], list[Question]]:
    """By organization and mailbox: one letter each."""
    found: dict[tuple[UUID, str], list[Question]] = {}
    for question in questions:
        key = (question.organization_id, question.confirmation.recipient.casefold())
        found.setdefault(key, []).append(question)
    return found


# Answering.


def question_of(session: Session, token_hash: str, *, now: datetime) -> Confirmation:
    """Raises UnknownLink, AlreadyAnswered, LinkExpired, NoLongerThere."""
    found: Confirmation | None = session.execute(
        select(Confirmation).where(col(Confirmation.token_hash) == token_hash)
    ).scalar_one_or_none()
    if found is None:
        raise UnknownLink("link")
    if found.answered_at is not None:
        raise AlreadyAnswered(found)
    if found.expires_at <= now:
        raise LinkExpired(found)
    return found


def entry_of(session: Session, question: Confirmation) -> Entry:
    """The offer asked about. Raises NoLongerThere."""
    found = editing.entries(session, question.region, "service", [question.service_id])
    if not found or found[0].status != Status.PUBLISHED:
        raise NoLongerThere(str(question.service_id))
    return found[0]


def answer_right(
    session: Session, question: Confirmation, *, author: Author, today: date, now: datetime
) -> None:
    """Everything is still right: the offer is confirmed as of today. Raises AlreadyAnswered, NoLongerThere."""
    _claim(session, question, "right", now=now)
    current = entry_of(session, question)
    editing.confirm(session, question.region, "service", current.slug, on=today, author=author, now=now)


def answer_corrected(
    session: Session,
    question: Confirmation,
    record: Any,
    *,
    base: Entry,
    author: Author,
    today: date,
    now: datetime,
    remarks: str = "",
) -> Proposal:
    """Something is different: `record` is the offer as the office wants it, to be decided by a coordinator.

    With the last word about every fact the office has also confirmed the rest, unless `remarks` hold something that
    has yet to be worked in.

    Raises AlreadyAnswered, NothingChanged, editing.InvalidEntry.
    """
    if editing.plain(record) == editing.plain(base.record):
        if not remarks.strip():
            raise NothingChanged(base.slug)
    elif not remarks.strip():
        record = record.model_copy(update={"assured_date": today, "confidence": Confidence.CONFIRMED})
    _claim(session, question, "corrected", now=now)
    return proposals.propose(
        session, question.region, "service", record, base=base, author=author, now=now,
        organization_id=base.row.organization_id, comment=remarks, source="confirmation",
    )  # fmt: skip


def answer_gone(
    session: Session, question: Confirmation, *, author: Author, now: datetime, remarks: str = ""
) -> Proposal:
    """The offer no longer exists: a coordinator decides. Raises AlreadyAnswered, NoLongerThere."""
    _claim(session, question, "gone", now=now)
    current = entry_of(session, question)
    return proposals.propose(
        session, question.region, "service", current.record, base=current, author=author, now=now,
        organization_id=current.row.organization_id, comment=remarks, wish="archive", source="confirmation",
    )  # fmt: skip


def seen_by_author(session: Session, current: Entry, base_hash: str) -> Entry:
    """The state a form was made from, so that only what the author changed counts as changed."""
    if current.hash == base_hash:
        return current
    record = editing.base_record(session, current, base_hash)
    return current if record is None else replace(current, record=record, hash=base_hash)


def _claim(session: Session, question: Confirmation, answer: Answer, *, now: datetime) -> None:
    """A link answers once, also when it is tapped twice at the same time."""
    first = session.execute(
        update(Confirmation)
        .where(col(Confirmation.id) == question.id, col(Confirmation.answered_at).is_(None))
        .values(answered_at=now, answer=answer)
        .returning(col(Confirmation.id)),
        execution_options={"synchronize_session": False},
    ).first()
    session.refresh(question)
    if first is None:
        raise AlreadyAnswered(question)
