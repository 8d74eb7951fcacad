"""Mails: written with the change they tell of, sent afterwards, and again when the server was down."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy import select
from sqlmodel import Session, col

from portal.accounts import posting
from portal.accounts.models import Letter
from portal.db import SessionFactory


class Sender(Protocol):
    """A way to send mail. Raises OSError or smtplib.SMTPException when it cannot."""

    def send(self, *, recipient: str, subject: str, body: str, message_id: str) -> None: ...


def write(session: Session, *, key: str, recipient: str, subject: str, body: str, now: datetime) -> bool:
    """Queue a letter; False when one with this key was written before."""
    known = session.execute(select(col(Letter.id)).where(col(Letter.key) == key)).first()
    if known is not None:
        return False
    session.add(
        Letter(
            key=key,
            recipient=recipient,
            subject=" ".join(subject.split()),
            body=body,
            written_at=now,
            next_try_at=now,
        )
    )
    session.flush()
    return True


def deliver(
    sessions: SessionFactory, sender: Sender, *, now: Callable[[], datetime], limit: int = 50
) -> tuple[int, int]:
    """Send what is due; returns (sent, failed)."""

    def send(id_: UUID) -> None:
        with sessions() as session:
            letter = session.get(Letter, id_)
        if letter is not None:
            sender.send(
                recipient=letter.recipient,
                subject=letter.subject,
                body=letter.body,
                message_id=str(letter.id),
            )

    return posting.post(sessions, Letter, send, now=now, limit=limit, sent_values={"body": ""})
