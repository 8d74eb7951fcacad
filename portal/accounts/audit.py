"""The log of what was done."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import Session, col

from portal.accounts.models import AuditEvent


class Actor(Protocol):
    """Who does something: a user, or anything with a name."""

    @property
    def id(self) -> UUID | None: ...
    @property
    def name(self) -> str: ...


def record(
    session: Session,
    action: str,
    *,
    now: datetime,
    actor: Actor | None = None,
    region: str | None = None,
    entity: str | None = None,
    entity_id: UUID | None = None,
    entity_name: str = "",
    **details: Any,
) -> None:
    """Write an event into the transaction of the change it tells of. `details` are names of fields, counts,
    states; never texts that people typed."""
    session.add(
        AuditEvent(
            at=now,
            actor_id=actor.id if actor else None,
            actor_name=actor.name if actor else "",
            action=action,
            region=region,
            entity=entity,
            entity_id=entity_id,
            entity_name=entity_name,
            details=_plain(details),
        )
    )


def _plain(details: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, str | int | bool | list | type(None)) else str(value)
        for name, value in details.items()
    }


def forget(session: Session, *, before: datetime) -> int:
    """Erase events older than `before`; returns how many."""
    done = session.execute(delete(AuditEvent).where(col(AuditEvent.at) < before))
    return int(done.rowcount)  # type: ignore[attr-defined]
