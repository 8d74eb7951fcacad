"""What has to be done for referrals from time to time, by cron or, for one who tries the portal out, beside it."""

import fcntl
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlmodel import Session, col

from portal.accounts import posting
from portal.config import Settings
from portal.referral import choosing, escalation, notices, retention
from portal.referral.choosing import Desk
from portal.referral.lifecycle import LIVE
from portal.referral.models import CaseTalk, Notice, Referral, Slip
from portal.referral.promise import WorkingDays
from portal.referral.sealing import CannotOpen, Keyring
from portal.web.languages import Language
from portal.web.notices import NoticeSender
from portal.web.wiring import Store

if TYPE_CHECKING:
    from portal.web.application import Portal

log = logging.getLogger("portal.web")

EVERY_SECONDS = 600
WAITED_TOO_LONG = timedelta(hours=2)
NAMED_FOR = timedelta(days=7)
"""How long it is said that a notice was given up; nothing can be done about it any more."""
OVERDUE_FOR = timedelta(days=14)
"""So long after the promised day the team was told by any calendar of holidays, if anybody looked."""


@dataclass(frozen=True, slots=True)
class Done:
    happened: Counter[str]
    """See `escalation.run`."""
    sent: int
    failed: int


def referrals(
    store: Store,
    keyring: Keyring,
    settings: Settings,
    languages: Mapping[str, Language],
    now: Callable[[], datetime],
) -> Done:
    """Remind, escalate, offer another desk, and send what waits. Raises NoAddress, before anything is done."""
    sender = NoticeSender(settings, store.sessions, languages)
    region = store.catalogue.region
    days = WorkingDays(region.holiday_subdivision, ZoneInfo(region.timezone))
    moment = now()
    with store.sessions() as session:
        happened = escalation.run(
            session,
            keyring,
            region.slug,
            days=days,
            now=moment,
            next_desk=lambda referral: choosing.next_desk(
                session,
                store.catalogue,
                Desk(referral.service_id, referral.organization_id),
                language=referral.language,
                today=days.today(moment),
            ),
        )
        session.commit()
    sent, failed = notices.deliver(store.sessions, keyring, sender, now=now)
    return Done(happened, sent, failed)


def erase(store: Store, *, now: datetime) -> Counter[str]:
    """Everything that is due; see `retention.run`, and `notices`. `unscrubbed` is 1 when somebody was reading."""
    with store.sessions() as session:
        done = retention.run(session, now=now)
        session.commit()
        done["notices"] = retention.sent_notices(
            session, before=now - timedelta(days=retention.KEPT_NOTICES_DAYS)
        )
        session.commit()
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        done["unscrubbed"] = int(not retention.scrub(connection))
    return done


def opened_by(session: Session, keyrings: list[Keyring]) -> Counter[int | None]:
    """How many records each key opens, by its place; None: no key."""
    found: Counter[int | None] = Counter()
    for model in (Referral, Slip, CaseTalk):
        rows = session.execute(
            select(col(model.id), col(model.key_sealed)).where(col(model.key_sealed).is_not(None))
        )
        for id_, sealed in rows:
            found[_place(keyrings, id_, sealed)] += 1
    return found


def oldest_code(session: Session) -> datetime | None:
    """When the oldest code was given out that still opens something: keys from before then are needed by nobody."""
    days = [
        session.execute(
            select(col(model.created_at)).where(*of_it).order_by(col(model.created_at)).limit(1)
        ).scalar()
        for model, of_it in ((Referral, [col(Referral.code_lookup).is_not(None)]), (Slip, []))
    ]
    return min((day for day in days if day is not None), default=None)


def _place(keyrings: list[Keyring], id_: UUID, sealed: bytes) -> int | None:
    for place, keyring in enumerate(keyrings):
        try:
            keyring.record(id_, sealed)
        except CannotOpen:
            continue
        return place
    return None


def neglected(session: Session, *, now: datetime) -> bool:
    """Whether something waits that would not if somebody looked after referrals regularly, or if mails went out."""
    waiting = select(col(Notice.id)).where(
        col(Notice.sent_at).is_(None),
        col(Notice.tries) < posting.GIVEN_UP_AFTER,
        col(Notice.next_try_at) < now - WAITED_TOO_LONG,
    )
    failing = select(col(Notice.id)).where(
        col(Notice.sent_at).is_(None),
        col(Notice.failure).is_not(None),
        col(Notice.written_at) < now - WAITED_TOO_LONG,
        col(Notice.next_try_at) > now - NAMED_FOR,
    )
    overdue = select(col(Referral.id)).where(
        col(Referral.status).in_([status.value for status in LIVE]),
        col(Referral.first_contact_at).is_(None),
        col(Referral.proposed_organization_id).is_(None),
        col(Referral.escalation) == 0,
        col(Referral.due_date) < (now - OVERDUE_FOR).date(),
    )
    expired = select(col(Referral.id)).where(col(Referral.erase_at) < now - timedelta(days=2))
    queries = (waiting, failing, overdue, expired)
    return any(session.execute(query.limit(1)).first() is not None for query in queries)


# -- beside `portal run`, where there is no cron ------------------------------------------------------------------------


def post_worker_init(worker: Any) -> None:
    """Hook of gunicorn (`--config python:portal.web.chores`): in the worker, because threads do not survive a fork."""
    threading.Thread(
        target=_again_and_again, args=(worker.wsgi.extensions["portal"],), name="chores", daemon=True
    ).start()


def _again_and_again(portal: "Portal") -> None:
    held: TextIO | None = None
    while True:
        time.sleep(EVERY_SECONDS)
        # The first worker keeps the lock as long as it lives; then another one takes over.
        held = held or hold(portal.settings.data_dir / "chores.lock")
        if held is not None:
            everything(portal)


def hold(path: Path) -> TextIO | None:
    """The open file, locked; None while another process has it."""
    file = path.open("a", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def everything(portal: "Portal") -> None:
    """Quiet: what goes wrong is named by its type and tried again next time. Erasing waits for nothing else."""

    def remind() -> object:
        if portal.referrals is None:
            return None
        keyring = portal.referrals.keyring
        return referrals(portal.store, keyring, portal.settings, portal.languages, portal.now)

    def erase_what_is_due() -> object:
        return erase(portal.store, now=portal.now())

    for work in (remind, erase_what_is_due):
        try:
            work()
        except Exception as error:
            log.warning("referrals could not be looked after: %s", type(error).__name__)
