"""How quickly a team really is in contact, as everybody may read it."""

import math
from uuid import UUID

from portal.referral import promise
from portal.web.current import current_portal
from portal.web.texts import ngettext


def measured_sentence(organization_id: UUID) -> str:
    """Measured, not promised; empty when too few cases speak for it."""
    portal = current_portal()
    if portal.referrals is None:
        return ""
    with portal.store.sessions() as session:
        days = promise.kept_days(
            session,
            portal.region.slug,
            organization_id,
            today=portal.referrals.days.today(portal.now()),
        )
    if days is None:
        return ""
    return ngettext(
        "Half of all people heard from them within %(num)s working day.",
        "Half of all people heard from them within %(num)s working days.",
        max(1, math.ceil(days)),
    )
