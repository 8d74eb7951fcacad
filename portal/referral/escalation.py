"""Nobody is lost: what is overdue or silent goes to the team, then to the coordinators; what turned full is offered
elsewhere."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session, col

from portal.referral import actions, choosing, silence
from portal.referral.choosing import Desk
from portal.referral.errors import Changed
from portal.referral.lifecycle import LIVE, Move, MoveNotAllowed
from portal.referral.models import Actor, Referral, ReferralEvent, Status
from portal.referral.promise import WorkingDays
from portal.referral.sealing import Keyring

COORDINATORS_AFTER_DAYS = 1
"""Working days after the promised day. The team is told on the first of them, the coordinators on the next."""
ANSWER_AWAITED_DAYS = 5
"""Working days after the promised day until the coordinators hear of a young person who was asked whether another team
may take over, and has not answered."""


def run(
    session: Session,
    keyring: Keyring,
    region: str,
    *,
    days: WorkingDays,
    now: datetime,
    next_desk: Callable[[Referral], Desk | None] = lambda referral: None,
) -> Counter[str]:
    """To be called every hour; calling it twice changes nothing. The caller commits.

    `next_desk` names the desk that may take over when a team turned full or away before it answered; it is proposed,
    the young person decides. Returns how often what happened: `team`, `coordinators`, `expired`, `proposed`,
    `taken_back`.
    """
    happened: Counter[str] = Counter()
    today = days.today(now)
    for referral in session.execute(
        select(Referral)
        .where(col(Referral.region) == region, col(Referral.status).in_([status.value for status in LIVE]))
        # In the order of retention: two runs at once wait for each other instead of standing in each other's way.
        .order_by(col(Referral.id))
    ).scalars():
        try:
            if actions.live_consent(session, referral, referral.organization_id, now=now) is None:
                actions.expire(session, referral, now=now)
                happened["expired"] += 1
                continue
            level = _level(session, keyring, referral, days, now)
            while referral.escalation < level:
                actions.escalate(session, referral, referral.escalation + 1, now=now)
                happened["team" if referral.escalation == 1 else "coordinators"] += 1
            if Status(referral.status) is not Status.REQUESTED:
                continue
            if choosing.can_answer(session, referral, today=today):
                if actions.proposed_by_system(session, referral):
                    actions.take_offer_back(session, referral, now=now)
                    happened["taken_back"] += 1
            elif referral.proposed_organization_id is None and not _was_offered(session, referral):
                desk = next_desk(referral)
                if desk is not None and desk.organization_id != referral.organization_id:
                    actions.offer_other_desk(session, referral, desk, now=now)
                    happened["proposed"] += 1
        except (Changed, MoveNotAllowed):
            # Somebody acted in this very moment; the next run looks again.
            continue
    return happened


def _was_offered(session: Session, referral: Referral) -> bool:
    """Asked once: whoever said no is not asked again every hour, unless the team came back in between."""
    last = session.execute(
        select(col(ReferralEvent.move))
        .where(
            col(ReferralEvent.referral_id) == referral.id,
            col(ReferralEvent.actor) == Actor.SYSTEM.value,
            col(ReferralEvent.move).in_((Move.PROPOSE_HANDOVER.value, Move.TAKE_OFFER_BACK.value)),
            col(ReferralEvent.at) >= referral.requested_at,
        )
        .order_by(col(ReferralEvent.id).desc())
        .limit(1)
    ).scalar()
    return last == Move.PROPOSE_HANDOVER


def _level(session: Session, keyring: Keyring, referral: Referral, days: WorkingDays, now: datetime) -> int:
    """0, 1 or 2."""
    if referral.first_contact_at is not None:
        quiet = silence.quiet_days(session, keyring, referral, days=days, now=now)
        return (quiet > silence.SILENT_AFTER_DAYS) + (quiet > silence.COORDINATORS_AFTER_DAYS)
    if referral.due_date is None:
        return 0
    late = days.between(referral.due_date, days.today(now))
    if Status(referral.status) is Status.REJECTED and referral.proposed_organization_id is not None:
        # The young person is asked; that is not the team's delay. But who does not answer is not forgotten.
        return 2 if late > ANSWER_AWAITED_DAYS else 0
    return 2 if late > COORDINATORS_AFTER_DAYS else 1 if late >= 1 else 0
