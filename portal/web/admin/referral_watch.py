"""What coordinators see of referrals: those that nobody answers, and no word of what somebody told.

The reason they write goes to the young person; its form leads to an address of its own, so that `guard.keep_typed`
leaves it alone.
"""

from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, Response, abort, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse
from wtforms import StringField, TextAreaField

from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.referral import actions, queries
from portal.referral.actions import TEXT_AT_MOST
from portal.referral.choosing import Desk
from portal.referral.errors import Changed
from portal.referral.lifecycle import Move, MoveNotAllowed, moves
from portal.referral.models import Actor, Referral, Status
from portal.referral.sealing import CannotOpen, Erased
from portal.web.admin.desks import offered_desk, open_desks
from portal.web.admin.guard import may_for_organization, me, needs
from portal.web.admin.paging import short_date
from portal.web.admin.referral_page import tools_or_404
from portal.web.admin.referral_words import Names
from portal.web.admin.rendering import render, say
from portal.web.admin.times import moment, short_day
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.notices import notify_soon
from portal.web.security import PortalForm
from portal.web.texts import gettext, ngettext


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/referrals/watch", "referral_watch", watch)
    bp.add_url_rule("/referrals/watch/<uuid:referral_id>", "referral_watch_one", one)
    bp.add_url_rule(
        "/referrals/watch/<uuid:referral_id>/desk", "propose_desk", propose_desk, methods=["GET", "POST"]
    )


@dataclass(frozen=True, slots=True)
class Line:
    label: str
    url: str
    offer: str
    team: str
    since: str
    due: str
    wrong: tuple[str, ...]
    asked: str
    """The desk that the young person is asked about."""


def waiting() -> list[Referral]:
    """What needs a coordinator now, of the teams in the part of the county that is theirs."""
    tools, portal = tools_or_404(), current_portal()
    found = queries.at_coordinators(
        current_session(), portal.region.slug, today=tools.days.today(portal.now())
    )
    return [one for one in found if may_for_organization(one.organization_id, Permission.WATCH)]


@needs(Permission.WATCH)
def watch() -> Response:
    found = waiting()
    names = _names(found)
    return render("admin/referral_watch.html", lines=[_line(referral, names) for referral in found])


def _names(referrals: list[Referral]) -> Names:
    return Names.read(
        services={id_ for one in referrals for id_ in (one.service_id, one.proposed_service_id)},
        organizations={
            id_ for one in referrals for id_ in (one.organization_id, one.proposed_organization_id)
        },
    )


def _line(referral: Referral, names: Names) -> Line:
    return Line(
        label=referral.label,
        url=url_for("admin.referral_watch_one", referral_id=referral.id),
        offer=names.service(referral.service_id),
        team=names.organization(referral.organization_id),
        since=short_day(referral.requested_at),
        due="" if referral.first_contact_at else short_date(referral.due_date),
        wrong=tuple(_what_is_wrong(referral)),
        asked=_asked(referral, names),
    )


def _asked(referral: Referral, names: Names) -> str:
    if referral.proposed_service_id is None or referral.proposed_organization_id is None:
        return ""
    return names.desk(Desk(referral.proposed_service_id, referral.proposed_organization_id))


def _what_is_wrong(referral: Referral) -> list[str]:
    days = tools_or_404().days
    today = days.today(current_portal().now())
    found = []
    if referral.alarm_at is not None:
        found.append(
            gettext("On %(when)s the young person said: nobody has called.", when=moment(referral.alarm_at))
        )
    if queries.is_overdue(referral, today=today):
        assert referral.due_date is not None
        late = days.between(referral.due_date, today)
        found.append(
            ngettext("Overdue for %(num)s working day", "Overdue for %(num)s working days", late)
            if late
            else gettext("Overdue")
        )
    if queries.is_silent(referral):
        found.append(gettext("The team was in contact, but nothing has come from it for a long time."))
    if Status(referral.status) is Status.REJECTED and referral.proposed_organization_id is None:
        found.append(gettext("The team refused and no other desk is known."))
    elif Status(referral.status) is Status.REJECTED and referral.escalation > 1:
        found.append(gettext("Proposed, not answered yet"))
    return found


