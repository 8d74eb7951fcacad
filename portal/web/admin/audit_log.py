"""What was done here: by whom, when, to which entry. Kept as long as the settings say."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, request, url_for
from sqlalchemy import func, or_, select
from sqlmodel import col

from portal.accounts import audit as log
from portal.accounts.models import AuditEvent
from portal.accounts.permissions import Permission
from portal.catalogue import overview
from portal.web.admin.editing.wording import label
from portal.web.admin.guard import me, needs
from portal.web.admin.lists import csv_bytes, download
from portal.web.admin.paging import Paging
from portal.web.admin.rendering import render
from portal.web.admin.times import moment
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.texts import N_, gettext

MOST_EXPORTED = 100_000
SYSTEM = "-"
"""Stands for events without a person."""


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/audit", "audit", audit)
    bp.add_url_rule("/audit.csv", "audit_csv", audit_csv)


_THINGS: Mapping[str, str] = {
    "sign_in": N_("Sign-in"),
    "account": N_("Own account"),
    "user": N_("Account"),
    "service": N_("Offer"),
    "organization": N_("Organization"),
    "location": N_("Place"),
    "proposal": N_("Proposal"),
    "report": N_("Report of a visitor"),
    "confirmation": N_("Question whether all is right"),
    "translation": N_("Translation"),
    "duplicates": N_("Entry that looks like another one"),
    "word": N_("Word without result"),
    "clearing": N_("Questionnaire"),
    "settings": N_("Settings"),
    "list": N_("List"),
    "audit": N_("Log"),
    "slip": N_("Hand-over slip"),
    "referral": N_("Referral"),
    "team": N_("Team for referrals"),
}
_DEEDS: Mapping[str, str] = {
    "done": N_("succeeded"),
    "failed": N_("failed"),
    "locked": N_("blocked after too many tries"),
    "second_factor_failed": N_("second factor was wrong"),
    "ended": N_("ended"),
    "app_added": N_("code app set up"),
    "app_removed": N_("code app taken away"),
    "passkey_added": N_("passkey set up"),
    "passkey_removed": N_("passkey taken away"),
    "codes_renewed": N_("new recovery codes"),
    "password_changed": N_("password changed"),
    "sessions_ended": N_("signed out everywhere else"),
    "joined": N_("came in by the invitation"),
    "link_asked": N_("asked for a link for a new password"),
    "password_reset": N_("new password by mail"),
    "role_given": N_("role given"),
    "role_taken": N_("role taken away"),
    "invited": N_("invited"),
    "disabled": N_("shut out"),
    "enabled": N_("let in again"),
    "second_factor_reset": N_("second factor taken away"),
    "created": N_("created"),
    "saved": N_("saved"),
    "published": N_("published"),
    "withdrawn": N_("made a draft again"),
    "archived": N_("archived"),
    "put_back": N_("put back from the archive"),
    "restored": N_("older version put back"),
    "erased": N_("erased"),
    "deleted": N_("taken away"),
    "merged": N_("merged with another one"),
    "capacity": N_("free places told"),
    "confirmed": N_("confirmed"),
    "review_set": N_("next question set"),
    "proposed": N_("proposed"),
    "accepted": N_("accepted"),
    "rejected": N_("refused"),
    "draft": N_("kept as a draft"),
    "made": N_("sent in"),
    "received": N_("received"),
    "decided": N_("decided"),
    "reopened": N_("opened again"),
    "opened": N_("opened"),
    "asked": N_("sent to the organization"),
    "reminded": N_("sent a second time"),
    "escalated": N_("passed on to the coordinators"),
    "answered": N_("answered"),
    "drafted": N_("drafted by the machine"),
    "distinct": N_("is another one indeed"),
    "text_saved": N_("text changed"),
    "text_put_back": N_("older text put back"),
    "case_saved": N_("test case kept"),
    "case_removed": N_("test case removed"),
    "reset": N_("as delivered again"),
    "exported": N_("exported"),
    "imported": N_("imported"),
    "prepared": N_("prepared together"),
    "discarded": N_("thrown away"),
    "desk_proposed": N_("other desk proposed"),
}
_OTHERWISE: Mapping[str, str] = {"proposal.withdrawn": N_("taken back")}
"""Actions whose deed means something else there."""


def action_words(action: str) -> str:
    """In words as far as they are known; the rest as it is written."""
    thing, _, deed = action.partition(".")
    words = _OTHERWISE.get(action) or _DEEDS.get(deed)
    if thing not in _THINGS or words is None:
        return action
    return f"{gettext(_THINGS[thing])}: {gettext(words)}"


@dataclass(frozen=True, slots=True)
class Wanted:
    person: str
    action: str
    words: str
    since: date | None
    until: date | None

    @classmethod
    def read(cls) -> "Wanted":
        given = request.args
        return cls(
            given.get("person", "")[:40],
            given.get("action", "")[:80],
            " ".join(given.get("q", "").split())[:100],
            _day(given.get("since", "")),
            _day(given.get("until", "")),
        )

    def conditions(self) -> list[Any]:
        region = current_portal().region.slug
        found: list[Any] = [or_(col(AuditEvent.region) == region, col(AuditEvent.region).is_(None))]
        if self.person == SYSTEM:
            found.append(col(AuditEvent.actor_id).is_(None))
        elif self.person:
            try:
                found.append(col(AuditEvent.actor_id) == UUID(self.person))
            except ValueError:
                found.append(col(AuditEvent.actor_name) == self.person)
        if self.action:
            found.append(col(AuditEvent.action) == self.action)
        for word in self.words.split():
            found.append(
                overview.folded(col(AuditEvent.entity_name)).contains(overview.fold(word), autoescape=True)
            )
        if self.since:
            found.append(col(AuditEvent.at) >= _begin(self.since))
        if self.until:
            found.append(col(AuditEvent.at) < _begin(self.until + timedelta(days=1)))
        return found

    @property
    def is_narrow(self) -> bool:
        return bool(self.person or self.action or self.words or self.since or self.until)


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 1970 < found.year < 9999 else None


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=current_portal().timezone)


@dataclass(frozen=True, slots=True)
class EventLine:
    at: str
    who: str
    what: str
    entry: str
    url: str
    details: str


def _without_actor(action: str) -> str:
    """What stands in the place of a name: pages always know who it was, or that nobody can know it."""
    thing, _, deed = action.partition(".")
    if deed == "erased" or action in (
        "confirmation.asked",
        "confirmation.reminded",
        "confirmation.escalated",
    ):
        return N_("automatically")
    if thing in ("user", "translation"):
        return N_("command on the server")
    return N_("nobody who is known")


_ENTRIES = ("service", "organization", "location")


def _line(event: AuditEvent, slugs: Mapping[UUID, str]) -> EventLine:
    slug = slugs.get(event.entity_id) if event.entity_id else None
    return EventLine(
        moment(event.at),
        event.actor_name or gettext(_without_actor(event.action)),
        action_words(event.action),
        event.entity_name,
        url_for("admin.history", entity=event.entity, slug=slug) if slug and event.entity in _ENTRIES else "",
        details_words(event.details),
    )


def details_words(details: Mapping[str, Any]) -> str:
    parts = []
    for name, value in details.items():
        if name == "fields" and isinstance(value, list):
            parts.append(", ".join(label(str(field)) for field in value))
        elif value is True:
            parts.append(name)
        elif value not in (None, "", False, []):
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            parts.append(f"{name}: {shown}")
    return "; ".join(part for part in parts if part)


@needs(Permission.AUDIT)
def audit() -> Response:
    session = current_session()
    wanted = Wanted.read()
    conditions = wanted.conditions()
    total = session.execute(select(func.count()).select_from(AuditEvent).where(*conditions)).scalar() or 0
    paging = Paging.read(total)
    events = list(
        session.execute(
            select(AuditEvent)
            .where(*conditions)
            .order_by(col(AuditEvent.at).desc(), col(AuditEvent.id).desc())
            .limit(paging.size)
            .offset(paging.offset)
        ).scalars()
    )
    given: dict[str, Any] = {name: value for name, value in request.args.items() if name != "page" and value}
    return render(
        "admin/audit.html",
        wanted=wanted,
        lines=[_line(event, _slugs(events)) for event in events],
        paging=paging,
        people=_people(),
        actions=_actions(),
        kept_days=current_portal().settings.audit_days,
        export=url_for("admin.audit_csv", **given),
        system=SYSTEM,
    )


def _slugs(events: list[AuditEvent]) -> dict[UUID, str]:
    """Entry → slug, of the entries that are there or have a history."""
    from portal.catalogue import models
    from portal.catalogue.models import EntryVersion
    from portal.catalogue.rows import table

    ids = {event.entity_id for event in events if event.entity in _ENTRIES and event.entity_id}
    found: dict[UUID, str] = {}
    if not ids:
        return found
    session = current_session()
    sources = [(table(EntryVersion), "entity_id")] + [
        (table(model), "id") for model in (models.Service, models.Organization, models.Location)
    ]
    for source, name in sources:
        rows = session.execute(
            select(source.c[name].label("entry"), source.c.slug).where(source.c[name].in_(ids)).distinct()
        )
        found |= {row.entry: row.slug for row in rows}
    return found


def _people() -> list[tuple[str, str]]:
    """Everybody who stands in the log, also those whose account is gone."""
    rows = current_session().execute(
        select(col(AuditEvent.actor_id), func.max(col(AuditEvent.actor_name)).label("name"))
        .where(col(AuditEvent.actor_id).is_not(None))
        .group_by(col(AuditEvent.actor_id))
        .order_by(func.max(col(AuditEvent.actor_name)))
    )
    return [(str(row.actor_id), str(row.name)) for row in rows]


def _actions() -> list[tuple[str, str]]:
    rows = current_session().execute(select(col(AuditEvent.action)).distinct())
    return sorted(
        ((row.action, action_words(row.action)) for row in rows), key=lambda pair: overview.fold(pair[1])
    )


@needs(Permission.AUDIT)
def audit_csv() -> Response:
    """The filtered log. Taking it out is an event itself."""
    session = current_session()
    wanted = Wanted.read()
    rows = [[gettext("Time (UTC)"), gettext("Who"), gettext("Action"), gettext("Entry"), gettext("Details")]]
    for event in session.execute(
        select(AuditEvent)
        .where(*wanted.conditions())
        .order_by(col(AuditEvent.at).desc(), col(AuditEvent.id).desc())
        .limit(MOST_EXPORTED)
    ).scalars():
        rows.append(
            [
                event.at.isoformat(timespec="seconds"),
                event.actor_name,
                event.action,
                event.entity_name,
                details_words(event.details),
            ]
        )
    now = current_portal().now()
    log.record(
        session,
        "audit.exported",
        now=now,
        actor=me(),
        region=current_portal().region.slug,
        lines=len(rows) - 1,
    )
    session.commit()
    return download(csv_bytes(rows), f"log-{now:%Y-%m-%d}.csv", "text/csv; charset=utf-8")
