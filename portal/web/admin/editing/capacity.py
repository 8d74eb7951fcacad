"""Free, few places, full: said with one tap by those who know it, and shown while it is fresh."""

from datetime import date
from typing import Any

from flask import Blueprint, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as BaseResponse

from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.catalogue import editing
from portal.web.admin import guard
from portal.web.admin.guard import me, needs
from portal.web.admin.rendering import say
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.texts import gettext


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/services/<slug>/capacity", "capacity", capacity, methods=["POST"])


@needs(Permission.SEE_CATALOGUE)
def capacity(slug: str) -> BaseResponse:
    portal, session = current_portal(), current_session()
    service = own_service_of_any_kind(slug)
    until: date | None = None
    entered = request.form.get("until", "").strip()
    wanted: Any = request.form.get("capacity", "")
    target = guard.safe_path(request.form.get("form_page", "")) or url_for("admin.edit_service", slug=slug)
    try:
        until = date.fromisoformat(entered) if entered and wanted == "full" else None
        if until is not None and until < portal.catalogue.today:
            raise ValueError(entered)
        editing.set_capacity(
            session,
            portal.region.slug,
            service.slug,
            wanted or None,
            until=until,
            now=portal.now(),
        )
    except ValueError:
        session.rollback()
        say(gettext("That did not work: please choose a state, and a day that is still to come."), "wrong")
        return redirect(target, code=303)
    audit.record(
        session,
        "service.capacity",
        now=portal.now(),
        actor=me(),
        region=portal.region.slug,
        entity="service",
        entity_id=service.id,
        entity_name=service.name,
        capacity=wanted,
    )
    session.commit()
    say(gettext("Thank you. It is shown from now on."))
    return redirect(target, code=303)


def own_service_of_any_kind(slug: str) -> Any:
    """A service that the user may change, at once or after a review; 404 otherwise."""
    try:
        return guard.own_service_or_404(slug, Permission.EDIT)
    except NotFound:
        return guard.own_service_or_404(slug, Permission.PROPOSE)