class DeskForm(PortalForm):
    desk = StringField()
    reason = TextAreaField()


@needs(Permission.WATCH)
def one(referral_id: UUID) -> BaseResponse:
    return _page(_found(referral_id), DeskForm(formdata=None))


def _found(referral_id: UUID) -> Referral:
    """404 for one that does not need a coordinator (any more)."""
    found = next((one for one in waiting() if one.id == referral_id), None)
    if found is None:
        abort(404)
    return found


def _page(referral: Referral, form: DeskForm, *, problem: str = "", status: int = 200) -> Response:
    names = _names([referral])
    may_propose = Move.PROPOSE_HANDOVER in moves(Status(referral.status), Actor.COORDINATOR)
    return render(
        "admin/referral_watch_one.html",
        status=status,
        line=_line(referral, names),
        address=url_for("admin.referral_watch_one", referral_id=referral.id),
        to=url_for("admin.propose_desk", referral_id=referral.id),
        team_url=url_for("admin.referral_team", organization_id=referral.organization_id),
        version=referral.version,
        form=form,
        problem=problem,
        mistakes=[(field.id, " ".join(field.errors)) for field in form if field.errors],
        offices=open_desks(current_session(), without=referral.organization_id) if may_propose else [],
        may_propose=may_propose,
        at_most=TEXT_AT_MOST,
    )


@needs(Permission.WATCH)
def propose_desk(referral_id: UUID) -> BaseResponse:
    """Ask the young person whether another team may take over. Looked at, it is the page of the referral."""
    session, now = current_session(), current_portal().now()
    here = redirect(url_for("admin.referral_watch_one", referral_id=referral_id), code=303)
    if request.method == "GET":
        _found(referral_id)
        return here
    referral = next((one for one in waiting() if one.id == referral_id), None)
    if referral is None:
        return _settled(referral_id)
    form = DeskForm()
    if request.form.get("version", "") != str(referral.version):
        return _page(referral, form, problem=_changed(), status=409)
    desk, reason = _read(form, referral)
    if desk is None or not reason:
        return _page(referral, form, status=422)
    try:
        actions.propose_handover(
            session, tools_or_404().keyring, referral, desk, by=None, reason=reason, now=now
        )
    except (Changed, MoveNotAllowed, CannotOpen, Erased):
        session.rollback()
        again = next((one for one in waiting() if one.id == referral_id), None)
        return _settled(referral_id) if again is None else _page(again, form, problem=_changed(), status=409)
    audit.record(
        session,
        "referral.desk_proposed",
        now=now,
        actor=me(),
        region=referral.region,
        entity="referral",
        entity_id=referral.id,
        entity_name=referral.label,
    )
    session.commit()
    notify_soon()
    say(gettext("The young person is asked. Before the answer nobody at the other desk learns anything."))
    return redirect(url_for("admin.referral_watch"), code=303)


def _read(form: DeskForm, referral: Referral) -> tuple[Desk | None, str]:
    """None or an empty text for what is wrong; it stands at the field."""
    chosen, reason = form.desk.data or "", (form.reason.data or "").strip()
    desk = offered_desk(current_session(), chosen, without=referral.organization_id) if chosen else None
    if not chosen:
        form.desk.errors = [gettext("Please choose a desk.")]
    elif desk is None:
        form.desk.errors = [gettext("This desk takes nobody at the moment. Please choose another one.")]
    if not reason:
        form.reason.errors = [gettext("Please say in a sentence why. The young person reads it.")]
    elif len(reason) > TEXT_AT_MOST:
        form.reason.errors = [gettext("Please write at most %(number)s characters.", number=TEXT_AT_MOST)]
        return desk, ""
    return desk, reason


def _changed() -> str:
    return gettext("Somebody has changed something meanwhile. Please look whether your proposal still fits.")


def _settled(referral_id: UUID) -> BaseResponse:
    """It was there when the page was opened; what never was is not there now either."""
    if current_session().get(Referral, referral_id) is None:
        abort(404)
    say(gettext("This referral does not need you any more."), "info")
    return redirect(url_for("admin.referral_watch"), code=303)
