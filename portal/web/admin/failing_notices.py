"""Notices about referrals that do not go out, as coordinators and administrators see them: no address, no content."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlmodel import col

from portal.accounts.permissions import Permission
from portal.referral.models import Notice, Referral
from portal.web.admin.guard import may_for_organization, me
from portal.web.admin.notice_words import subject_and_sentence
from portal.web.admin.referral_words import Names
from portal.web.database import current_session
from portal.web.texts import gettext


@dataclass(frozen=True, slots=True)
class FailingNotice:
    recipient: str
    subject: str
    written_at: datetime
    tries: int
    failure: str
    next_try_at: datetime


def failing_notices() -> list[FailingNotice]:
    """Tried at least once and not out yet, also those that were given up; of the teams that one looks after."""
    rows = [
        (notice, referral)
        for notice, referral in current_session().execute(
            select(Notice, Referral)
            .join(Referral, col(Referral.id) == col(Notice.referral_id), isouter=True)
            .where(col(Notice.sent_at).is_(None), col(Notice.failure).is_not(None))
            .order_by(col(Notice.written_at))
        )
        if _may_see(notice, referral)
    ]
    names = Names.read(
        organizations={notice.organization_id for notice, _referral in rows},
        people={notice.user_id for notice, _referral in rows},
    )
    return [
        FailingNotice(
            _recipient(notice, names),
            gettext("Referral %(label)s", label=referral.label)
            if referral is not None
            else gettext(subject_and_sentence(notice.about)[0]),
            notice.written_at,
            notice.tries,
            notice.failure or "",
            notice.next_try_at,
        )
        for notice, referral in rows
    ]


def _may_see(notice: Notice, referral: Referral | None) -> bool:
    if me().may(Permission.USERS):
        return True
    return referral is not None and may_for_organization(
        notice.organization_id or referral.organization_id, Permission.WATCH
    )


def _recipient(notice: Notice, names: Names) -> str:
    if notice.to_person:
        return gettext("Young person")
    return names.person(notice.user_id) or names.organization(notice.organization_id)
