"""A slip without a name, for those who would rather walk in: a short code, and behind it what they ticked.

The code is German words, because the desk reads and types it. It stands in the cookie until the visit ends, so that the page
can be opened again; what was ticked is sealed in the database and nowhere else.
"""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, redirect, request
from flask import session as cookie_session
from markupsafe import Markup
from werkzeug.exceptions import NotFound
from wtforms import SelectMultipleField

from portal.referral import errors, slips
from portal.referral.models import Slip
from portal.referral.personal import Line, Situation
from portal.referral.sealing import CannotOpen
from portal.web.current import current_language, current_portal
from portal.web.limits import Rule, connection
from portal.web.public import addresses, bilingual, check, presenting
from portal.web.public.qr import qr_inside
from portal.web.public.telling import DESK, tellable
from portal.web.public.views import Choice, ErrorLine, Fact, Pair
from portal.web.referrals import Referrals
from portal.web.responses import render
from portal.web.security import PortalForm, bind_session, new_token
from portal.web.texts import N_, day
from portal.web.texts import gettext as _

SLIPS = Rule("slips", "20 per hour")
"""Made from one address."""
CODE = "slip"
"""In the cookie."""
ACCOMPANIED = N_("Someone comes along")
INTERPRETER = N_("I need an interpreter")
# NOTE: "it" is the code. The address is a page for the offices.
TYPED_HERE = N_("The office types this code at %(address)s. It is valid until %(day)s.")


class SlipForm(PortalForm):
    tell = SelectMultipleField(validate_choice=False)
    also = SelectMultipleField(validate_choice=False)


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/<lang:lang>/slip", "slip", slip_form, methods=["GET"])
    bp.add_url_rule("/<lang:lang>/slip", "make_slip", make_slip, methods=["POST"])
    bp.add_url_rule("/<lang:lang>/slip/code", "slip_code", slip_code)


def referrals_or_404() -> Referrals:
    found = current_portal().referrals
    if found is None:
        raise NotFound
    return found


def slip_form() -> Response:
    referrals_or_404()
    lines, made = tellable(), _own_slip(str(cookie_session.get(CODE, "")))
    if made is None:
        return _form(lines)
    situation = made.situation
    also = (("accompanied", situation.accompanied), ("interpreter", situation.interpreter))
    return _form(lines, [line.key for line in situation.lines] + [name for name, ticked in also if ticked])


def make_slip() -> Any:
    portal, referrals = current_portal(), referrals_or_404()
    form = SlipForm()
    told, also = form.tell.data or [], form.also.data or []
    lines = tellable()
    if not form.validate() or not {line.key for line in lines}.issuperset(told):
        # The second: the answers have run out meanwhile, or changed in another tab.
        words = _("That did not get through. Please tap “Continue” once more.")
        return _form(lines, [*told, *also], words, status=422)
    if not referrals.limits.hit(SLIPS, connection(request.remote_addr)):
        words = _(
            "So many messages have come from your connection that we take a break. Please try again in an hour."
        )
        return _form(lines, [*told, *also], words, status=429)
    kept = tuple(line for line in lines if line.key in told)
    situation = Situation(
        language=current_language().code,
        lines=kept,
        service_name=next((line.value_de for line in kept if line.key == DESK), ""),
        accompanied="accompanied" in also,
        interpreter="interpreter" in also,
    )
    with portal.store.sessions() as session:
        code = slips.create(
            session,
            referrals.keyring,
            region=portal.region.slug,
            situation=situation,
            words=referrals.words_for("de"),
            now=portal.now(),
        )
        session.commit()
    bind_session(lambda: secrets.token_hex(4))
    cookie_session[CODE] = code
    return redirect(addresses.slip_code(), code=303)


def slip_code() -> Any:
    """The slip to show and to print, as long as the visit lasts."""
    found = _own_slip(str(cookie_session.get(CODE, "")))
    if found is None:
        response = redirect(addresses.slip(), code=303)
        response.headers["Cache-Control"] = "no-store"
        return response
    check.stay_alive()
    address = (current_portal().settings.base_url or request.url_root.rstrip("/")) + "/admin/slip"
    return render(
        "public/slip_code.html",
        style="paper",
        index=False,
        code=found.code,
        qr=_qr(address, found.code),
        facts=_facts(found.situation),
        typed_here=_typed_here(address.partition("://")[2], found.slip),
        back_url=addresses.slip(),
    )


def _form(
    lines: Sequence[Line], ticked: Collection[str] = (), error: str | None = None, status: int = 200
) -> Response:
    return render(
        "public/slip.html",
        status=status,
        index=False,
        csrf=new_token(),
        answers=tuple(
            Choice(line.key, line.value, hint=line.label, checked=line.key in ticked) for line in lines
        ),
        also=(
            Choice("accompanied", _(ACCOMPANIED), checked="accompanied" in ticked),
            Choice("interpreter", _(INTERPRETER), checked="interpreter" in ticked),
        ),
        errors=(ErrorLine("tell", error),) if error else (),
        action=addresses.slip(),
        back_url=addresses.result() if lines else addresses.start(),
    )


# The slip.


@dataclass(frozen=True, slots=True)
class _Own:
    slip: Slip
    situation: Situation
    code: str


def _own_slip(code: str) -> _Own | None:
    """None when there is no slip of this visit any more. That its owner looks at it is not kept."""
    portal, referrals = current_portal(), referrals_or_404()
    if not code:
        return None
    with portal.store.sessions() as session:
        try:
            slip, situation = slips.open_slip(
                session, referrals.keyring, code, region=portal.region.slug, now=portal.now()
            )
        except (errors.NotFound, CannotOpen):
            return None
        session.expunge(slip)
        session.rollback()
    return _Own(slip, situation, code)


def _qr(address: str, code: str) -> Markup:
    """The code stands behind the `#`: no server ever gets that part of an address."""
    return qr_inside(f"{address}#{quote(code.replace(' ', '-'))}")


def _facts(situation: Situation) -> tuple[Fact, ...]:
    """What the office will read, line by line."""
    same = situation.language == current_language().code
    facts = [
        Fact(
            (bilingual.both(line.value if same else None, line.value_de),),
            bilingual.both(line.label if same else None, line.label_de),
        )
        for line in situation.lines
    ]
    ticked = ((situation.accompanied, ACCOMPANIED), (situation.interpreter, INTERPRETER))
    facts += [Fact((bilingual.label(text),)) for yes, text in ticked if yes]
    own = presenting.language_name(situation.language)
    with bilingual.in_german():
        german = presenting.language_name(situation.language)
    return (*facts, Fact((bilingual.both(own, german),), bilingual.label(N_("Language"))))


def _typed_here(address: str, slip: Slip) -> Pair:
    until = slip.expires_at.astimezone(current_portal().timezone).date()
    own = _(TYPED_HERE, address=address, day=day(until))
    with bilingual.in_german():
        german = _(TYPED_HERE, address=address, day=day(until))
    return bilingual.both(own, german)
