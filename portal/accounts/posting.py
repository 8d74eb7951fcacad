"""What waits in a table to be sent: claimed first, sent once, tried again later, and never lost.

Several processes may post at once. One that dies between sending and noting it sends again, with the same id: the
receiving side drops the repetition.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlmodel import col

from portal.db import SessionFactory

log = logging.getLogger("portal.accounts")

FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=6)
GIVEN_UP_AFTER = 40
"""Tries; a good week."""
_CLAIM = timedelta(minutes=5)


def post(
    sessions: SessionFactory,
    table: Any,
    send: Callable[[UUID], None],
    *,
    now: Callable[[], datetime],
    limit: int,
    sent_values: Mapping[str, Any] | None = None,
) -> tuple[int, int]:
    """Send what is due; returns (sent, failed).

    `table` has the columns id, sent_at, next_try_at, tries and failure, as `Letter` has; `sent_values` are set with
    sent_at. `send` gets an id and raises whatever was in the way: the row waits, the others go on. No session is
    open while it works.
    """
    sent = failed = 0
    for id_ in _due(sessions, table, now(), limit):
        tries = _claim(sessions, table, id_, now())
        if tries is None:
            continue
        try:
            send(id_)
        except Exception as error:  # whatever the server says
            failed += 1
            wait = min(FIRST_WAIT * 2 ** (tries - 1), LONGEST_WAIT)
            values = {"next_try_at": now() + wait, "failure": type(error).__name__}
            last = tries >= GIVEN_UP_AFTER
            log.log(
                logging.ERROR if last else logging.WARNING,
                "%s %s could not be sent%s: %s",
                table.__name__.lower(),
                id_,
                ", and is given up" if last else "",
                type(error).__name__,
            )
        else:
            sent += 1
            values = {"sent_at": now(), "failure": None, **(sent_values or {})}
        with sessions() as session:
            # By its id: the row may have been taken away meanwhile.
            session.execute(update(table).where(col(table.id) == id_).values(**values))
            session.commit()
    return sent, failed


def _due(sessions: SessionFactory, table: Any, moment: datetime, limit: int) -> list[UUID]:
    with sessions() as session:
        return list(
            session.execute(
                select(col(table.id))
                .where(
                    col(table.sent_at).is_(None),
                    col(table.next_try_at) <= moment,
                    col(table.tries) < GIVEN_UP_AFTER,
                )
                .order_by(col(table.next_try_at))
                .limit(limit)
            ).scalars()
        )


def _claim(sessions: SessionFactory, table: Any, id_: UUID, moment: datetime) -> int | None:
    """The number of the try; None when another process was quicker."""
    with sessions() as session:
        tries = session.execute(
            update(table)
            .where(col(table.id) == id_, col(table.sent_at).is_(None), col(table.next_try_at) <= moment)
            .values(tries=col(table.tries) + 1, next_try_at=moment + _CLAIM)
            .returning(col(table.tries)),
            execution_options={"synchronize_session": False},
        ).scalar()
        session.commit()
    return tries
