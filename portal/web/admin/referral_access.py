"""Who opened which referral or slip, and when: for the data-protection officer. Nothing here says what it is about."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, abort, request, url_for
from sqlalchemy import func, or_, select
from sqlmodel import col

from portal.accounts import audit as log
from portal.accounts.models import AuditEvent, Role, RoleGrant
from portal.accounts.permissions import Permission
from portal.catalogue.models import Organization
from portal.web.admin.audit_log import MOST_EXPORTED, SYSTEM, Wanted, action_words
from portal.web.admin.guard import me, needs
from portal.web.admin.lists import csv_bytes, download
from portal.web.admin.paging import Paging
from portal.web.admin.referral_page import tools_or_404
from portal.web.admin.rendering import render
from portal.web.admin.times import moment
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.texts import gettext

THINGS = ("referral.", "slip.")
"""How the actions begin that this is about."""


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/referrals/access", "referral_access", access)
    bp.add_url_rule("/referrals/access.csv", "referral_access_csv", access_csv)


@dataclass(frozen=True, slots=True)
class Line:
    at: str
    who: str
    team: str
    what: str
    label: str


@needs(Permission.REFERRAL_LOG)
def access() -> Response:
    _must_be_for_all()
    session, wanted = current_session(), Wanted.read()
    conditions = _conditions(wanted)
    total = session.execute(select(func.count()).select_from(AuditEvent).where(*conditions)).scalar() or 0
    paging = Paging.read(total)
    events = _events(conditions, limit=paging.size, offset=paging.offset)
    teams = _teams(events)
    given: dict[str, Any] = {name: value for name, value in request.args.items() if name != "page" and value}
    return render(
        "admin/referral_access.html",
        wanted=wanted,
        lines=[
            Line(moment(one.at), one.actor_name, _team(one, teams), action_words(one.action), one.entity_name)
            for one in events
        ],
        paging=paging,
        people=_people(),
        system=SYSTEM,
        kept_days=current_portal().settings.audit_days,
        export=url_for("admin.referral_access_csv", **given),
    )


@needs(Permission.REFERRAL_LOG)
def access_csv() -> Response:
    """The filtered list. Taking it out is an event itself."""
    _must_be_for_all()
    portal, session = current_portal(), current_session()
    events = _events(_conditions(Wanted.read()), limit=MOST_EXPORTED)
    teams = _teams(events)
    rows = [[gettext("Time (UTC)"), gettext("Who"), gettext("Team"), gettext("Action"), gettext("Label")]]
    rows += [
        [
            one.at.isoformat(timespec="seconds"),
            one.actor_name,
            _team(one, teams),
            one.action,
            one.entity_name,
        ]
        for one in events
    ]
    now = portal.now()
    log.record(session, "audit.exported", now=now, actor=me(), region=portal.region.slug, lines=len(rows) - 1)
    session.commit()
    return download(csv_bytes(rows), f"access-{now:%Y-%m-%d}.csv", "text/csv; charset=utf-8")


def _must_be_for_all() -> None:
    """The log knows no places, so it is not for a coordinator of a part of the county."""
    tools_or_404()
    if not me().powers.may_everywhere(Permission.REFERRAL_LOG):
        abort(403)


def _about_referrals() -> Any:
    return or_(*(col(AuditEvent.action).startswith(start, autoescape=True) for start in THINGS))


def _conditions(wanted: Wanted) -> list[Any]:
    return [*wanted.conditions(), _about_referrals()]


def _events(conditions: list[Any], *, limit: int, offset: int = 0) -> list[AuditEvent]:
    return list(
        current_session()
        .execute(
            select(AuditEvent)
            .where(*conditions)
            .order_by(col(AuditEvent.at).desc(), col(AuditEvent.id).desc())
            .limit(limit)
            .offset(offset)
        )
        .scalars()
    )


def _teams(events: Collection[AuditEvent]) -> Mapping[UUID, list[str]]:
    """User → names of the teams they answer for today."""
    found: dict[UUID, list[str]] = defaultdict(list)
    rows = current_session().execute(
        select(col(RoleGrant.user_id), col(Organization.name))
        .join(Organization, col(Organization.id) == col(RoleGrant.organization_id))
        .where(
            col(RoleGrant.role) == Role.COUNSELLOR.value,
            col(RoleGrant.user_id).in_({one.actor_id for one in events if one.actor_id}),
        )
        .order_by(col(Organization.name))
        .distinct()
    )
    for user_id, name in rows:
        found[user_id].append(str(name))
    return found


def _team(event: AuditEvent, teams: Mapping[UUID, list[str]]) -> str:
    return ", ".join(teams.get(event.actor_id, ())) if event.actor_id else ""


def _people() -> list[tuple[str, str]]:
    """Everybody who stands in this list, also those whose account is gone."""
    rows = current_session().execute(
        select(col(AuditEvent.actor_id), func.max(col(AuditEvent.actor_name)).label("name"))
        .where(col(AuditEvent.actor_id).is_not(None), _about_referrals())
        .group_by(col(AuditEvent.actor_id))
        .order_by(func.max(col(AuditEvent.actor_name)))
    )
    return [(str(row.actor_id), str(row.name)) for row in rows]
