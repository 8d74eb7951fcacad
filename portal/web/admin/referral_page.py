"""One referral as its team sees it: what was agreed to be told, what happened, and what may be done now."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import Response, abort, url_for
from sqlalchemy import select
from sqlmodel import col

from portal.accounts import audit
from portal.accounts.models import AuditEvent, Role
from portal.referral import actions, notices, queries
from portal.referral.actions import Counsellor
from portal.referral.choosing import Desk
from portal.referral.errors import NotYourTeam
from portal.referral.lifecycle import Move, moves
from portal.referral.models import Actor, AppointmentState, Consent, ConsentKind, Status
from portal.referral.queries import TeamView
from portal.web.admin.desks import open_desks
from portal.web.admin.guard import me
from portal.web.admin.paging import short_date
from portal.web.admin.referral_forms import (
    DEEDS,
    NOBODY,
    Opened,
    joint_teams,
    new_form,
    written_texts,
)
from portal.web.admin.referral_words import (
    APPOINTMENTS,
    MOVES,
    OUTCOMES,
    Names,
    long_moment,
    state_words,
)
from portal.web.admin.rendering import render
from portal.web.admin.times import moment, short_day
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.notices import working_channels
from portal.web.public.presenting import language_name
from portal.web.referrals import Referrals
from portal.web.security import PortalForm
from portal.web.texts import gettext

SEEN_AGAIN_AFTER = timedelta(minutes=10)
"""Whoever goes on with a referral within this time is not written into the log once more."""


def tools_or_404() -> Referrals:
    referrals = current_portal().referrals
    if referrals is None:
        abort(404)
    return referrals


def counsellor() -> Counsellor:
    """Who is signed in, for the teams they answer for."""
    user = me()
    assert user.id is not None
    return Counsellor(
        user.id,
        frozenset(
            grant.organization_id
            for grant in user.powers.grants
            if grant.role is Role.COUNSELLOR and grant.organization_id is not None
        ),
    )


def open_case(referral_id: UUID) -> Opened | None:
    """None when the team had it and has no longer; what it never had is not there (404).

    Raises CannotOpen when the key of the installation is missing.
    """
    tools, by, session = tools_or_404(), counsellor(), current_session()
    now = current_portal().now()
    try:
        view = queries.for_team(session, tools.keyring, referral_id, by, now=now)
    except NotYourTeam:
        if _had_it(referral_id, by):
            return None
        abort(404)
    if view.referral.region != current_portal().region.slug:
        abort(404)
    return Opened(view, by, tools, now)


def _had_it(referral_id: UUID, by: Counsellor) -> bool:
    found = current_session().execute(
        select(col(Consent.id))
        .where(
            col(Consent.referral_id) == referral_id,
            col(Consent.organization_id).in_(by.organizations),
            col(Consent.given_at).is_not(None),
        )
        .limit(1)
    )
    return found.first() is not None


def offered(opened: Opened) -> frozenset[str]:
    """Names of the deeds that are possible now; the page shows no others, and no others are done."""
    view, referral = opened.view, opened.referral
    if view.agreed is None:
        return frozenset()
    possible = moves(Status(referral.status), Actor.COUNSELLOR)
    if not view.responsible:
        possible &= {Move.MESSAGE, Move.JOIN_APPOINTMENT}
    else:
        possible -= {Move.JOIN_APPOINTMENT}
    found = {name for name, deed in DEEDS.items() if deed.move in possible}
    taken = referral.claimed_by not in (None, opened.by.user_id)
    if taken:
        found -= {"accept"}
    found -= {"release"} if referral.claimed_by is None else {"claim"}
    if Status(referral.status) is Status.REQUESTED:
        # Before it is accepted there is one way to another desk: with the reason why it is not this one.
        found -= {"handover"}
    return frozenset(found)


def may_record(opened: Opened, consent: Consent | None = None) -> bool:
    """A consent given in person, to the proposed hand-over or to the asked team."""
    view, referral = opened.view, opened.referral
    if view.agreed is None or not view.responsible:
        return False
    possible = moves(Status(referral.status), Actor.COUNSELLOR)
    if consent is None:
        return Move.AGREE_HANDOVER in possible and asked_desk(opened) is not None
    return Move.AGREE_JOINT in possible and _is_asked(consent) and consent.service_id is not None


def asked_desk(opened: Opened) -> Desk | None:
    referral = opened.referral
    if referral.proposed_service_id is None or referral.proposed_organization_id is None:
        return None
    return Desk(referral.proposed_service_id, referral.proposed_organization_id)


def _is_asked(consent: Consent) -> bool:
    return (
        consent.kind == ConsentKind.JOINT
        and consent.given_at is None
        and consent.declined_at is None
        and consent.ended_at is None
    )


def record_opening(opened: Opened) -> None:
    """Who saw a referral and when, for the data-protection officer; never what it says."""
    session, referral = current_session(), opened.referral
    if opened.view.agreed is None:
        return
    seen = session.execute(
        select(col(AuditEvent.id))
        .where(
            col(AuditEvent.action) == "referral.opened",
            col(AuditEvent.entity_id) == referral.id,
            col(AuditEvent.actor_id) == opened.by.user_id,
            col(AuditEvent.at) > opened.now - SEEN_AGAIN_AFTER,
        )
        .limit(1)
    ).first()
    if seen is None:
        audit.record(
            session,
            "referral.opened",
            now=opened.now,
            actor=me(),
            region=referral.region,
            entity="referral",
            entity_id=referral.id,
            entity_name=referral.label,
        )


# -- the page ----------------------------------------------------------------------------------------------------------


def show(
    opened: Opened,
    sent: Mapping[str, PortalForm] | None = None,
    *,
    stale: bool = False,
    problem: str = "",
    status: int = 200,
) -> Response:
    """`sent` are forms that come back: with what is wrong in them, or because somebody else was quicker."""
    if opened.view.agreed is None:
        return _over(opened, status=status)
    sent, session = sent or {}, current_session()
    view, referral = opened.view, opened.referral
    unread = {
        one.message.id
        for one in view.messages
        if one.message.read_at is None and one.message.author == Actor.YOUNG_PERSON
    }
    context = _context(opened, unread)
    possible = offered(opened)
    forms = {name: sent.get(name) or new_form(name) for name in possible}
    wrong = {name for name, form in sent.items() if any(field.errors for field in form)}
    record_opening(opened)
    if unread:
        actions.read_by_team(session, referral, view.organization_id, now=opened.now)
    session.commit()
    return render(
        "admin/referral.html",
        status=status,
        stale=stale,
        problem=problem,
        offered={name: name in possible for name in DEEDS},
        forms=forms,
        # What fits nowhere any more is shown once, to be copied.
        left_over=[text for name in sent if name not in possible for text in written_texts(sent[name])],
        opens=set(sent),
        mistakes=[
            (field.id, " ".join(field.errors)) for name in wrong for field in sent[name] if field.errors
        ],
        offices=open_desks(current_session(), without=opened.referral.organization_id)
        if possible & {"reject", "handover", "joint"}
        else (),
        nobody=NOBODY,
        outcomes=[(outcome.value, gettext(words)) for outcome, words in OUTCOMES.items()],
        **context,
    )


def _context(opened: Opened, unread: set[UUID]) -> dict[str, Any]:
    view, referral = opened.view, opened.referral
    assert view.agreed is not None and view.consent is not None
    appointments = [one.appointment for one in view.appointments]
    names = Names.read(
        services={referral.service_id, referral.proposed_service_id},
        organizations={
            referral.organization_id,
            referral.proposed_organization_id,
            view.organization_id,
            *(one.organization_id for one in view.consents),
            *(one.organization_id for one in appointments),
            *joint_teams(opened),
        },
        people={
            referral.claimed_by,
            referral.prepared_by,
            *(one.event.user_id for one in view.events),
            *(one.message.user_id for one in view.messages),
        },
    )
    words, tag = state_words(referral)
    own_only = not view.responsible
    return {
        "address": url_for("admin.referral", referral_id=referral.id),
        "id": referral.id,
        "label": referral.label,
        "version": referral.version,
        "state": words,
        "tag": tag,
        "own_only": own_only,
        "desk": names.service(referral.service_id),
        "office": names.organization(referral.organization_id),
        "team": names.organization(view.organization_id),
        "language": referral.language,
        "language_name": language_name(referral.language),
        "requested": short_day(view.consent.given_at if own_only else referral.requested_at),
        "due": "" if own_only or referral.first_contact_at else short_date(referral.due_date),
        "overdue": queries.is_overdue(referral, today=opened.tools.days.today(opened.now)),
        "silent": not own_only and queries.is_silent(referral),
        "told": notices.is_told(
            current_session(), opened.tools.keyring, referral, working_channels(current_portal().settings)
        ),
        "alarm": moment(referral.alarm_at),
        "claimed": "" if own_only else names.person(referral.claimed_by),
        "mine": referral.claimed_by == opened.by.user_id,
        "first_contact": "" if own_only else short_day(referral.first_contact_at),
        "expires": short_day(view.consent.expires_at),
        "outcome": _outcome(referral.outcome),
        "lines": view.agreed.lines,
        "agreed": view.agreed,
        "messages": [
            {
                "from_person": one.message.author == Actor.YOUNG_PERSON,
                "who": names.person(one.message.user_id),
                "at": moment(one.message.at),
                "text": one.text,
                "new": one.message.id in unread,
                "read": one.message.read_at is not None,
            }
            for one in view.messages
        ],
        "appointments": [_appointment(one, names, opened) for one in view.appointments],
        "joint_offices": ", ".join(names.organization(id_) for id_ in joint_teams(opened)),
        "asked_teams": [
            {"id": one.id, "name": names.organization(one.organization_id), "record": may_record(opened, one)}
            for one in view.consents
            if view.responsible and _is_asked(one)
        ],
        "proposed": _proposed(opened, names),
        "records": may_record(opened),
        "events": [
            {
                "words": gettext(MOVES[Move(one.event.move)]),
                "who": names.actor(one.event),
                "at": moment(one.event.at),
                "note": one.note,
            }
            for one in reversed(view.events)
            if one.event.move in set(MOVES)
        ],
    }


def _proposed(opened: Opened, names: Names) -> str:
    desk = asked_desk(opened)
    return names.desk(desk) if desk and opened.view.responsible else ""


def _outcome(value: str | None) -> str:
    return next((gettext(words) for outcome, words in OUTCOMES.items() if outcome.value == value), "")


def _appointment(one: queries.ReadAppointment, names: Names, opened: Opened) -> dict[str, Any]:
    state = AppointmentState(one.appointment.state)
    words, tag = APPOINTMENTS[state]
    own = one.appointment.organization_id in opened.by.organizations
    open_ = state in (AppointmentState.PROPOSED, AppointmentState.AGREED)
    mine = opened.view.organization_id
    return {
        "id": one.appointment.id,
        "start": long_moment(one.meeting.start_at),
        "minutes": one.meeting.minutes,
        "place": one.meeting.place,
        "note": one.meeting.note,
        "state": gettext(words),
        "tag": tag,
        "joint": one.appointment.joint,
        "office": names.organization(one.appointment.organization_id),
        "over": not open_,
        "teams": [
            (names.organization(id_), *_attendance(one.answers.get(id_)))
            for id_ in (mine, *joint_teams(opened))
            if one.appointment.joint and open_ and id_ != one.appointment.organization_id
        ],
        "attend": one.appointment.joint
        and open_
        and mine != one.appointment.organization_id
        and "attend" in offered(opened),
        "fits": one.answers.get(mine),
        "cancel": own
        and open_
        and Move.PROPOSE_APPOINTMENT in moves(Status(opened.referral.status), Actor.COUNSELLOR),
    }


def _attendance(fits: bool | None) -> tuple[str, str]:
    """In words, and the kind of the tag."""
    if fits is None:
        return gettext("No answer yet"), "wait"
    return (gettext("Takes part"), "open") if fits else (gettext("Does not take part"), "bad-tag")


def _over(opened: Opened, *, status: int) -> Response:
    """Nothing is left that this team may read."""
    return render(
        "admin/referral_over.html",
        status=status,
        label=opened.referral.label,
        why=_why_over(opened.view),
    )


def _why_over(view: TeamView) -> str:
    """withdrawn, expired or erased"""
    consents = [
        one
        for one in queries.consents_of(current_session(), view.referral)
        if one.organization_id == view.organization_id and one.given_at is not None
    ]
    if any(one.withdrawn_at is not None for one in consents):
        return "withdrawn"
    if view.referral.status == Status.COMPLETED:
        return "erased"
    return "expired"
