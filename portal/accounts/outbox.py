"""Mails: written with the change they tell of, sent afterwards, and again when the server was down."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import select, update
from sqlmodel import Session, col

from portal.accounts.models import Letter
from portal.db import SessionFactory

log = logging.getLogger("portal.accounts")

FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=6)
GIVEN_UP_AFTER = 40
"""Tries; about a week."""
_CLAIM = timedelta(minutes=5)


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
    """Send what is due; returns (sent, failed). Several processes may do it at once: a letter is claimed first."""
    sent = failed = 0
    with sessions() as session:
        due = list(
            session.execute(
                select(col(Letter.id))
                .where(
                    col(Letter.sent_at).is_(None),
                    col(Letter.next_try_at) <= now(),
                    col(Letter.tries) < GIVEN_UP_AFTER,
                )
                .order_by(col(Letter.next_try_at))
                .limit(limit)
            ).scalars()
        )
        for id_ in due:
            moment = now()
            claimed = session.execute(
                update(Letter)
                .where(
                    col(Letter.id) == id_,
                    col(Letter.sent_at).is_(None),
                    col(Letter.next_try_at) <= moment,
                )
                .values(tries=col(Letter.tries) + 1, next_try_at=moment + _CLAIM)
                .returning(col(Letter.id)),
                execution_options={"synchronize_session": False},
            ).first()
            session.commit()
            if claimed is None:
                continue
            letter = session.get(Letter, id_, populate_existing=True)
            if letter is None:
                continue
            try:
                sender.send(
                    recipient=letter.recipient,
                    subject=letter.subject,
                    body=letter.body,
                    message_id=str(letter.id),
                )
            except Exception as error:  # whatever the server says: the letter waits, the others go on
                wait = min(FIRST_WAIT * 2 ** (letter.tries - 1), LONGEST_WAIT)
                letter.next_try_at = now() + wait
                letter.failure = type(error).__name__
                log.warning("a mail could not be sent: %s", letter.failure)
                failed += 1
            else:
                letter.sent_at = now()
                letter.body = ""
                letter.failure = None
                sent += 1
            session.add(letter)
            session.commit()
    return sent, failed
