"""What is erased when (Art. 5 (1) e, 17 GDPR; § 84 SGB X)."""

from collections import Counter
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, CursorResult, Delete, delete, or_, select, text, update
from sqlmodel import Session, col

from portal.accounts import posting
from portal.referral import actions
from portal.referral.errors import Changed
from portal.referral.lifecycle import ENDED, MoveNotAllowed
from portal.referral.models import CaseTalk, Notice, Referral, Slip, Status
from portal.referral.sealing import CannotOpen, Keyring

KEPT_NOTICES_DAYS = 30


def run(session: Session, *, now: datetime) -> Counter[str]:
    """Erase what is due; calling it twice changes nothing. The caller commits, and then calls `scrub`.

    Returns how many of each: `drafts`, `referrals`, `expired`, `slips`, `case_talks`.
    """
    done: Counter[str] = Counter()
    due = (
        session.execute(select(Referral).where(col(Referral.erase_at) <= now).order_by(col(Referral.id)))
        .scalars()
        .all()
    )
    # Where a talk was begun in the very moment of a withdrawal, too.
    erased = select(col(Referral.id)).where(col(Referral.key_sealed).is_(None))
    actions.erase_talks(session, erased, now=now)
    for referral in due:
        status = Status(referral.status)
        if status is not Status.DRAFT and status not in ENDED:
            # Its consent ran out while nobody closed it: the team is told, the empty shell follows later.
            try:
                actions.expire(session, referral, now=now)
            except (Changed, MoveNotAllowed):
                continue
            done["expired"] += 1
            continue
        actions.erase_talks(session, [referral.id], now=now)
        # Whatever moved in this very moment, a draft that was sent above all, is not what was looked at.
        gone = session.execute(
            delete(Referral)
            .where(
                col(Referral.id) == referral.id,
                col(Referral.version) == referral.version,
                col(Referral.erase_at) <= now,
            )
            .returning(col(Referral.id))
        ).first()
        if gone is None:
            continue
        done["drafts" if status is Status.DRAFT else "referrals"] += 1
    for name, query in (
        ("slips", _in_order(Slip, col(Slip.expires_at) <= now)),
        ("case_talks", _in_order(CaseTalk, col(CaseTalk.erase_at) <= now)),
    ):
        result = session.execute(query)
        assert isinstance(result, CursorResult)
        done[name] += result.rowcount
    session.flush()
    return +done


def _in_order(model: Any, due: ColumnElement[bool]) -> Delete:
    """Locked in the order in which `rotate_keys` goes, which may run beside it."""
    ids = select(col(model.id)).where(due).order_by(col(model.id)).with_for_update()
    return delete(model).where(col(model.id).in_(ids))


def scrub(connection: Connection) -> bool:
    """Take what was erased out of SQLite's log, too; not inside a transaction. False when somebody was reading just
    then: the next run does it.

    The pages themselves are overwritten with every deletion (`secure_delete`, see `portal.db`). PostgreSQL leaves dead
    rows to autovacuum; no query and no dump shows them.
    """
    if connection.dialect.name != "sqlite":
        return True
    busy, _frames, _moved = connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)")).one()
    return not busy


def rotate_keys(session: Session, keyring: Keyring) -> Counter[str]:
    """Seal the keys of all records with the newest key; returns `sealed`, `unchanged` and `lost`.

    Afterwards the older keys may leave the setting, but for codes that were given before: they are looked up with
    every key that is set, so keep an old key until the last referral of its time is erased.
    """
    found: Counter[str] = Counter()
    for model, optional in ((Referral, True), (Slip, False), (CaseTalk, True)):
        # In the order of `run` and of escalation: whoever is at it meanwhile waits, and nobody waits in a circle.
        query = select(model).order_by(col(model.id))
        if optional:
            query = query.where(col(model.key_sealed).is_not(None))
        for row in session.execute(query).scalars():
            try:
                fresh = keyring.resealed(row.key_sealed)
            except CannotOpen:
                found["lost"] += 1
                continue
            if fresh is None:
                found["unchanged"] += 1
                continue
            # Only over the key that was read: a withdrawal in the same moment must not get its key back.
            sealed = session.execute(
                update(model)
                .where(col(model.id) == row.id, col(model.key_sealed) == row.key_sealed)
                .values(key_sealed=fresh)
                .returning(col(model.id)),
                execution_options={"synchronize_session": False},
            ).first()
            session.expire(row)
            if sealed is not None:
                found["sealed"] += 1
    session.flush()
    return found


def sent_notices(session: Session, *, before: datetime) -> int:
    """Forget notices that were sent or given up long ago; returns how many."""
    result = session.execute(
        delete(Notice).where(
            col(Notice.written_at) < before,
            or_(col(Notice.sent_at).is_not(None), col(Notice.tries) >= posting.GIVEN_UP_AFTER),
        )
    )
    assert isinstance(result, CursorResult)
    return int(result.rowcount)
