""" "Something is wrong here", on every offer: no account, and nothing about whoever says it.

What keeps machines out asks nothing of people: a field that nobody sees, a form that cannot be sent in the second it was
opened, and a number of tries an hour. The address of a visitor is only counted, under a salt of the day that no disk holds.
"""

import hashlib
import secrets
import threading
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from flask import Blueprint, Response, current_app, g, redirect, request, url_for
from itsdangerous import BadSignature, TimestampSigner
from sqlmodel import Session
from werkzeug.wrappers import Response as BaseResponse

from portal.catalogue import models, reports
from portal.catalogue.queries import ServiceView
from portal.web.current import current_portal
from portal.web.public import presenting
from portal.web.public.offers import offer_or_404
from portal.web.public.views import Choice, ErrorLine
from portal.web.responses import render
from portal.web.security import refuse_cross_site
from portal.web.texts import N_
from portal.web.texts import gettext as _

if TYPE_CHECKING:
    from portal.web.limits import Limits

QUICKEST = 3
"""Seconds in which a person does not open, read, choose and send."""
LONGEST_OPEN = 24 * 3600
TRAP = "homepage"
"""Name of the field that only machines fill in."""
REASONS = {
    "phone": N_("The phone number is wrong"),
    "hours": N_("The opening hours are wrong"),
    "address": N_("The address is wrong"),
    "gone": N_("This no longer exists"),
    "text": N_("Something in the text is wrong"),
    "other": N_("Something else"),
}


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/<lang:lang>/offers/<slug>/report", "report", report_form, methods=["GET"])
    bp.add_url_rule("/<lang:lang>/offers/<slug>/report", "send_report", send_report, methods=["POST"])
    bp.add_url_rule("/<lang:lang>/offers/<slug>/reported", "reported", reported)


def report_form(slug: str) -> Response:
    return _page(offer_or_404(slug), token=_signer().sign(slug).decode())


def send_report(slug: str) -> BaseResponse:
    refuse_cross_site()
    service = offer_or_404(slug)
    thanks = redirect(url_for("public.reported", slug=slug), code=303)
    if request.form.get(TRAP):
        return thanks
    reason = request.form.get("reason", "")
    text = reports.plain_text(request.form.get("text", ""))
    token = request.form.get("token", "")
    problem, again = _problem(slug, reason, token)
    if problem:
        return _page(service, token=again, reason=reason, text=text, error=problem)
    if not _may_send():
        words = _(
            "So many messages have come from your connection that we take a break. Please try again in an hour."
        )
        return _page(
            service, token=token, reason=reason, text=text, error=ErrorLine("main", words), status=429
        )
    portal = current_portal()
    with portal.store.sessions() as session:
        _keep(session, service, reason, text)
        session.commit()
    return thanks


def _keep(session: Session, service: ServiceView, reason: str, text: str) -> None:
    from portal.accounts import audit

    found = session.get(models.Service, service.id)
    if found is None:
        return
    today = presenting.local_now().date()
    if reports.report(session, found, reason, text, language=g.lang, day=today) == "kept":
        # Noted to the day only, as the report itself.
        midnight = presenting.local_now().replace(hour=0, minute=0, second=0, microsecond=0)
        audit.record(
            session,
            "report.received",
            now=midnight,
            region=found.region,
            entity="service",
            entity_id=found.id,
            entity_name=found.name,
            reason=reason,
        )


def reported(slug: str) -> Response:
    service = offer_or_404(slug)
    return render(
        "public/report_thanks.html",
        index=False,
        name=presenting.quiet(service.text("name", g.lang)),
        offer_url=url_for("public.offer", slug=slug),
    )


def _page(
    service: ServiceView,
    *,
    token: str,
    reason: str = "",
    text: str = "",
    error: ErrorLine | None = None,
    status: int = 422,
) -> Response:
    return render(
        "public/report.html",
        status=status if error else 200,
        index=False,
        name=presenting.quiet(service.text("name", g.lang)),
        organization=presenting.organization_name(service.organization),
        reasons=tuple(Choice(code, _(label), checked=code == reason) for code, label in REASONS.items()),
        text=text,
        token=token,
        trap=TRAP,
        longest=reports.LONGEST,
        errors=(error,) if error else (),
        action=url_for("public.send_report", slug=service.slug),
        offer_url=url_for("public.offer", slug=service.slug),
    )


def _signer() -> TimestampSigner:
    portal = current_portal()
    return _Clocked(portal.settings.secret_key, salt="report", digest_method=hashlib.sha256)


class _Clocked(TimestampSigner):
    """Reads the portal's clock, which tests can set."""

    def get_timestamp(self) -> int:
        return int(current_portal().now().timestamp())


def _problem(slug: str, reason: str, token: str) -> tuple[ErrorLine | None, str]:
    """What is wrong with the form, and the token for the next try."""
    signer = _signer()
    fresh = signer.sign(slug).decode()
    try:
        named, opened = signer.unsign(token, max_age=LONGEST_OPEN, return_timestamp=True)
    except BadSignature:
        return ErrorLine("send", _("This page was open for a long time. Please send it once more.")), fresh
    if named.decode() != slug:
        return ErrorLine("send", _("This page was open for a long time. Please send it once more.")), fresh
    if (current_portal().now() - opened).total_seconds() < QUICKEST:
        return ErrorLine("send", _("That was very quick. Please send it once more.")), token
    if reason not in REASONS:
        return ErrorLine("reason", _("Please choose what is wrong.")), token
    return None, token


# How often.


@dataclass
class _Counter:
    """Counts by a hash whose salt changes every day and is kept nowhere."""

    limits: "Limits"
    day: date = date.min
    salt: bytes = b""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def key(self, address: str, today: date) -> str:
        with self.lock:
            if today != self.day:
                self.day, self.salt = today, secrets.token_bytes(16)
            return hashlib.blake2b(address.encode(), key=self.salt, digest_size=12).hexdigest()


def _may_send() -> bool:
    from portal.web.limits import REPORTS, Limits

    counter: _Counter = current_app.extensions.setdefault("report_counter", _Counter(Limits("")))
    return counter.limits.hit(REPORTS, counter.key(request.remote_addr or "", presenting.local_now().date()))
