"""Forms that were typed and not saved; kept for a day, one for each page and user."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlmodel import Session, col

from portal.accounts.models import KeptForm

KEPT_FOR = timedelta(days=7)
LARGEST = 200_000
"""Characters of all fields together; more is no form of ours."""


def keep(session: Session, user_id: UUID, path: str, fields: Iterable[list[str]], *, now: datetime) -> bool:
    """Replace what was kept for this page; False when it is too large."""
    wanted = [[name, value] for name, value in fields]
    if sum(len(name) + len(value) for name, value in wanted) > LARGEST:
        return False
    discard(session, user_id, path)
    session.execute(delete(KeptForm).where(col(KeptForm.kept_at) < now - KEPT_FOR))
    session.add(KeptForm(user_id=user_id, path=path, fields=wanted, kept_at=now))
    session.flush()
    return True


def kept(session: Session, user_id: UUID, path: str) -> KeptForm | None:
    return session.execute(
        select(KeptForm).where(col(KeptForm.user_id) == user_id, col(KeptForm.path) == path)
    ).scalar_one_or_none()


def all_kept(session: Session, user_id: UUID) -> list[KeptForm]:
    """The newest first."""
    return list(
        session.execute(
            select(KeptForm).where(col(KeptForm.user_id) == user_id).order_by(col(KeptForm.kept_at).desc())
        ).scalars()
    )


def discard(session: Session, user_id: UUID, path: str) -> None:
    session.execute(delete(KeptForm).where(col(KeptForm.user_id) == user_id, col(KeptForm.path) == path))
