"""Which contacts offer "let them contact me": those whose team can take somebody now, or has somebody who can instead.

Asked of the database at most every half minute, and never for a single card.
"""

import logging
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from portal.catalogue.queries import ServiceView
from portal.referral import choosing
from portal.web.current import current_language, current_portal

log = logging.getLogger("portal.web")

FOR = timedelta(seconds=30)
NOBODY: frozenset[UUID] = frozenset()


@dataclass(slots=True)
class _Known:
    takers: frozenset[UUID] = NOBODY
    asked_at: datetime | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fresh(self, now: datetime) -> bool:
        return self.asked_at is not None and abs(now - self.asked_at) < FOR


_known: WeakKeyDictionary[Engine, _Known] = WeakKeyDictionary()


def takers() -> frozenset[UUID]:
    """Services that may be asked now. Belongs into the key of every kept part that shows the button."""
    portal = current_portal()
    if portal.referrals is None:
        return NOBODY
    now = portal.now()
    known = _known.setdefault(portal.store.engine, _Known())
    if known.fresh(now):
        return known.takers
    # One asks; the others go on with what was known, but for the very first time.
    if not known.lock.acquire(blocking=known.asked_at is None):
        return known.takers
    try:
        if not known.fresh(now):
            known.takers = _ask(known.takers)
            known.asked_at = now
    finally:
        known.lock.release()
    return known.takers


def forget() -> None:
    """The next one asks anew."""
    _known.clear()


def _ask(before: frozenset[UUID]) -> frozenset[UUID]:
    portal = current_portal()
    try:
        with portal.store.sessions() as session:
            return choosing.services_to_ask(
                session, portal.catalogue, today=portal.now().astimezone(portal.timezone).date()
            )
    except SQLAlchemyError as error:
        # Pages are shown from memory when the database is away.
        log.error("the database does not answer: %s", type(error).__name__)
        return before


def contact_url(service: ServiceView) -> str | None:
    """Where the person asks that this desk contacts them."""
    return f"/{current_language().code}/contact-me?desk={service.slug}" if service.id in takers() else None
