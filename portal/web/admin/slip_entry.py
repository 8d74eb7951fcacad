"""A hand-over slip at the desk: its code is typed, and what the person ticked is shown, in German.

The code comes in the body of the request only, and the answer is not kept; the log says that somebody opened a slip.
"""

from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound
from wtforms import StringField

from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.referral import errors, slips
from portal.referral.sealing import CannotOpen
from portal.web.admin.guard import me, needs
from portal.web.admin.paging import short_date
from portal.web.admin.rendering import render
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.public.presenting import language_name
from portal.web.referrals import SLIP_USER
from portal.web.security import PortalForm
from portal.web.texts import gettext


class CodeForm(PortalForm):
    code = StringField()


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/slip", "slip_entry", slip_entry, methods=["GET", "POST"])


@needs(Permission.SLIPS)
def slip_entry() -> Response:
    portal = current_portal()
    referrals = portal.referrals
    if referrals is None:
        raise NotFound
    form = CodeForm()
    if request.method == "GET":
        return _page(form)
    code = (form.code.data or "")[:200]
    if not code.strip():
        return _page(form, gettext("Please type the code of the slip."), status=422)
    # Every try counts before it is known whether it fits, so that many at once are no way around the limit.
    if not referrals.limits.hit(SLIP_USER, str(me().id)):
        return _page(form, gettext("Too many codes in a short time. Please wait ten minutes."), status=429)
    session, now = current_session(), portal.now()
    try:
        slip, situation = slips.open_slip(
            session, referrals.keyring, code, region=portal.region.slug, now=now
        )
    except (errors.NotFound, CannotOpen):
        return _page(
            form,
            gettext(
                "There is no slip with this code. Please compare it once more. After 14 days a slip is erased."
            ),
            status=422,
        )
    audit.record(
        session,
        "slip.opened",
        now=now,
        actor=me(),
        region=portal.region.slug,
        entity="slip",
        entity_id=slip.id,
    )
    session.commit()
    return render(
        "admin/slip_entry.html",
        form=CodeForm(formdata=None),
        situation=situation,
        language=language_name(situation.language),
        until=short_date(slip.expires_at.astimezone(portal.timezone).date()),
    )


def _page(form: CodeForm, error: str = "", status: int = 200) -> Response:
    if error:
        form.code.errors = [error]
    return render("admin/slip_entry.html", status=status, form=form, situation=None)
