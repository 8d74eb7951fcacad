"""Changes that wait for a coordinator: from editors of an organization, and from the link without login.

The public goes on seeing the entry as it is until somebody decides. Functions flush, the caller commits.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import Session, col

from portal.catalogue import editing
from portal.catalogue.editing import Author, Entry, EntryProblem, InvalidEntry, MergedField, Saved
from portal.catalogue.models import Proposal, Status, entity_id
from portal.catalogue.reading import CatalogueError


class AlreadyDecided(CatalogueError):
    """Somebody was quicker, or the author took it back."""


def propose(
    session: Session,
    region: str,
    entity: str,
    record: Any,
    *,
    base: Entry | None,
    author: Author | None,
    now: datetime,
    organization_id: UUID | None,
    comment: str = "",
    wish: str = "change",
    source: str = "editor",
    draft: bool = False,
) -> Proposal:
    """Keep a wished state of an entry; `base` is the entry the author saw, None for a new one.

    The author's earlier open proposal for the same entry is replaced. A `draft` is seen by its author only.

    Raises InvalidEntry.
    """
    if wish != "archive" and (problems := editing.entry_problems(session, region, entity, record)):
        raise InvalidEntry(problems)
    id_ = base.id if base else entity_id(region, entity, record.slug)
    for older in session.execute(
        select(Proposal).where(
            col(Proposal.entity_id) == id_,
            col(Proposal.author_id) == (author.id if author else None),
            col(Proposal.source) == source,
            col(Proposal.state).in_(("draft", "in_review")),
        )
    ).scalars():
        if author is None:
            continue
        older.state = "withdrawn"
        older.decided_at = now
        session.add(older)
    made = Proposal(
        region=region,
        entity=entity,
        entity_id=id_,
        organization_id=organization_id,
        slug=record.slug,
        base_hash=base.hash if base else None,
        base=editing.plain(base.record) if base else {},
        record=editing.plain(record),
        wish=wish,
        source=source,
        comment=comment.strip(),
        state="draft" if draft else "in_review",
        made_at=now,
        author_id=author.id if author else None,
        author_name=author.name if author else "",
    )
    session.add(made)
    session.flush()
    return made


def waiting(
    session: Session, region: str, *, organizations: Collection[UUID] | None = None
) -> list[Proposal]:
    """Those in review, the oldest first; `organizations` None means all."""
    statement = select(Proposal).where(col(Proposal.region) == region, col(Proposal.state) == "in_review")
    if organizations is not None:
        statement = statement.where(col(Proposal.organization_id).in_(organizations))
    return list(session.execute(statement.order_by(col(Proposal.made_at))).scalars())


def number_waiting(session: Session, region: str) -> int:
    return (
        session.execute(
            select(func.count())
            .select_from(Proposal)
            .where(col(Proposal.region) == region, col(Proposal.state) == "in_review")
        ).scalar()
        or 0
    )


def open_for(session: Session, entry_id: UUID) -> list[Proposal]:
    """In review for one entry, the oldest first."""
    return list(
        session.execute(
            select(Proposal)
            .where(col(Proposal.entity_id) == entry_id, col(Proposal.state) == "in_review")
            .order_by(col(Proposal.made_at))
        ).scalars()
    )


def of_author(session: Session, region: str, author_id: UUID) -> list[Proposal]:
    """The newest first."""
    return list(
        session.execute(
            select(Proposal)
            .where(col(Proposal.region) == region, col(Proposal.author_id) == author_id)
            .order_by(col(Proposal.made_at).desc())
        ).scalars()
    )


def merged(session: Session, proposal: Proposal) -> tuple[dict[str, Any], list[MergedField], Entry | None]:
    """What accepting would write now: the proposal's changes on top of the entry as it is meanwhile.

    Also the fields it touches, with `clash` where the entry changed in the same field since; and the entry.
    """
    found = editing.entries(session, proposal.region, proposal.entity, [proposal.entity_id])
    if not found:
        return dict(proposal.record), editing.merge({}, proposal.record, {})[1], None
    current = found[0]
    result, fields = editing.merge(proposal.base, proposal.record, editing.plain(current.record))
    return result, [field for field in fields if field.mine != field.base], current


def accept(
    session: Session,
    proposal: Proposal,
    *,
    by: Author,
    now: datetime,
    record: dict[str, Any] | None = None,
    comment: str = "",
) -> Saved:
    """Write it; `record` is the state the coordinator settled on, by default the plain merge.

    Raises AlreadyDecided, InvalidEntry, editing.StillUsed, editing.Conflict never (the entry is locked).
    """
    _still_open(session, proposal)
    editing.lock(session, proposal.region)
    values, _fields, current = merged(session, proposal)
    note = comment.strip() or proposal.comment
    if proposal.wish == "archive":
        if current is None:
            raise InvalidEntry([EntryProblem("record", "gone", "the entry is gone", {})])
        saved = editing.set_status(
            session, proposal.region, _with_status(proposal.entity), current.slug, Status.ARCHIVED,
            author=by, now=now, comment=note,
        )  # fmt: skip
    else:
        wanted = editing.parsed(proposal.entity, record if record is not None else values)
        saved = editing.save(
            session,
            proposal.region,
            proposal.entity,
            wanted,
            base_hash=current.hash if current else None,
            author=by,
            now=now,
            comment=note,
            cause="accepted",
        )
    _decide(session, proposal, "accepted", by=by, now=now, comment=comment)
    return saved


def reject(session: Session, proposal: Proposal, *, by: Author, now: datetime, comment: str) -> None:
    """Raises AlreadyDecided."""
    _still_open(session, proposal)
    _decide(session, proposal, "rejected", by=by, now=now, comment=comment)


def withdraw(session: Session, proposal: Proposal, *, now: datetime) -> None:
    """By the author. Raises AlreadyDecided."""
    if proposal.state not in ("draft", "in_review"):
        raise AlreadyDecided(proposal.state)
    proposal.state = "withdrawn"
    proposal.decided_at = now
    session.add(proposal)
    session.flush()


def _still_open(session: Session, proposal: Proposal) -> None:
    session.refresh(proposal)
    if proposal.state != "in_review":
        raise AlreadyDecided(proposal.state)


def _decide(
    session: Session, proposal: Proposal, state: str, *, by: Author, now: datetime, comment: str
) -> None:
    proposal.state = state
    proposal.decided_at = now
    proposal.decided_by = by.id
    proposal.decided_name = by.name
    proposal.decision_comment = comment.strip()
    session.add(proposal)
    session.flush()


def _with_status(entity: str) -> Any:
    if entity == "location":
        raise InvalidEntry([EntryProblem("record", "no_status", "a location has no state", {})])
    return entity
