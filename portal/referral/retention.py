"""What is erased when (Art. 5 (1) e, 17 GDPR; § 84 SGB X)."""

from collections import Counter
from datetime import datetime

from sqlalchemy import Connection, CursorResult, delete, or_, select, text
from sqlmodel import Session, col

from portal.referral import actions
from portal.referral.lifecycle import ENDED, MoveNotAllowed
from portal.referral.models import CaseTalk, Notice, Referral, Slip, Status
from portal.referral.sealing import CannotOpen, Keyring

KEPT_NOTICES_DAYS = 30


def run(session: Session, *, now: datetime) -> Counter[str]:
    """Erase what is due; calling it twice changes nothing. The caller commits, and then calls `scrub`.

    Returns how many of each: `drafts`, `referrals`, `expired`, `slips`, `case_talks`.
    """
    done: Counter[str] = Counter()
    due = session.execute(select(Referral).where(col(Referral.erase_at) <= now)).scalars().all()
    for referral in due:
        status = Status(referral.status)
        if status is not Status.DRAFT and status not in ENDED:
            # Its consent ran out while nobody closed it: the team is told, what is left follows below.
            try:
                actions.expire(session, referral, now=now)
            except MoveNotAllowed:
                continue
            done["expired"] += 1
            continue
        session.execute(delete(Referral).where(col(Referral.id) == referral.id))
        done["drafts" if status is Status.DRAFT else "referrals"] += 1
    for name, query in (
        ("slips", delete(Slip).where(col(Slip.expires_at) <= now)),
        ("case_talks", delete(CaseTalk).where(col(CaseTalk.erase_at) <= now)),
    ):
        result = session.execute(query)
        assert isinstance(result, CursorResult)
        done[name] += result.rowcount
    session.flush()
    return +done


def scrub(connection: Connection) -> None:
    """Take what was erased out of the files, too: SQLite keeps it in free pages and in the log until then.

    Not inside a transaction. PostgreSQL overwrites dead rows by itself (autovacuum), and its log rotates.
    """
    if connection.dialect.name != "sqlite":
        return
    connection.execute(text("PRAGMA secure_delete = ON"))
    connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))


def rotate_keys(session: Session, keyring: Keyring) -> Counter[str]:
    """Seal the keys of all records with the newest key; returns `sealed`, `unchanged` and `lost`.

    Afterwards the older keys may leave the setting, but for codes that were given before: they are looked up with
    every key that is set, so keep an old key until the last referral of its time is erased.
    """
    found: Counter[str] = Counter()
    for model, optional in ((Referral, True), (Slip, False), (CaseTalk, True)):
        query = select(model)
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
            row.key_sealed = fresh
            session.add(row)
            found["sealed"] += 1
    session.flush()
    return found


def sent_notices(session: Session, *, before: datetime) -> int:
    """Forget notices that were sent or given up long ago; returns how many."""
    result = session.execute(
        delete(Notice).where(
            col(Notice.written_at) < before, or_(col(Notice.sent_at).is_not(None), col(Notice.tries) > 0)
        )
    )
    assert isinstance(result, CursorResult)
    return int(result.rowcount)
