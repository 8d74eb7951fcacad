"""Which offers wait for a confirmation, and what came of asking; with one tap for "I have telephoned"."""

from dataclasses import dataclass
from datetime import date

from flask import Blueprint, Response, redirect, request, url_for
from sqlalchemy import ColumnElement
from werkzeug.wrappers import Response as BaseResponse

from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.catalogue import editing, queries, reviewing
from portal.web.admin.guard import me, needs, own_service_or_404, safe_path
from portal.web.admin.paging import Paging, short_date
from portal.web.admin.reach import services_for
from portal.web.admin.rendering import render, say
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.public import presenting
from portal.web.public.views import PhoneLink
from portal.web.texts import N_, gettext

SHOWN = {
    "due": N_("All that are due"),
    "silent": N_("Nobody answered"),
    "phone": N_("To be phoned: no e-mail address"),
}


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/confirmations", "confirmations", confirmations)
    bp.add_url_rule("/confirmations/<slug>", "confirmed_by_phone", confirmed_by_phone, methods=["POST"])


@dataclass(frozen=True, slots=True)
class Line:
    slug: str
    name: str
    organization: str
    assured: str
    since: str
    asked: str
    """What has been done so far, in words."""
    phones: tuple[PhoneLink, ...]


@needs(Permission.EDIT)
def confirmations() -> Response:
    portal = current_portal()
    session, region = current_session(), portal.region.slug
    today = _today()
    reach = services_for(Permission.EDIT)
    extra: dict[str, list[ColumnElement[bool]]] = {
        "due": [],
        "silent": [reviewing.nobody_answered()],
        "phone": [reviewing.has_no_mailbox()],
    }
    show = request.args.get("show", "due")
    show = show if show in SHOWN else "due"
    numbers = {
        name: reviewing.number_due(session, region, today, conditions=[*reach, *conditions])
        for name, conditions in extra.items()
    }
    paging = Paging.read(numbers[show])
    rows = reviewing.due(
        session,
        region,
        today,
        conditions=[*reach, *extra[show]],
        limit=paging.size,
        offset=paging.offset,
    )
    views = {
        view.id: view for view in queries.service_views(session, region, [row.service_id for row in rows])
    }
    lines = [
        Line(
            row.slug,
            row.name,
            row.organization,
            short_date(row.assured),
            short_date(row.since),
            _asked(row),
            presenting.phone_links(view.phones_at(presenting.only_house(view)))[:2]
            if (view := views.get(row.service_id))
            else (),
        )
        for row in rows
    ]
    return render(
        "admin/confirmations.html",
        fragment="list",
        show=show,
        chips=[
            (gettext(label), url_for("admin.confirmations", show=name), numbers[name], name == show)
            for name, label in SHOWN.items()
        ],
        lines=lines,
        paging=paging,
        back=request.full_path.rstrip("?"),
    )


def _asked(row: reviewing.Due) -> str:
    if row.answer == "corrected":
        return gettext("Has sent changes; they wait for a review")
    if row.answer == "gone":
        return gettext("Says that it no longer exists; waits for a review")
    if not row.recipient:
        return gettext("Cannot be asked: no e-mail address")
    if row.asked_at is None:
        return gettext("Will be asked by mail at the next run")
    last = short_date(_local(row))
    if row.escalated_at is not None:
        return gettext("Asked on %(day)s and reminded, no answer", day=last)
    if row.reminded_at is not None:
        return gettext("Asked on %(day)s and reminded", day=last)
    return gettext("Asked on %(day)s", day=last)


def _local(row: reviewing.Due) -> date:
    assert row.asked_at is not None
    return row.asked_at.astimezone(current_portal().timezone).date()


def _today() -> date:
    portal = current_portal()
    return portal.now().astimezone(portal.timezone).date()


@needs(Permission.EDIT)
def confirmed_by_phone(slug: str) -> BaseResponse:
    """Somebody at the office said it is right."""
    service = own_service_or_404(slug, Permission.EDIT)
    session, now = current_session(), current_portal().now()
    editing.confirm(session, service.region, "service", slug, on=_today(), author=me(), now=now)
    audit.record(
        session,
        "service.confirmed",
        now=now,
        actor=me(),
        region=service.region,
        entity="service",
        entity_id=service.id,
        entity_name=service.name,
    )
    session.commit()
    say(gettext("“%(name)s” is confirmed as of today.", name=service.name))
    back = safe_path(request.form.get("back", ""))
    return redirect(back or url_for("admin.confirmations"), code=303)
