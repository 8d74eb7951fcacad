"""The inbox of a team, and what is done with one referral.

What counsellors type about somebody is never kept outside of the sealed record: their forms lead to addresses of their
own, so that `guard.keep_typed`, which keeps forms readable in the database, leaves them alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, Response, abort, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse
from wtforms import BooleanField, SelectMultipleField, StringField

from portal.accounts.permissions import Permission
from portal.referral import actions, queries
from portal.referral.choosing import Desk
from portal.referral.errors import Changed, ConsentMissing, DeskUnavailable, NotFound, NotYourTeam
from portal.referral.lifecycle import MoveNotAllowed
from portal.referral.models import Consent, ConsentKind, Referral, Team
from portal.referral.personal import Agreed
from portal.referral.queries import InboxItem, Pile
from portal.referral.sealing import CannotOpen, Erased
from portal.web import consenting
from portal.web.admin.guard import needs
from portal.web.admin.paging import short_date
from portal.web.admin.referral_forms import DEEDS, Incomplete, MessageForm, Opened, new_form
from portal.web.admin.referral_page import (
    asked_desk,
    counsellor,
    may_record,
    offered,
    open_case,
    record_opening,
    show,
    tools_or_404,
)
from portal.web.admin.referral_words import PILES, Names, state_words
from portal.web.admin.rendering import render, say
from portal.web.admin.times import short_day
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.notices import notify_soon
from portal.web.public.presenting import language_name
from portal.web.security import PortalForm
from portal.web.texts import gettext

MEANWHILE = (Changed, MoveNotAllowed, ConsentMissing, NotFound, NotYourTeam, Erased)
"""What an action raises when the page that was open is no longer true."""


def register(bp: Blueprint) -> None:
    add, both = bp.add_url_rule, ["GET", "POST"]
    add("/referrals", "referrals", inbox)
    add("/referrals/<uuid:referral_id>", "referral", referral)
    deeds = ",".join(DEEDS)
    add(f"/referrals/<uuid:referral_id>/<any({deeds}):deed>", "move_referral", move_referral, methods=both)
    add("/referrals/<uuid:referral_id>/in-person", "record_consent", record_consent, methods=both)
    add(
        "/referrals/<uuid:referral_id>/in-person/<uuid:consent_id>",
        "record_joint_consent",
        record_consent,
        methods=both,
    )


# -- the inbox ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """Nothing of it says who somebody is or what it is about."""

    label: str
    url: str
    offer: str
    team: str
    """Empty for those who belong to one team only."""
    state: str
    tag: str
    since: str
    due: str
    overdue: bool
    alarm: bool
    claimed: str
    unread: int
    joint: bool


@needs(Permission.REFERRALS)
def inbox() -> Response:
    items = my_items()
    by = counsellor()
    names = Names.read(
        services={one.referral.service_id for one in items},
        organizations={one.referral.organization_id for one in items} | by.organizations,
        people={one.referral.claimed_by for one in items},
    )
    piles = [
        (pile.value, gettext(title), gettext(why) if why else "", lines)
        for pile, (title, why) in PILES.items()
        if (
            lines := [
                _line(one, names, several=len(by.organizations) > 1) for one in items if one.pile is pile
            ]
        )
    ]
    return render(
        "admin/referrals.html",
        piles=piles,
        live=any(name != Pile.ENDED for name, *_rest in piles),
        teams=sorted(names.organization(id_) for id_ in by.organizations),
        closed=not _takes_referrals(by.organizations),
    )


def my_items() -> list[InboxItem]:
    """Of all teams of the one who is signed in."""
    tools, now = tools_or_404(), current_portal().now()
    return queries.inbox(current_session(), counsellor().organizations, now=now, today=tools.days.today(now))


def _takes_referrals(organizations: frozenset[UUID]) -> bool:
    session = current_session()
    return any(team.accepts for id_ in organizations if (team := session.get(Team, id_)) is not None)


def _line(item: InboxItem, names: Names, *, several: bool) -> Line:
    one = item.referral
    words, tag = state_words(one)
    today = tools_or_404().days.today(current_portal().now())
    ended = item.pile is Pile.ENDED
    return Line(
        label=one.label,
        url=url_for("admin.referral", referral_id=one.id),
        offer=names.service(one.service_id),
        team=names.organization(one.organization_id) if several or item.joint else "",
        state=gettext("Ended") if ended and not one.outcome else words,
        tag="" if ended else tag,
        since=short_day(one.requested_at),
        due="" if ended or item.joint or one.first_contact_at else short_date(one.due_date),
        overdue=not ended
        and not item.joint
        and (queries.is_overdue(one, today=today) or queries.is_silent(one)),
        alarm=not ended and one.alarm_at is not None,
        claimed="" if item.joint else names.person(one.claimed_by),
        unread=item.unread,
        joint=item.joint,
    )


# -- one referral ------------------------------------------------------------------------------------------------------


@needs(Permission.REFERRALS)
def referral(referral_id: UUID) -> BaseResponse:
    try:
        opened = open_case(referral_id)
    except CannotOpen:
        return _locked()
    return _elsewhere() if opened is None else show(opened)


@needs(Permission.REFERRALS)
def move_referral(referral_id: UUID, deed: str) -> BaseResponse:
    if request.method == "GET":
        # Somebody loads the answer to a form again, or comes back to it after signing in.
        return _back(referral_id)
    try:
        opened = open_case(referral_id)
    except CannotOpen:
        return _locked()
    if opened is None:
        return _elsewhere()
    form = new_form(deed, sent=True)
    if deed not in offered(opened) or not _is_current(opened):
        return (
            _back(referral_id)
            if _was_sent_twice(opened, deed, form)
            else _new_state(referral_id, {deed: form})
        )
    try:
        words = DEEDS[deed].do(opened, form)
    except Incomplete:
        return show(opened, {deed: form}, status=422)
    except CannotOpen:
        current_session().rollback()
        return _locked()
    except MEANWHILE:
        return _new_state(referral_id, {deed: form})
    current_session().commit()
    notify_soon()
    say(words)
    return _back(referral_id)


def _is_current(opened: Opened) -> bool:
    """Whether the form was made for the state that holds now."""
    return request.form.get("version", "") == str(opened.referral.version)


def _was_sent_twice(opened: Opened, deed: str, form: PortalForm) -> bool:
    """The same person pressed the same button a second time: it is done already."""
    me = opened.by.user_id
    if isinstance(form, MessageForm):
        text = (form.text.data or "").strip()
        return any(one.message.user_id == me and one.text == text for one in opened.view.messages[-1:])
    last = next((one.event for one in reversed(opened.view.events)), None)
    return (
        last is not None
        and last.user_id == me
        and last.move == DEEDS[deed].move
        and request.form.get("version", "") == str(opened.referral.version - 1)
    )


def _new_state(
    referral_id: UUID, sent: Mapping[str, PortalForm] | None = None, *, problem: str = ""
) -> BaseResponse:
    """As it stands now, with everything that was typed; `problem` says why, else somebody was quicker."""
    current_session().rollback()
    opened = open_case(referral_id)
    if opened is None:
        return _elsewhere()
    return show(opened, sent, problem=problem, stale=not problem, status=409)


def _back(referral_id: UUID) -> BaseResponse:
    return redirect(url_for("admin.referral", referral_id=referral_id), code=303)


def _elsewhere() -> BaseResponse:
    say(gettext("This referral is with another desk now, or has ended."), "info")
    return redirect(url_for("admin.referrals"), code=303)


def _locked() -> Response:
    return render("admin/referral_over.html", status=503, label="", why="locked")


# -- a consent that is given in person -----------------------------------------------------------------------------------


class ConsentForm(PortalForm):
    line = SelectMultipleField(validate_choice=False, default=sorted(consenting.TICKED_BEFORE))
    """Keys of what may be passed on."""
    together = BooleanField()
    shown = StringField()
    """What the page showed: another text is shown again before it counts."""


@needs(Permission.REFERRALS)
def record_consent(referral_id: UUID, consent_id: UUID | None = None) -> BaseResponse:
    """To the hand-over that is proposed, or with `consent_id` to the team that shall take part."""
    try:
        opened = open_case(referral_id)
    except CannotOpen:
        return _locked()
    if opened is None:
        return _elsewhere()
    asked = _asked(opened, consent_id)
    if not may_record(opened, asked):
        return _back(referral_id)
    try:
        return _read_together(opened, asked)
    except DeskUnavailable:
        return _new_state(
            referral_id, problem=gettext("This desk takes nobody at the moment. Please propose another one.")
        )
    except MEANWHILE:
        return _new_state(referral_id)


def _read_together(opened: Opened, asked: Consent | None) -> BaseResponse:
    """Show the text, or take the answer to it. Raises what the action raises."""
    desk = _desk_of(opened, asked)
    assert opened.view.agreed is not None
    # Whoever comes next learns at most what this team knows, and of that what is ticked.
    agreed = consenting.compose(
        ConsentKind.HANDOVER if asked is None else ConsentKind.JOINT,
        desk,
        opened.view.agreed.lines,
        language=opened.referral.language,
        now=opened.now,
    )
    form = ConsentForm()
    if request.method == "GET":
        return _consent_page(opened, form, agreed, desk, asked)
    if form.shown.data != consenting.fingerprint(agreed) or not _is_current(opened):
        form.together.data = False
        problem = gettext("Something has changed meanwhile. Please read the text together once more.")
        return _consent_page(opened, form, agreed, desk, asked, problem=problem, status=409)
    if not form.together.data:
        form.together.errors = [gettext("Without this tick nothing is passed on.")]
        return _consent_page(opened, form, agreed, desk, asked, status=422)
    _record(opened, asked, consenting.ticked(agreed, form.line.data or ()), desk)
    current_session().commit()
    notify_soon()
    if asked is None:
        say(gettext("Passed on. The other desk has it now; you see nothing of it any more."))
        return redirect(url_for("admin.referrals"), code=303)
    say(gettext("Noted. The other team takes part from now on."))
    return _back(opened.referral.id)


def _asked(opened: Opened, consent_id: UUID | None) -> Consent | None:
    if consent_id is None:
        return None
    found = next((one for one in opened.view.consents if one.id == consent_id), None)
    if found is None:
        abort(404)
    return found


def _desk_of(opened: Opened, asked: Consent | None) -> Desk:
    desk = (
        Desk(asked.service_id, asked.organization_id)
        if asked is not None and asked.service_id is not None
        else asked_desk(opened)
    )
    assert desk is not None
    return desk


def _record(opened: Opened, asked: Consent | None, agreed: Agreed, desk: Desk) -> None:
    session, keyring = current_session(), opened.tools.keyring
    if asked is not None:
        actions.agree_joint(
            session,
            keyring,
            opened.referral,
            asked,
            agreed,
            text_version=consenting.TEXT_VERSION,
            now=opened.now,
            recorded_by=opened.by,
        )
        return
    actions.agree_handover(
        session,
        keyring,
        opened.referral,
        agreed,
        text_version=consenting.TEXT_VERSION,
        days=opened.tools.days,
        now=opened.now,
        recorded_by=opened.by,
        shown_desk=desk,
    )


def _consent_page(
    opened: Opened,
    form: ConsentForm,
    agreed: Agreed,
    desk: Desk,
    asked: Consent | None,
    *,
    problem: str = "",
    status: int = 200,
) -> Response:
    one: Referral = opened.referral
    names = Names.read(services={desk.service_id}, organizations={desk.organization_id})
    record_opening(opened)
    current_session().commit()
    return render(
        "admin/referral_consent.html",
        status=status,
        form=form,
        problem=problem,
        agreed=agreed,
        fingerprint=consenting.fingerprint(agreed),
        version=one.version,
        label=one.label,
        joint=asked is not None,
        desk=names.desk(desk),
        language=one.language,
        language_name=language_name(one.language),
        address=url_for("admin.referral", referral_id=one.id),
    )
